"""Networks and integer graphs to test with: random, but with outputs that vary."""

import dataclasses
from typing import Any

import numpy as np

from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.models import registry
from mobiledeploy.network.network import Network
from mobiledeploy.ops.add import Add
from mobiledeploy.ops.architecture import INPUT, Architecture, Layer
from mobiledeploy.ops.conv import Conv
from mobiledeploy.ops.dense import Dense
from mobiledeploy.ops.mean import Mean
from mobiledeploy.ops.node import Node
from mobiledeploy.ops.ranges import Ranges
from mobiledeploy.ops.softmax import SOFTMAX_SCALE, SOFTMAX_ZERO_POINT, Softmax
from mobiledeploy.ops.tensors import Int8, QTensor
from mobiledeploy.ops.weights import QWeights, Weights
from mobiledeploy.spec.config import Arch


def random_network(architecture: Architecture, *, seed: int = 0) -> tuple[Network, Ranges]:
    """Weights that keep the size of activations, and ranges of about that size."""
    random = np.random.default_rng(seed)
    weights, ranges = {}, {INPUT: (-1.0, 127 / 128)}
    for layer in architecture.layers:
        if layer.has_weights:
            fan_in = np.prod(layer.kernel_shape[: 2 if layer.op == "depthwise" else -1])
            weights[layer.name] = Weights(
                kernel=random.normal(0, (2 / fan_in) ** 0.5, layer.kernel_shape).astype(
                    np.float32
                ),
                bias=random.normal(0, 0.1, layer.out_channels).astype(np.float32),
            )
        high = random.uniform(3, 6)
        match layer.activation, layer.op:
            case "none", "softmax":
                continue
            case "none", _:
                ranges[layer.name] = (-high * random.uniform(0.5, 1), high)
            case _:
                ranges[layer.name] = (0.0, high)
    return Network(architecture=architecture, weights=weights), ranges


def mobilenet(
    arch: Arch, *, alpha: float, image_size: int, stem_stride: int = 1, seed: int = 0
) -> IntegerGraph:
    architecture = registry.architecture(
        arch, alpha=alpha, image_size=image_size, classes=10, stem_stride=stem_stride
    )
    return quantise(*random_network(architecture, seed=seed))


def assorted() -> Architecture:
    """Every kind of layer, uneven sizes, both paddings, all activations."""

    def convolution(name: str, source: str, ins: int, outs: int, **more: Any) -> Layer:
        return Layer(
            name=name, op="conv", inputs=(source,), in_channels=ins, out_channels=outs, **more
        )

    def depthwise(name: str, source: str, channels: int, **more: Any) -> Layer:
        return Layer(
            name=name, op="depthwise", inputs=(source,),
            in_channels=channels, out_channels=channels, kernel=(3, 3), **more,
        )  # fmt: skip

    return Architecture(
        name="assorted",
        input_shape=(13, 10, 3),
        layers=(
            convolution("stem", INPUT, 3, 8, kernel=(3, 3), strides=(2, 2), activation="relu6"),
            depthwise("spread", "stem", 8, activation="relu"),
            convolution("narrow", "spread", 8, 8),
            Layer(name="sum", op="add", inputs=("stem", "narrow"), in_channels=8, out_channels=8),
            depthwise("shrink", "sum", 8, strides=(2, 1), padding="valid", activation="relu6"),
            convolution("wide", "shrink", 8, 17, kernel=(2, 3), padding="valid"),
            Layer(name="pool", op="mean", inputs=("wide",), in_channels=17, out_channels=17),
            Layer(name="logits", op="dense", inputs=("pool",), in_channels=17, out_channels=5),
            Layer(name="scores", op="softmax", inputs=("logits",), in_channels=5, out_channels=5),
        ),
    )


def assorted_graph(*, seed: int = 0) -> IntegerGraph:
    """`assorted`, with a ReLU and a ReLU6 that the grid does not imply."""
    network, ranges = random_network(assorted(), seed=seed)
    return quantise(network, {**ranges, "spread": (-1.5, 4.0), "shrink": (-0.5, 7.5)})


def addition(
    scales: tuple[np.float32, np.float32, np.float32], zeros: tuple[int, int, int]
) -> IntegerGraph:
    """The sum of an image's two channels, each moved to a grid of its own without a change."""
    a, b, total = (
        QTensor(name=name, shape=(256, 256, 1), scale=scale, zero_point=zero)
        for name, scale, zero in zip(("a", "b", "sum"), scales, zeros, strict=True)
    )
    return around(Add(inputs=("a", "b"), output=total), (a, b))


