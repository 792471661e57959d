"""Keep ONNX Runtime's int8 products from overflowing on x86 without VNNI.

Such CPUs add pairs of uint8 x int8 products in 16 bits (`vpmaddubsw`), which overflow; VNNI, and
every other architecture, adds them in 32. With `session.x64quantprecision` ONNX Runtime turns int8
weights into uint8 ones, whose kernels add in 32 bits. Version 1.32 creates no session where two
kernels share a zero point, as tf2onnx writes it, nor for integer operators with int8 activations,
whose own kernels do not saturate.

Sources: onnxruntime/core/optimizer/avx2_weight_s8_to_u8.cc and qdq_transformer/s8_to_u8.cc.
"""

import functools
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from mobiledeploy.base.errors import CorruptFileError

KEY: Final = "session.x64quantprecision"
OPTION: Final = f"{KEY}=1"
"""What an app has to tell ONNX Runtime on such a CPU."""
PRODUCTS: Final = 4
PROBE: Final = bytes.fromhex(
    "08083a580a180a01610a0162120179220d4d61744d756c496e74656765721201702a0f0804080110"
    "034201624a047f7f7f7f5a130a0161120e0a0c080212080a0208010a02080462130a0179120e0a0c"
    "080612080a0208010a02080142040a00100d"
)
"""An ONNX model: `MatMulInteger` of four uint8 codes `a` and four weights of 127."""
_INPUTS: Final = {
    "DequantizeLinear": (0, 2),
    "QLinearConv": (3, 5),
    "QLinearMatMul": (3, 5),
    "QGemm": (3, 5),
}
"""By operator: which input the weights are, and which their zero point."""


@functools.cache
def this_cpu_saturates() -> bool:
    """Whether ONNX Runtime's uint8 x int8 products saturate here, unless it is told not to.

    It is asked itself: what a system says of its CPU need not be what a program runs on. An
    emulator shows the flags of the machine outside.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session: Any = onnxruntime.InferenceSession(PROBE, options, providers=["CPUExecutionProvider"])
    total = session.run(None, {"a": np.full((1, PRODUCTS), 255, np.uint8)})[0]
    return int(total.item()) != PRODUCTS * 255 * 127


def ways(model: bytes) -> Iterator[tuple[bytes, str]]:
    """Yield what may be loaded with the option, and words for it.

    Args:
        model: The file; it is yielded first, then a copy of the same numbers.
    """
    yield model, OPTION
    apart = with_own_zero_points(model)
    if apart is not None:
        yield apart, f"{OPTION}, with a zero point for each kernel"


def with_own_zero_points(model: bytes) -> bytes | None:
    """Return a copy in which no two kernels share a zero point; None if none do."""
    from mobiledeploy.formats.onnx import protobuf

    try:
        proto = protobuf.message(model)
    except CorruptFileError:
        return None
    graph = proto.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    readers = []
    for node in graph.node:
        weights, place = _INPUTS.get(node.op_type, (0, len(node.input)))
        if (
            place < len(node.input)
            and {node.input[weights], node.input[place]} <= constants.keys()
        ):
            readers.append((node, place))
    count = Counter(node.input[place] for node, place in readers)
    shared = [(node, place) for node, place in readers if count[node.input[place]] > 1]
    for number, (node, place) in enumerate(shared):
        copy = graph.initializer.add()
        copy.CopyFrom(constants[node.input[place]])
        copy.name = node.input[place] = f"{copy.name}:own:{number}"
    data: bytes = proto.SerializeToString()
    return data if shared else None
