"""Keep ONNX Runtime from saturating on x86 without VNNI: an option, and files that it breaks on.

With `session.x64quantprecision` ONNX Runtime turns int8 weights into uint8 ones, whose kernels add
in 32 bits. Version 1.32 creates no session where two kernels share a zero point, as tf2onnx writes
it, nor for integer operators with int8 activations, whose own kernels do not saturate.

Sources: onnxruntime/core/optimizer/avx2_weight_s8_to_u8.cc and qdq_transformer/s8_to_u8.cc.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.formats.onnx import protobuf

OPTION: Final = "session.x64quantprecision"
_INPUTS: Final = {
    "DequantizeLinear": (0, 2),
    "QLinearConv": (3, 5),
    "QLinearMatMul": (3, 5),
    "QGemm": (3, 5),
}
"""By operator: which input the weights are, and which their zero point."""


def ways(model: bytes) -> Iterator[tuple[bytes, str]]:
    """Yield what may be loaded with the option, and words for it.

    Args:
        model: The file; it is yielded first, then a copy of the same numbers.
    """
    yield model, f"{OPTION}=1"
    apart = with_own_zero_points(model)
    if apart is not None:
        yield apart, f"{OPTION}=1, with a zero point for each kernel"


def with_own_zero_points(model: bytes) -> bytes | None:
    """Return a copy in which no two kernels share a zero point; None if none do."""
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
