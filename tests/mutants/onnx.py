"""Edit an `.onnx` of our form: quantise/dequantise pairs around every layer."""

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from mutants.editable import Array, NotApplicableError

KINDS = {
    "Add": "add",
    "Conv": "conv",
    "Gemm": "dense",
    "GlobalAveragePool": "mean",
    "Softmax": "softmax",
}
MOVES = {"Clip", "Flatten", "Reshape", "Transpose"}


class OnnxEditable:
    """An `.onnx`; scalars that several nodes share are split where one is changed."""

    def __init__(self, data: bytes) -> None:
        self._model = onnx.load_from_string(data)
        self._graph = self._model.graph
        self._constants = {c.name: c for c in self._graph.initializer}
        self._layers = [node for node in self._graph.node if node.op_type in KINDS]
        self.kinds = tuple(
            "depthwise" if self._attribute(node, "group", 1) > 1 else KINDS[node.op_type]
            for node in self._layers
        )

    @staticmethod
    def _attribute(node: Any, name: str, default: Any) -> Any:
        found = [a for a in node.attribute if a.name == name]
        return helper.get_attribute_value(found[0]) if found else default

    @staticmethod
    def _set_attribute(node: Any, name: str, value: Any) -> None:
        for attribute in [a for a in node.attribute if a.name == name]:
            node.attribute.remove(attribute)
        node.attribute.append(helper.make_attribute(name, value))

    def _writer(self, name: str) -> Any:
        return next(node for node in self._graph.node if name in node.output)

    def _readers(self, name: str) -> list[Any]:
        return [node for node in self._graph.node if name in node.input]

    def _constant(self, node: Any, place: int) -> Array:
        return np.asarray(numpy_helper.to_array(self._constants[node.input[place]]))

    def _set_constant(self, node: Any, place: int, values: Array) -> None:
        name = f"{node.input[place]}~{len(self._constants)}"
        tensor = numpy_helper.from_array(values, name)
        self._graph.initializer.append(tensor)
        self._constants[name] = tensor
        node.input[place] = name

    def _weights(self, layer: int, place: int) -> Any:
        if self.kinds[layer] not in {"conv", "depthwise", "dense"}:
            raise NotApplicableError
        return self._writer(self._layers[layer].input[place])

    def kernel(self, layer: int) -> Array:
        values = self._constant(self._weights(layer, 1), 0)
        return values.T if self.kinds[layer] == "dense" else values.transpose(0, 2, 3, 1)

    def set_kernel(self, layer: int, kernel: Array) -> None:
        values = kernel.T if self.kinds[layer] == "dense" else kernel.transpose(0, 3, 1, 2)
        self._set_constant(self._weights(layer, 1), 0, np.array(values, order="C"))

    def kernel_grid(self, layer: int) -> tuple[Array, Array]:
        node = self._weights(layer, 1)
        return self._constant(node, 1).ravel(), self._constant(node, 2).ravel()

    def set_kernel_grid(self, layer: int, scale: Array, zero: Array) -> None:
        node = self._weights(layer, 1)
        shape = () if scale.size == 1 else scale.shape
        self._set_constant(node, 1, scale.astype(np.float32).reshape(shape))
        self._set_constant(node, 2, zero.astype(np.int8).reshape(shape))

    def bias(self, layer: int) -> Array:
        return self._constant(self._weights(layer, 2), 0)

    def set_bias(self, layer: int, bias: Array) -> None:
        self._set_constant(self._weights(layer, 2), 0, bias.astype(np.int32))

    def bias_scale(self, layer: int) -> Array:
        return self._constant(self._weights(layer, 2), 1).ravel()

    def set_bias_scale(self, layer: int, scale: Array) -> None:
        shape = () if scale.size == 1 else scale.shape
        self._set_constant(self._weights(layer, 2), 1, scale.astype(np.float32).reshape(shape))

    def _grid_nodes(self, layer: int) -> list[Any]:
        """Return the nodes that put a tensor on its grid and take it off."""
        if layer < 0:
            found, names = [], [self._graph.input[0].name]
        else:
            (writer,) = self._readers(self._layers[layer].output[0])
            found, names = [writer], [writer.output[0]]
        while names:
            for node in self._readers(names.pop()):
                if node.op_type in MOVES:
                    names.append(node.output[0])
                    continue
                found.append(node)
                # At the borders, a pair moves codes from one type to another.
                names.extend(
                    follower.output[0]
                    for follower in self._readers(node.output[0])
                    if follower.op_type == "QuantizeLinear"
                )
                found.extend(
                    follower
                    for follower in self._readers(node.output[0])
                    if follower.op_type == "QuantizeLinear"
                )
        return found

    def scale_tensor(self, layer: int, change: Any) -> None:
        for node in self._grid_nodes(layer):
            self._set_constant(node, 1, np.array(change(self._constant(node, 1)), np.float32))

    def zero_point(self, layer: int) -> int:
        value = self._constant(self._grid_nodes(layer)[0], 2)
        return int(value) - 128 * (value.dtype == np.uint8)

    def move_zero_point(self, layer: int, by: int) -> None:
        for node in self._grid_nodes(layer):
            value = self._constant(node, 2)
            self._set_constant(node, 2, np.array(int(value) + by).astype(value.dtype))

    def strides(self, layer: int) -> tuple[int, int]:
        if self.kinds[layer] not in {"conv", "depthwise"}:
            raise NotApplicableError
        return tuple(self._attribute(self._layers[layer], "strides", [1, 1]))

    def set_strides(self, layer: int, strides: tuple[int, int]) -> None:
        self._set_attribute(self._layers[layer], "strides", list(strides))

    def set_dilations(self, layer: int, dilations: tuple[int, int]) -> None:
        self._set_attribute(self._layers[layer], "dilations", list(dilations))

    def move_padding(self, layer: int) -> None:
        top, left, bottom, right = self._attribute(self._layers[layer], "pads", [0, 0, 0, 0])
        if (top, left) == (bottom, right):
            moved = [0, 0, top + bottom, left + right]
        else:
            moved = [bottom, right, top, left]
        if moved == [top, left, bottom, right]:
            raise NotApplicableError
        self._set_attribute(self._layers[layer], "pads", moved)

    def drop_activation(self, layer: int) -> None:
        (writer,) = self._readers(self._layers[layer].output[0])
        clips = [node for node in self._readers(writer.output[0]) if node.op_type == "Clip"]
        if not clips:
            raise NotApplicableError
        writer.output[0] = clips[0].output[0]
        self._graph.node.remove(clips[0])

    def _behind(self, layer: int, kind: str, *inputs: str) -> Any:
        """Put a node behind what a layer computes, before it is quantised; return the node."""
        computed = self._layers[layer]
        name, computed.output[0] = computed.output[0], "computed~"
        place = list(self._graph.node).index(computed)
        self._graph.node.insert(place + 1, helper.make_node(kind, ["computed~", *inputs], [name]))
        return self._graph.node[place + 1]

    def cut_off(self, layer: int) -> None:
        (writer,) = self._readers(self._layers[layer].output[0])
        zero = self.zero_point(layer)
        highest = np.float32((64 - zero) * float(self._constant(writer, 1)))
        self._graph.initializer.append(numpy_helper.from_array(np.array(highest), "highest~"))
        self._behind(layer, "Clip", "", "highest~")

    def move_pixels(self, layer: int) -> None:
        raise NotApplicableError

    def turn_operand(self, layer: int) -> None:
        add = self._layers[layer]
        place = list(self._graph.node).index(add)
        turned = helper.make_node("Transpose", [add.input[1]], ["turned~"], perm=[0, 1, 3, 2])
        add.input[1] = "turned~"
        self._graph.node.insert(place, turned)

    def negate(self, layer: int) -> None:
        self._behind(layer, "Relu").domain = "own"
        self._model.opset_import.append(helper.make_opsetid("own", 1))
        body = [helper.make_node("Neg", ["x"], ["y"])]
        imported = [helper.make_opsetid("", 17)]
        function = helper.make_function("own", "Relu", ["x"], ["y"], body, imported)
        self._model.functions.append(function)

    def shorten_kernel(self, layer: int) -> None:
        tensor = self._constants[self._weights(layer, 1).input[0]]
        tensor.raw_data = tensor.raw_data[:-3]

    def operands(self, layer: int) -> tuple[int, int]:
        if self.kinds[layer] != "add":
            raise NotApplicableError
        first, second = (self._source(name) for name in self._layers[layer].input)
        return first, second

    def _source(self, name: str) -> int:
        while True:
            node = self._writer(name)
            if node in self._layers:
                return self._layers.index(node)
            name = node.input[0]

    def swap_operands(self, layer: int) -> None:
        names = list(self._layers[layer].input)
        self._layers[layer].input[0], self._layers[layer].input[1] = names[1], names[0]

    def swap_operand_scales(self, layer: int) -> None:
        first, second = (self._writer(name) for name in self._layers[layer].input)
        first.input[1], second.input[1] = second.input[1], first.input[1]

    def bypass(self, layer: int) -> None:
        add = self._layers[layer]
        (writer,) = self._readers(add.output[0])
        # The operand that was computed last, so that nothing else falls away.
        last = int(np.argmax(self.operands(layer)))
        source = self._writer(add.input[last]).input[0]
        target = writer.output[0]
        for node in self._readers(target):
            for place, name in enumerate(node.input):
                if name == target:
                    node.input[place] = source
        self._graph.node.remove(add)
        self._graph.node.remove(writer)

    def set_beta(self, layer: int, beta: float) -> None:
        if self.kinds[layer] != "softmax":
            raise NotApplicableError
        node = self._writer(self._layers[layer].input[0])
        self._set_constant(node, 1, np.array(self._constant(node, 1) * np.float32(beta)))

    def data(self) -> bytes:
        return bytes(self._model.SerializeToString(deterministic=True))
