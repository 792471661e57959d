"""For each rule, a change to a clean `.tflite` that breaks it."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from tflite_editor import TfliteFile

Change = Callable[[TfliteFile], None]


def scales(grid: Any, values: Any) -> None:
    grid.scale = list(np.ravel(values))
    grid.zeroPoint = [0] * len(grid.scale)


def float_inside(file: TfliteFile) -> None:
    before = copy.deepcopy(file.graph.operators)
    written = file.insert("ELU", "stem", version=1)
    written.type, written.quantization = schema.TensorType.FLOAT32, None
    file.graph.operators = [*before, next(o for o in file.graph.operators if not o.builtinOptions)]


def converter(file: TfliteFile) -> None:
    file.insert("QUANTIZE", "narrow", version=1)


def activation(file: TfliteFile) -> None:
    file.insert("RELU", "narrow", version=2)
    file.claim("2.1.0")


def transpose(file: TfliteFile) -> None:
    order = file.add_constant("order", np.array([0, 1, 2, 3], np.int32))
    file.insert("TRANSPOSE", "shrink", order, version=2)


def unused_code(file: TfliteFile) -> None:
    file.add_code("LOGISTIC", 1)


def unused_tensor(file: TfliteFile) -> None:
    file.add_tensor("stem", "nothing")


def unused_buffer(file: TfliteFile) -> None:
    file.add_buffer(np.arange(7, dtype=np.int8))


def duplicate(file: TfliteFile) -> None:
    entry = schema.MetadataT()
    entry.name, entry.buffer = b"copy", file.add_buffer(np.array(file.values("wide/kernel")))
    file.model.metadata.append(entry)


def open_dimension(file: TfliteFile) -> None:
    file.tensor("input").shapeSignature = [-1, -1, 10, 3]


def custom(file: TfliteFile) -> None:
    file.insert("CUSTOM", "narrow", version=1)
    file.model.operatorCodes[-1].customCode = b"FlexRelu"


def batch_norm(file: TfliteFile) -> None:
    factor = file.add_tensor("narrow", "factor", [17])
    file.store(file.graph.tensors[factor], np.arange(17, dtype=np.int8))
    grid = file.graph.tensors[factor].quantization
    grid.scale, grid.zeroPoint = [0.1], [0]
    file.insert("MUL", "wide", factor, version=2)


def two_graphs(file: TfliteFile) -> None:
    file.model.subgraphs.append(copy.deepcopy(file.graph))


def lost_input(file: TfliteFile) -> None:
    file.graph.inputs = [*file.graph.inputs, file.add_tensor("input", "second")]


def variable(file: TfliteFile) -> None:
    """The kernel is a variable's value, as where a function was converted without its model."""
    kernel = file.index("wide/kernel")
    handle = file.add_tensor("wide/kernel", "handle", [1])
    file.model.buffers[file.graph.tensors[kernel].buffer].data = None
    file.graph.tensors[handle].buffer = file.graph.tensors[kernel].buffer = 0
    file.graph.tensors[handle].type = schema.TensorType.RESOURCE
    file.graph.tensors[handle].quantization = None
    file.add_operator(0, "VAR_HANDLE", [], [handle])
    file.add_operator(1, "READ_VARIABLE", [handle], [kernel])
    file.claim("2.6.0")


def asymmetric(file: TfliteFile) -> None:
    file.grid("stem/kernel").zeroPoint[3] = 1


def lowest_code(file: TfliteFile) -> None:
    codes = np.array(file.values("wide/kernel"))
    codes[5] = 128
    file.overwrite("wide/kernel", codes)


def one_scale(file: TfliteFile) -> None:
    kernel, bias = file.grid("narrow/kernel"), file.grid("narrow/bias")
    source = np.float32(file.grid("spread").scale[0])
    scales(kernel, np.float32(0.01))
    scales(bias, np.float32(0.01) * source)


def wrong_axis(file: TfliteFile) -> None:
    file.grid("stem/kernel").quantizedDimension = 3


def bias_zero_point(file: TfliteFile) -> None:
    file.grid("wide/bias").zeroPoint[1] = 4


def bias_scale(file: TfliteFile) -> None:
    file.grid("wide/bias").scale[2] *= 1.01


def no_scale(file: TfliteFile) -> None:
    file.grid("pool").scale[0] = 0


def no_zero_point(file: TfliteFile) -> None:
    file.grid("pool").zeroPoint[0] = 200


def versions(file: TfliteFile, claim: str, **wanted: int) -> None:
    """Set versions of operators by name, and what the file claims to need."""
    for code in file.model.operatorCodes:
        for name, version in wanted.items():
            if code.builtinCode == getattr(schema.BuiltinOperator, name):
                code.version = version
    file.claim(claim)


def half_bytes(file: TfliteFile) -> None:
    versions(file, "2.11.0", CONV_2D=7)
    file.tensor("wide/kernel").type = schema.TensorType.INT4
    file.overwrite("wide/kernel", np.array(file.values("wide/kernel")[:408]))


def hybrid(file: TfliteFile) -> None:
    versions(file, "2.4.0", CONV_2D=5, DEPTHWISE_CONV_2D=6)
    for tensor in file.graph.tensors:
        bias = tensor.type == schema.TensorType.INT32 and tensor.quantization is not None
        if bias or tensor.buffer == 0:
            tensor.type, tensor.quantization = schema.TensorType.FLOAT32, None


def uint8_weights(file: TfliteFile) -> None:
    one_scale(file)
    file.tensor("narrow/kernel").type = schema.TensorType.UINT8
    file.grid("narrow/kernel").zeroPoint = [128]


def wasted(file: TfliteFile) -> None:
    file.grid("wide").scale[0] *= 1000


def softmax_grid(file: TfliteFile) -> None:
    file.grid("scores").scale[0] = 1 / 128


def regridded(file: TfliteFile) -> None:
    file.insert("MAX_POOL_2D", "wide", version=2).quantization.scale[0] *= 2


def wide_multiplier(file: TfliteFile) -> None:
    file.grid("wide").scale[0] /= 1e5


def narrow_operand(file: TfliteFile) -> None:
    file.grid("narrow").scale[0] /= 5000


def no_range(file: TfliteFile) -> None:
    before, after = file.grid("sum").scale[0], 1e-9
    file.grid("sum").scale[0] = after
    bias = file.grid("shrink/bias")
    bias.scale = [scale * after / before for scale in bias.scale]


def unusual_input(file: TfliteFile) -> None:
    for name in ("input", "stem/bias"):
        file.grid(name).scale = [scale * 0.7 for scale in file.grid(name).scale]


def overflow(file: TfliteFile) -> None:
    biases = np.array(file.values("wide/bias"), np.uint8).view(np.int32).copy()
    biases[3] = np.iinfo(np.int32).max
    file.overwrite("wide/bias", biases)


def all_zero(file: TfliteFile) -> None:
    file.overwrite("wide/kernel", np.zeros(816, np.int8))


def no_claim(file: TfliteFile) -> None:
    file.model.metadata = []
    file.model.buffers.pop()


def false_claim(file: TfliteFile) -> None:
    file.claim("1.5.0")


def new_version(file: TfliteFile) -> None:
    file.model.operatorCodes[-1].version = 99


def low_version(file: TfliteFile) -> None:
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
    "MD015": variable,
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
    "MD210": no_range,
    "MD211": unusual_input,
    "MD301": no_claim,
    "MD302": false_claim,
    "MD304": new_version,
    "MD306": low_version,
}
ALSO = {
    "MD010": {"MD304"},  # a custom operator is in no table of versions
    "MD210": {"MD202", "MD206"},  # what is next to the range has others
}