def around(node: Node, inputs: tuple[QTensor, ...]) -> IntegerGraph:
    """A graph that ends in one node and reads what it reads.

    A node that reads one tensor stands alone. Several tensors are channels of one image, or
    parts of one vector, each moved to its grid without a change.
    """
    if len(inputs) == 1:
        return IntegerGraph(name="one node", input=inputs[0], nodes=(node,))
    sizes = [tensor.shape[:-1] for tensor in inputs]
    channels = [tensor.shape[-1] for tensor in inputs]
    image = QTensor(
        name="all inputs", shape=(*max(sizes), sum(channels)), scale=np.float32(1), zero_point=0
    )
    starts = np.cumsum([0, *channels])
    parts = tuple(
        _part(image, tensor, int(start)) for tensor, start in zip(inputs, starts, strict=False)
    )
    return IntegerGraph(name="one node", input=image, nodes=(*parts, node))


def _part(image: QTensor, tensor: QTensor, start: int) -> Node:
    """Some channels of an image, of all its pixels or of the first one only."""
    channels = tensor.shape[-1]
    kernel = np.zeros((channels, image.shape[-1]), np.int8)
    kernel[np.arange(channels), start + np.arange(channels)] = 1
    weights = QWeights(
        kernel=kernel,
        kernel_scale=np.full(channels, tensor.scale),
        bias=np.full(channels, -tensor.zero_point, np.int32),
        bias_scale=np.full(channels, tensor.scale),
    )
    if len(tensor.shape) == 1:
        return Dense(input=image.name, output=tensor, weights=weights)
    window = (1, 1) if tensor.shape[:2] == image.shape[:2] else image.shape[:2]
    spread = np.zeros((channels, *window, image.shape[-1]), np.int8)
    spread[:, 0, 0] = kernel
    return Conv(
        input=image.name,
        output=tensor,
        weights=dataclasses.replace(weights, kernel=spread),
        depthwise=False,
        strides=(1, 1),
        padding="valid",
        activation="none",
    )


def all_pairs() -> Int8:
    """One image for `addition`: every pair of codes, in the order in which we enumerate them."""
    codes = np.arange(-128, 128)
    return np.stack(np.meshgrid(codes, codes, indexing="ij"), axis=-1)[None].astype(np.int8)


def mean(
    size: tuple[int, int], scales: tuple[np.float32, np.float32], zeros: tuple[int, int]
) -> IntegerGraph:
    """The mean over an image of one channel."""
    return IntegerGraph(
        name="mean",
        input=QTensor(name="image", shape=(*size, 64), scale=scales[0], zero_point=zeros[0]),
        nodes=(
            Mean(
                input="image",
                output=QTensor(name="mean", shape=(64,), scale=scales[1], zero_point=zeros[1]),
            ),
        ),
    )


def softmax(classes: int, scale: np.float32, zero: int) -> IntegerGraph:
    """The softmax of a vector of logits."""
    scores = QTensor(
        name="scores", shape=(classes,), scale=SOFTMAX_SCALE, zero_point=SOFTMAX_ZERO_POINT
    )
    return IntegerGraph(
        name="softmax",
        input=QTensor(name="logits", shape=(classes,), scale=scale, zero_point=zero),
        nodes=(Softmax(input="logits", output=scores),),
    )


def all_sums(size: tuple[int, int]) -> Int8:
    """Images for `mean` whose channels have every sum of codes there is, ascending."""
    positions = size[0] * size[1]
    sums = np.arange(-128 * positions, 127 * positions + 1)
    sums = np.pad(sums, (0, -sums.size % 64), mode="edge")
    codes, rest = np.divmod(sums, positions)
    spread = codes + (np.arange(positions)[:, None] < rest)
    images = spread.reshape(*size, -1, 64).transpose(2, 0, 1, 3)
    return images.astype(np.int8)


def extremes(shape: tuple[int, ...], *, seed: int = 0) -> Int8:
    """All lowest, all highest, an impulse, a step, and noise."""
    random = np.random.default_rng(seed)
    images = random.integers(-128, 128, (8, *shape))
    images[0], images[1], images[2] = -128, 127, -128
    images[2, shape[0] // 2, shape[1] // 2] = 127
    images[3, : shape[0] // 2], images[3, shape[0] // 2 :] = -128, 127
    return images.astype(np.int8)
