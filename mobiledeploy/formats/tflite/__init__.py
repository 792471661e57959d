"""A `.tflite`: bytes <-> a parsed model.

* `parser`: from the bytes of any file to a `TfliteModel`.
* `model`: `TfliteModel`, and `require_supported`, which refuses models that we cannot read.
* `flatbuffer`: reads tables of a flatbuffer that may be damaged.
* `buffers`: where a file keeps its values.
* `quantisation`: scales and zero points of tensors.
* `metadata`: descriptions and labels that tools add to a file.
* `metadata_writer`: writes those that MediaPipe and ML Kit read.
* `schema`: enum numbers and table slots of the schema, by name.
* `writer`: writes a new file.
* `edit`: makes copies with more outputs, or cuts out a part.
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
