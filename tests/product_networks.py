"""Networks of hard swishes and products, and their `.onnx` with one number changed."""

from collections.abc import Iterator, Mapping
from typing import Any

import graphs
import numpy as np
import onnx
from onnx import numpy_helper

from mobiledeploy import reading
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.formats.tflite import parse as parse_tflite
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.ops.architecture import INPUT, Architecture, Layer
from mobiledeploy.reading import Reading
from mobiledeploy.spec.config import Io
from mobiledeploy.targets import onnx as onnx_target
from mobiledeploy.targets import tflite as tflite_target

CHANNELS = 4

Middle = Mapping[str, tuple[str, ...]]
"""By name, what each layer does and the layers that it reads: `("mul", "stem", "swished")`."""

MIDDLES: dict[str, Middle] = {
    "a hard swish times its input": {
        "swished": ("hard_swish", "stem"),
        "product": ("mul", "swished", "stem"),
    },
    "the hard swish as the second factor": {
        "swished": ("hard_swish", "stem"),
        "product": ("mul", "stem", "swished"),
    },
    "two hard swishes": {
        "other": ("conv", "stem"),
        "left": ("hard_swish", "stem"),
        "right": ("hard_swish", "other"),
        "product": ("mul", "left", "right"),
    },
    "a square": {
        "swished": ("hard_swish", "stem"),
        "product": ("mul", "swished", "swished"),
    },
    "read by a sum and a product": {
        "swished": ("hard_swish", "stem"),
        "sum": ("add", "swished", "stem"),
        "product": ("mul", "swished", "sum"),
    },
    "read by a convolution and a product": {
        "swished": ("hard_swish", "stem"),
        "narrow": ("conv", "swished"),
        "product": ("mul", "swished", "narrow"),
    },
    "products of products": {
        "other": ("conv", "stem"),
        "one": ("mul", "stem", "other"),
        "two": ("mul", "one", "stem"),
        "product": ("mul", "two", "one"),
    },
    "nothing states a scale in the middle": {
        "swished": ("hard_swish", "stem"),
        "one": ("mul", "swished", "stem"),
        "again": ("hard_swish", "one"),
        "two": ("mul", "again", "stem"),
        "third": ("hard_swish", "two"),
        "product": ("mul", "again", "third"),
    },
    "a hard swish of a hard swish": {
        "swished": ("hard_swish", "stem"),
        "again": ("hard_swish", "swished"),
    },
    "a product that only a sum reads": {
        "swished": ("hard_swish", "stem"),
        "product": ("mul", "swished", "stem"),
        "sum": ("add", "product", "stem"),
    },
    "a gate": {
        "squeezed": ("squeeze", "stem"),
        "gate": ("hard_swish", "squeezed"),
        "swished": ("hard_swish", "stem"),
        "product": ("mul", "swished", "gate"),
        "again": ("hard_swish", "product"),
    },
}
"""Layers between a convolution and the classifier."""


def architecture(middle: Middle, *, ends_in: str = "dense") -> Architecture:
    """A stem, the layers of `middle`, the last of which is classified."""
    size = 6
    layers = [_conv("stem", INPUT, 3)]
    for name, (op, *sources) in middle.items():
        match op:
            case "conv":
                layers.append(_conv(name, sources[0], CHANNELS))
            case "squeeze":
                layers.append(_conv(name, sources[0], CHANNELS, size=size))
            case _:
                layers.append(_plain(name, op, *sources))
    last = layers[-1].name
    if ends_in == "dense":
        layers += [_conv("joined", last, CHANNELS), _plain("pool", "mean", "joined")]
        layers += [_plain("logits", "dense", "pool")]
    else:
        layers += [_plain("pool", "mean", last), _plain("dense", "dense", "pool")]
        layers += [_plain("swished logits", "hard_swish", "dense")]
        layers += [_plain("logits", "mul", "dense", "swished logits")]
    return Architecture(name="products", input_shape=(size, size, 3), layers=tuple(layers))


