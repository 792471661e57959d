"""A `.tflite`: bytes <-> a parsed model.

* `parser`: from the bytes of any file to a `TfliteModel`.
* `model`: what that is, and `require_supported`, which refuses what nothing here can compute.
* `flatbuffer`: reads tables of a flatbuffer that may be damaged.
* `buffers`: where a file keeps its values.
* `quantisation`: grids of tensors, as a file states them.
* `metadata`: what a file says about itself.
* `schema`: every number of the schema, by name.
* `writer`: lays out a new file.
* `edit`: makes files of a parsed one, with more outputs or of a part.
"""

from mobiledeploy.formats.tflite.model import (
    TfliteModel,
    TfliteOperator,
    TfliteTensor,
    require_supported,
)
from mobiledeploy.formats.tflite.parser import IDENTIFIER, parse

__all__ = [
    "IDENTIFIER",
    "TfliteModel",
    "TfliteOperator",
    "TfliteTensor",
    "parse",
    "require_supported",
]
