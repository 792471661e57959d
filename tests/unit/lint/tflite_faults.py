"""For each rule, a change to a clean `.tflite` that breaks it."""

import copy
from collections.abc import Callable
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

Model = Any
Change = Callable[["File"], None]


class File:
    """A `.tflite` taken apart, and ways to change it."""

    def __init__(self, data: bytes) -> None:
        self.model: Model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data))
        self.graph = self.model.subgraphs[0]
        for tensor in self.graph.tensors:
            if tensor.quantization is not None:  # as it comes, it cannot be written to
                tensor.quantization.scale = list(tensor.quantization.scale)
                tensor.quantization.zeroPoint = list(tensor.quantization.zeroPoint)

    def bytes(self) -> bytes:
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    def index(self, name: str) -> int:
        return [tensor.name.decode() for tensor in self.graph.tensors].index(name)

    def tensor(self, name: str) -> Any:
        return self.graph.tensors[self.index(name)]

    def grid(self, name: str) -> Any:
        return self.tensor(name).quantization

    def values(self, name: str) -> Any:
        return self.model.buffers[self.tensor(name).buffer].data

    def store(self, name: str, values: np.ndarray[Any, Any]) -> None:
        self.model.buffers[self.tensor(name).buffer].data = values.ravel().view(np.uint8)

    def add_buffer(self, values: np.ndarray[Any, Any]) -> int:
        buffer = schema.BufferT()
        buffer.data = values.ravel().view(np.uint8)
        self.model.buffers.append(buffer)
        return len(self.model.buffers) - 1

    def add_tensor(self, like: str, name: str) -> Any:
        tensor = copy.deepcopy(self.tensor(like))
        tensor.name = name.encode()
        self.graph.tensors.append(tensor)
        return tensor

    def add_constant(self, like: str, name: str, values: np.ndarray[Any, Any]) -> int:
        tensor = self.add_tensor(like, name)
        kind = values.dtype.name.upper()
        tensor.type, tensor.shape = getattr(schema.TensorType, kind), list(values.shape)
        tensor.buffer = self.add_buffer(values)
        return len(self.graph.tensors) - 1

    def add_code(self, kind: str, version: int) -> int:
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), version
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1

    def insert(self, kind: str, version: int, behind: str, *more: int) -> Any:
        """Put an operator behind a tensor; return the tensor that it writes."""
        source, target = self.index(behind), len(self.graph.tensors)
        written = self.add_tensor(behind, f"{behind}/{kind}")
        place = 0
        for number, other in enumerate(self.graph.operators):
            other.inputs = [target if index == source else index for index in other.inputs]
            if source in list(other.outputs):
                place = number + 1
        operator = schema.OperatorT()
        operator.opcodeIndex = self.add_code(kind, version)
        operator.inputs, operator.outputs = [source, *more], [target]
        self.graph.operators.insert(place, operator)
        return written

    def claim(self, version: str) -> None:
        (entry,) = self.model.metadata
        self.model.buffers[entry.buffer].data = list(version.encode().ljust(16, b"\0"))


def scales(grid: Any, values: Any) -> None:
    grid.scale = list(np.ravel(values))
    grid.zeroPoint = [0] * len(grid.scale)


def float_inside(file: File) -> None:
    before = copy.deepcopy(file.graph.operators)
    written = file.insert("ELU", 1, "stem")
    written.type, written.quantization = schema.TensorType.FLOAT32, None
    file.graph.operators = [*before, next(o for o in file.graph.operators if not o.builtinOptions)]


def converter(file: File) -> None:
    file.insert("QUANTIZE", 1, "narrow")


def activation(file: File) -> None:
    file.insert("RELU", 2, "narrow")
    file.claim("2.1.0")


def transpose(file: File) -> None:
    order = file.add_constant("pool/axes", "order", np.array([0, 1, 2, 3], np.int32))
    file.insert("TRANSPOSE", 2, "shrink", order)


def unused_code(file: File) -> None:
    file.add_code("LOGISTIC", 1)


def unused_tensor(file: File) -> None:
    file.add_tensor("stem", "nothing")


def unused_buffer(file: File) -> None:
    file.add_buffer(np.arange(7, dtype=np.int8))


def duplicate(file: File) -> None:
    entry = schema.MetadataT()
    entry.name, entry.buffer = b"copy", file.add_buffer(np.array(file.values("wide/kernel")))
    file.model.metadata.append(entry)


def open_dimension(file: File) -> None:
    file.tensor("input").shapeSignature = [-1, -1, 10, 3]


def custom(file: File) -> None:
    file.insert("CUSTOM", 1, "narrow")
    file.model.operatorCodes[-1].customCode = b"FlexRelu"


def batch_norm(file: File) -> None:
    factor = file.add_constant("wide/kernel", "factor", np.arange(17, dtype=np.int8))
    grid = file.graph.tensors[factor].quantization
    grid.scale, grid.zeroPoint = [0.1], [0]
    file.insert("MUL", 2, "wide", factor)