def _conv(name: str, source: str, channels: int, *, size: int = 1) -> Layer:
    return Layer(
        name=name,
        op="conv",
        inputs=(source,),
        in_channels=channels,
        out_channels=CHANNELS,
        kernel=(size, size),
        padding="valid" if size > 1 else "same",
    )


def _plain(name: str, op: str, *sources: str) -> Layer:
    return Layer(name=name, op=op, inputs=sources, in_channels=CHANNELS, out_channels=CHANNELS)


def written(network: Architecture, *, seed: int = 0, io: Io = "int8") -> tuple[bytes, bytes]:
    """Both files of a network with random weights.

    Raises:
        ConversionError: Its ranges have no certificate.
    """
    graph = quantise(*graphs.random_network(network, seed=seed))
    return (
        tflite_target.write(graph, io=io, head="logits"),
        onnx_target.write(graph, certify(graph), io=io, head="logits"),
    )


def readings(first: bytes, second: bytes) -> tuple[Reading, Reading]:
    return (
        reading.read_tflite(parse_tflite(first)),
        reading.read_onnx(parse_onnx(second)),
    )


class ProductNodes:
    """An `.onnx` of ours whose products and tables can be changed, by the layer's name."""

    def __init__(self, data: bytes) -> None:
        self._model = onnx.load_from_string(data)
        self._constants = {one.name: one for one in self._model.graph.initializer}
        self._writers = {out: node for node in self._model.graph.node for out in node.output}

    def bytes(self) -> bytes:
        data: bytes = self._model.SerializeToString()
        return data

    def set_multiplier(self, layer: str, factor: float) -> None:
        node = self._writers[self._writers[layer].input[0]]
        value = self._value(node, 1)
        self._put(node, 1, np.float32(value * np.float32(factor)))

    def move_zero_point(self, layer: str, place: int) -> None:
        """Move the zero point of a product's factor 0 or 1, or of its output, 2, by a code."""
        node = self._writers[layer]
        if place < 2:
            product = self._writers[self._writers[node.input[0]].input[0]]
            node = self._writers[product.input[place]]
        zero = int(self._value(node, 2))
        self._put(node, 2, np.uint8(zero + 1 if zero < 255 else zero - 1))

    def has_table(self, layer: str) -> bool:
        return self._table(layer) is not None

    def change_table(self, layer: str, code: int) -> None:
        node = self._table(layer)
        assert node is not None
        entries = self._value(node, 0).copy()
        entries[code] ^= 1
        self._put(node, 0, entries)

    def _table(self, layer: str) -> Any | None:
        node = self._writers[layer]
        while node.op_type in {"Transpose", "Reshape"}:
            node = self._writers[node.input[0]]
        return node if node.op_type == "GatherElements" else None

    def _value(self, node: Any, place: int) -> Any:
        return numpy_helper.to_array(self._constants[node.input[place]])

    def _put(self, node: Any, place: int, value: Any) -> None:
        # Other nodes may share the constant.
        node.input[place] = "changed"
        self._model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), "changed"))


def faults(data: bytes, middle: Middle) -> Iterator[tuple[str, str, bytes]]:
    """Yield a fault, the layer that has it, and the file with it."""
    for name, (op, *_) in middle.items():
        if op == "mul":
            for factor in (0.97, 40.0):
                changed = ProductNodes(data)
                changed.set_multiplier(name, factor)
                yield f"multiplier times {factor}", name, changed.bytes()
            for place in range(3):
                changed = ProductNodes(data)
                changed.move_zero_point(name, place)
                yield f"zero point {place}", name, changed.bytes()
        if op == "hard_swish" and ProductNodes(data).has_table(name):
            for code in (0, 131):
                changed = ProductNodes(data)
                changed.change_table(name, code)
                yield f"code {code} of the table", name, changed.bytes()
