"""An `.onnx`: from its bytes to a parsed model, and back.

`parser` makes an `OnnxModel` of any file (`model`), with `protobuf` for its bytes and texts,
`external_data` to read weights that lie beside it, and `schema` for every number. `checker` asks
ONNX's own checker and shape inference, in a child process; `quantisation` says which grid each
tensor lies on. `support` refuses what nothing here can compare. `writer` lays out a new file;
`edit` makes files of a parsed one, with more outputs or a part of it.
"""

from mobiledeploy.formats.onnx.model import OnnxModel, OnnxOperator
from mobiledeploy.formats.onnx.parser import parse
from mobiledeploy.formats.onnx.support import require_supported

__all__ = ["OnnxModel", "OnnxOperator", "parse", "require_supported"]