def two_graphs(file: File) -> None:
    file.model.subgraphs.append(copy.deepcopy(file.graph))


def lost_input(file: File) -> None:
    file.add_tensor("input", "second")
    file.graph.inputs = [*file.graph.inputs, len(file.graph.tensors) - 1]


def asymmetric(file: File) -> None:
    file.grid("stem/kernel").zeroPoint[3] = 1


def lowest_code(file: File) -> None:
    codes = np.array(file.values("wide/kernel"))
    codes[5] = 128
    file.store("wide/kernel", codes)


def one_scale(file: File) -> None:
    kernel, bias = file.grid("narrow/kernel"), file.grid("narrow/bias")
    source = np.float32(file.grid("spread").scale[0])
    scales(kernel, np.float32(0.01))
    scales(bias, np.float32(0.01) * source)


def wrong_axis(file: File) -> None:
    file.grid("stem/kernel").quantizedDimension = 3


def bias_zero_point(file: File) -> None:
    file.grid("wide/bias").zeroPoint[1] = 4


def bias_scale(file: File) -> None:
    file.grid("wide/bias").scale[2] *= 1.01


def no_scale(file: File) -> None:
    file.grid("pool").scale[0] = 0


def no_zero_point(file: File) -> None:
    file.grid("pool").zeroPoint[0] = 200


def versions(file: File, claim: str, **wanted: int) -> None:
    """Set versions of operators by name, and what the file claims to need."""
    for code in file.model.operatorCodes:
        for name, version in wanted.items():
            if code.builtinCode == getattr(schema.BuiltinOperator, name):
                code.version = version
    file.claim(claim)


def half_bytes(file: File) -> None:
    versions(file, "2.11.0", CONV_2D=7)
    file.tensor("wide/kernel").type = schema.TensorType.INT4
    file.store("wide/kernel", np.array(file.values("wide/kernel")[:408]))


def hybrid(file: File) -> None:
    versions(file, "2.4.0", CONV_2D=5, DEPTHWISE_CONV_2D=6)
    for tensor in file.graph.tensors:
        bias = tensor.type == schema.TensorType.INT32 and tensor.quantization is not None
        if bias or tensor.buffer == 0:
            tensor.type, tensor.quantization = schema.TensorType.FLOAT32, None


def uint8_weights(file: File) -> None:
    one_scale(file)
    file.tensor("narrow/kernel").type = schema.TensorType.UINT8
    file.grid("narrow/kernel").zeroPoint = [128]


def wasted(file: File) -> None:
    file.grid("wide").scale[0] *= 1000


def softmax_grid(file: File) -> None:
    file.grid("scores").scale[0] = 1 / 128


def regridded(file: File) -> None:
    file.insert("MAX_POOL_2D", 2, "wide").quantization.scale[0] *= 2


def wide_multiplier(file: File) -> None:
    file.grid("wide").scale[0] /= 1e6


def narrow_operand(file: File) -> None:
    file.grid("narrow").scale[0] /= 5000


def overflow(file: File) -> None:
    biases = np.array(file.values("wide/bias"), np.uint8).view(np.int32).copy()
    biases[3] = np.iinfo(np.int32).max
    file.store("wide/bias", biases)


def all_zero(file: File) -> None:
    file.store("wide/kernel", np.zeros(816, np.int8))


def no_claim(file: File) -> None:
    file.model.metadata = []
    file.model.buffers.pop()


def false_claim(file: File) -> None:
    file.claim("1.5.0")


def new_version(file: File) -> None:
    file.model.operatorCodes[-1].version = 99


def low_version(file: File) -> None:
    file.model.operatorCodes[0].version = 1


FAULTS: dict[str, Change] = {
    "MD001": float_inside,
    "MD002": converter,
    "MD003": activation,
    "MD004": transpose,
    "MD005": unused_code,
    "MD006": unused_tensor,
    "MD007": unused_buffer,
    "MD008": duplicate,
    "MD009": open_dimension,
    "MD010": custom,
    "MD011": batch_norm,
    "MD012": two_graphs,
    "MD014": lost_input,
    "MD101": asymmetric,
    "MD102": lowest_code,
    "MD103": one_scale,
    "MD104": wrong_axis,
    "MD105": bias_zero_point,
    "MD106": bias_scale,
    "MD107": no_scale,
    "MD108": no_zero_point,
    "MD109": half_bytes,
    "MD110": hybrid,
    "MD111": uint8_weights,
    "MD202": wasted,
    "MD203": softmax_grid,
    "MD204": regridded,
    "MD205": wide_multiplier,
    "MD206": narrow_operand,
    "MD207": overflow,
    "MD209": all_zero,
    "MD301": no_claim,
    "MD302": false_claim,
    "MD304": new_version,
    "MD306": low_version,
}
ALSO = {
    "MD010": {"MD304"},  # a custom operator is in no table of versions
}
