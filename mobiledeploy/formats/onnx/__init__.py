"""An `.onnx`: bytes <-> a parsed model.

* `parser`: from the bytes of any file to an `OnnxModel`.
* `model`: what that is, and `require_supported`, which refuses what nothing here can compare.
* `protobuf`: from bytes to a protobuf with checked texts.
* `external_data`: weights that lie beside a file.
* `checker`: ONNX's own checker and shape inference, in a child process.
* `quantisation`: grids of tensors, as operators state them.
* `schema`: every number of the format, by name.
* `writer`: lays out a new file.
* `edit`: makes files of one: copies that compute the same, or a part.
"""

from mobiledeploy.formats.onnx.model import OnnxModel, OnnxOperator, require_supported
from mobiledeploy.formats.onnx.parser import parse

__all__ = ["OnnxModel", "OnnxOperator", "parse", "require_supported"]
