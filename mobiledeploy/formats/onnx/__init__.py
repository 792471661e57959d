"""An `.onnx`: bytes <-> a parsed model.

* `parser`: from the bytes of any file to an `OnnxModel`.
* `model`: `OnnxModel`, and `require_supported`, which refuses models that we cannot read.
* `protobuf`: from bytes to a protobuf with checked strings.
* `external_data`: weights in files next to the model.
* `checker`: ONNX's own checker and shape inference, in a child process.
* `quantisation`: scales and zero points of tensors, which operators state.
* `schema`: every number of the format, by name.
* `writer`: lays out a new file.
* `edit`: makes copies with more outputs, or cuts out a part.
"""

from mobiledeploy.formats.onnx.model import OnnxModel, OnnxOperator, require_supported
from mobiledeploy.formats.onnx.parser import parse

__all__ = ["OnnxModel", "OnnxOperator", "parse", "require_supported"]
