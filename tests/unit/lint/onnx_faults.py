"""For each rule, a change to a clean `.onnx` that breaks it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class File:
    """A parsed `.onnx`, with methods to change it."""

    def __init__(self, data: bytes) -> None:
        self.model: Any = onnx.load_from_string(data)
        self.graph = self.model.graph

    def bytes(self) -> bytes:
        data: bytes = self.model.SerializeToString()
        return data

    def writer(self, name: str) -> Any:
        return next(node for node in self.graph.node if name in node.output)

    def reader(self, name: str, kind: str) -> Any:
        return next(n for n in self.graph.node if name in n.input and n.op_type == kind)

    def constant(self, name: str) -> Any:
        return next(tensor for tensor in self.graph.initializer if tensor.name == name)

    def add_constant(self, name: str, values: Any) -> str:
        self.graph.initializer.append(numpy_helper.from_array(np.array(values), name))
        return name

    def insert(self, before: Any, place: int, kind: str, *more: str, **attributes: Any) -> None:
        """Put an operator between a node and one of its inputs."""
        name = f"{before.input[place]}/{kind}"
        node = helper.make_node(kind, [before.input[place], *more], [name], **attributes)
        before.input[place] = name
        self.graph.node.insert(list(self.graph.node).index(before), node)

    def layer(self, name: str) -> Any:
        """The operator whose codes have a name."""
        return self.writer(self.writer(name).input[0])


def converter(file: File) -> None:
    reader = file.reader("wide", "DequantizeLinear")
    grid = list(reader.input[1:])
    file.insert(reader, 0, "DequantizeLinear", *grid)
    file.insert(reader, 0, "QuantizeLinear", *grid)


def activation(file: File) -> None:
    """Behind the codes of its layer, between two groups that could touch."""
    reader = file.reader("wide", "DequantizeLinear")
    grid = list(reader.input[1:])
    file.insert(reader, 0, "DequantizeLinear", *grid)
    file.insert(reader, 0, "Relu")
    file.insert(reader, 0, "QuantizeLinear", *grid)


def transpose(file: File) -> None:
    reader = file.reader("narrow", "DequantizeLinear")
    file.insert(reader, 0, "Transpose", perm=[0, 1, 2, 3])


def unused_set(file: File) -> None:
    file.model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 2))


def unused_values(file: File) -> None:
    file.add_constant("nothing", np.arange(5, dtype=np.int8))


def duplicate(file: File) -> None:
    values = np.random.default_rng(0).normal(size=100).astype(np.float32)
    copies = [file.add_constant(f"copy{number}", values) for number in (0, 1)]
    file.graph.node.append(helper.make_node("Sub", copies, ["difference"]))
    described = helper.make_tensor_value_info("difference", TensorProto.FLOAT, [values.size])
    file.graph.output.append(described)


def open_dimension(file: File) -> None:
    file.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "width"


def foreign(file: File) -> None:
    file.model.opset_import.append(helper.make_opsetid("own.domain", 1))
    file.insert(file.reader("pool", "DequantizeLinear"), 0, "Own", domain="own.domain")


def batch_norm(file: File) -> None:
    numbers = [file.add_constant(f"norm{n}", np.full(17, 1.5, np.float32)) for n in range(4)]
    file.insert(file.writer("wide"), 0, "BatchNormalization", *numbers)


def lost_input(file: File) -> None:
    file.graph.input.append(helper.make_tensor_value_info("second", TensorProto.FLOAT, ["n", 4]))


def asymmetric(file: File) -> None:
    zero = file.constant("stem/zero_point")
    values = numpy_helper.to_array(zero).copy()
    values[2] = 3
    zero.CopyFrom(numpy_helper.from_array(values, zero.name))


def wrong_axis(file: File) -> None:
    node = file.reader("wide/kernel", "DequantizeLinear")
    node.attribute[0].i = 2


def bias_scale(file: File) -> None:
    scale = file.constant("wide/bias_scale")
    values = numpy_helper.to_array(scale) * np.float32(1.01)
    scale.CopyFrom(numpy_helper.from_array(values, scale.name))


def read_otherwise(file: File) -> None:
    node = file.reader("narrow", "DequantizeLinear")
    scale = numpy_helper.to_array(file.constant(node.input[1]))
    node.input[1] = file.add_constant("other", np.float32(scale * np.float32(1.01)))


def new_ir(file: File) -> None:
    file.model.ir_version = 10


def unclean(file: File) -> None:
    file.layer("wide").attribute.append(helper.make_attribute("colour", 3))


def in_floats(file: File) -> None:
    quantise, dequantise = file.writer("wide"), file.reader("wide", "DequantizeLinear")
    file.reader(dequantise.output[0], "GlobalAveragePool").input[0] = quantise.input[0]
    for node in (quantise, dequantise):
        file.graph.node.remove(node)
    for name in quantise.input[1:]:
        file.graph.initializer.remove(file.constant(name))


def float_activation(file: File) -> None:
    file.insert(file.writer("narrow"), 0, "Relu")


def vector_scale(file: File) -> None:
    node = file.reader("narrow", "DequantizeLinear")
    scale = numpy_helper.to_array(file.constant(node.input[1]))
    node.input[1] = file.add_constant("vector", scale.reshape(1))
    zero = numpy_helper.to_array(file.constant(node.input[2]))
    node.input[2] = file.add_constant("vector_zero", zero.reshape(1))


def shared_zero_point(file: File) -> None:
    file.reader("spread/kernel", "DequantizeLinear").input[2] = "narrow/zero_point"
    file.graph.initializer.remove(file.constant("spread/zero_point"))


FAULTS: dict[str, Callable[[File], None]] = {
    "MD002": converter,
    "MD003": activation,
    "MD004": transpose,
    "MD005": unused_set,
    "MD007": unused_values,
    "MD008": duplicate,
    "MD009": open_dimension,
    "MD010": foreign,
    "MD011": batch_norm,
    "MD014": lost_input,
    "MD101": asymmetric,
    "MD104": wrong_axis,
    "MD106": bias_scale,
    "MD208": read_otherwise,
    "MD305": new_ir,
    "MD401": unclean,
    "MD402": in_floats,
    "MD403": float_activation,
    "MD406": vector_scale,
    "MD407": shared_zero_point,
}
ALSO = {
    "MD010": {"MD304"},  # a foreign operator is in no table of versions
    "MD011": {"MD402"},  # it works on real numbers, right behind a convolution
    "MD403": {"MD201"},  # what it keeps away are dead codes
}
