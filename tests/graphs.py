"""Networks and integer graphs to test with: random, but with outputs that vary."""

import numpy as np

from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.models import registry
from mobiledeploy.network.network import Network
from mobiledeploy.ops.add import Add
from mobiledeploy.ops.architecture import INPUT, Architecture, Layer
from mobiledeploy.ops.conv import Conv
from mobiledeploy.ops.mean import Mean
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

    def convolution(name: str, source: str, ins: int, outs: int, **more: object) -> Layer:
        return Layer(
            name=name, op="conv", inputs=(source,), in_channels=ins, out_channels=outs, **more
        )

    def depthwise(name: str, source: str, channels: int, **more: object) -> Layer:
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
    image = QTensor(name="image", shape=(256, 256, 2), scale=np.float32(1), zero_point=0)

    def channel(number: int) -> Conv:
        scale, zero = scales[number], zeros[number]
        kernel = np.zeros((1, 1, 1, 2), np.int8)
        kernel[..., number] = 1
        return Conv(
            input="image",
            output=QTensor(name="ab"[number], shape=(256, 256, 1), scale=scale, zero_point=zero),
            weights=QWeights(
                kernel=kernel,
                kernel_scale=np.array([scale]),
                bias=np.array([-zero], np.int32),
                bias_scale=np.array([scale]),
            ),
            depthwise=False,
            strides=(1, 1),
            padding="valid",
            activation="none",
        )

    total = QTensor(name="sum", shape=(256, 256, 1), scale=scales[2], zero_point=zeros[2])
    return IntegerGraph(
        name="addition",
        input=image,
        nodes=(channel(0), channel(1), Add(inputs=("a", "b"), output=total)),
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
