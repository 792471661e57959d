"""A `.tflite`: from its bytes to a parsed model, and back.

`parser` makes a `TfliteModel` of any file (`model`), with `flatbuffer` to follow offsets,
`buffers` to find values in the flatbuffer or behind it, `quantisation` and `metadata` for what
their names say, and `schema` for every number. `support` refuses what nothing here can compute.
`writer` lays out a new file; `edit` makes files of a parsed one: with more outputs, or of a part.
"""

from mobiledeploy.formats.tflite.model import TfliteModel, TfliteOperator, TfliteTensor
from mobiledeploy.formats.tflite.parser import IDENTIFIER, parse
from mobiledeploy.formats.tflite.support import require_supported

__all__ = [
    "IDENTIFIER",
    "TfliteModel",
    "TfliteOperator",
    "TfliteTensor",
    "parse",
    "require_supported",
]
