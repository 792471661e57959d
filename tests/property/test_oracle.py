"""Any single layer, on any grids: the oracle computes what LiteRT computes with XNNPACK."""

import graphs
import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.integer import oracle
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.ops.architecture import Activation
from mobiledeploy.ops.conv import Conv
from mobiledeploy.ops.dense import Dense
from mobiledeploy.ops.node import Node
from mobiledeploy.ops.padding import Padding
from mobiledeploy.ops.tensors import Int8, QTensor
from mobiledeploy.ops.weights import QWeights
from mobiledeploy.runtimes import cpu, litert
from mobiledeploy.targets import tflite

EXAMPLES = 80

codes = st.integers(-128, 127)
scales = st.floats(-14, 4).map(lambda exponent: np.float32(2**exponent))
channels = st.integers(1, 40)
sides = st.integers(1, 9)
seeds = st.integers(0, 2**32 - 1)
multipliers = (st.floats(-45, 7.999) | st.floats(-14, -2)).map(lambda exponent: 2.0**exponent)
"""Up to XNNPACK's limit of 256; half of them where sums become all codes there are."""
ratios = st.floats(-9.99, 7.99).map(lambda exponent: 2.0**exponent)
"""Of an operand's scale to that of the sum: what XNNPACK takes."""
extents = st.sampled_from(["small", "any", "extreme"])


def assert_same(node: Node, sources: tuple[QTensor, ...], images: Int8, *, name: str = "") -> None:
    graph = IntegerGraph(name="one", input=sources[0], nodes=(node,))
    received = litert.load(tflite.write(graph, head="logits")).run(images)[0]
    expected = oracle.run(graph, images)[node.output.name]
    np.testing.assert_array_equal(received, expected, err_msg=name)


def input_codes(shape: tuple[int, ...], extent: str, random: np.random.Generator) -> Int8:
    match extent:
        case "small":
            drawn = np.clip(np.rint(random.normal(0, 4, (4, *shape))), -128, 127)
        case "extreme":
            drawn = random.choice([-128, 127], (4, *shape))
            drawn[0], drawn[1] = -128, 127
        case _:
            drawn = random.integers(-128, 128, (4, *shape))
    return drawn.astype(np.int8)


def weights(
    shape: tuple[int, ...],
    outputs: int,
    source: QTensor,
    scale: np.float32,
    multiplier: float,
    per_channel: bool,
    random: np.random.Generator,
    extent: str,
    bias: int,
) -> QWeights:
    """A kernel whose multipliers lie at and below `multiplier`, and biases up to `bias`."""
    spread = random.uniform(0.5, 1, outputs if per_channel else 1)
    kernel_scale = (float(scale) * multiplier * spread / float(source.scale)).astype(np.float32)
    assume((kernel_scale > np.finfo(np.float32).tiny).all() and np.isfinite(kernel_scale).all())
    bias_scale = source.scale * kernel_scale
    assume((bias_scale > np.finfo(np.float32).tiny).all() and np.isfinite(bias_scale).all())
    limit = {"small": 3, "any": 127, "extreme": 127}[extent]
    kernel = random.integers(-limit, limit + 1, shape)
    if extent == "extreme":
        kernel = np.where(random.random(shape) < 0.9, 127, -127)
    return QWeights(
        kernel=kernel.astype(np.int8),
        kernel_scale=kernel_scale,
        bias=random.integers(-bias, bias + 1, outputs).astype(np.int32),
        bias_scale=bias_scale,
    )


biases = st.sampled_from([0, 1000, 2**20, 2**24 + 3, 2**30])


@settings(max_examples=EXAMPLES)
@given(
    st.booleans(), sides, sides, channels, channels, st.integers(1, 3), st.integers(1, 3),
    st.integers(1, 2), st.integers(1, 2), st.sampled_from(["same", "valid"]),
    st.sampled_from(["none", "relu", "relu6"]), scales, scales, codes, codes, multipliers,
    st.booleans(), extents, biases, seeds,
)  # fmt: skip
def test_convolutions(
    depthwise: bool, height: int, width: int, ins: int, outs: int, rows: int, columns: int,
    vertical: int, horizontal: int, padding: Padding, activation: Activation, scale: np.float32,
    out_scale: np.float32, zero: int, out_zero: int, multiplier: float, per_channel: bool,
    extent: str, bias: int, seed: int,
) -> None:  # fmt: skip
    assume(padding == "same" or (rows <= height and columns <= width))
    random = np.random.default_rng(seed)
    source = QTensor(name="image", shape=(height, width, ins), scale=scale, zero_point=zero)
    outs = ins if depthwise else outs
    less = (rows - 1, columns - 1) if padding == "valid" else (0, 0)
    size = -(-(height - less[0]) // vertical), -(-(width - less[1]) // horizontal)
    shape = (1, rows, columns, ins) if depthwise else (outs, rows, columns, ins)
    try:
        node = Conv(
            input="image",
            output=QTensor(name="out", shape=(*size, outs), scale=out_scale, zero_point=out_zero),
            weights=weights(
                shape, outs, source, out_scale, multiplier, per_channel, random, extent, bias
            ),
            depthwise=depthwise,
            strides=(vertical, horizontal),
            padding=padding,
            activation=activation,
        )
        IntegerGraph(name="one", input=source, nodes=(node,))
    except ConversionError:
        assume(False)
    assert_same(node, (source,), input_codes(source.shape, extent, random))


@settings(max_examples=EXAMPLES)
@given(
    st.integers(1, 600), channels, scales, scales, codes, codes, multipliers, st.booleans(),
    extents, biases, seeds,
)  # fmt: skip
def test_dense_layers(
    ins: int, outs: int, scale: np.float32, out_scale: np.float32, zero: int, out_zero: int,
    multiplier: float, per_channel: bool, extent: str, bias: int, seed: int,
) -> None:  # fmt: skip
    random = np.random.default_rng(seed)
    source = QTensor(name="vector", shape=(ins,), scale=scale, zero_point=zero)
    try:
        node = Dense(
            input="vector",
            output=QTensor(name="out", shape=(outs,), scale=out_scale, zero_point=out_zero),
            weights=weights(
                (outs, ins), outs, source, out_scale, multiplier, per_channel, random, extent,
                bias,
            ),
        )  # fmt: skip
        IntegerGraph(name="one", input=source, nodes=(node,))
    except ConversionError:
        assume(False)
    assert_same(node, (source,), input_codes(source.shape, extent, random))


@settings(max_examples=EXAMPLES // 4)
@given(scales, ratios, ratios, codes, codes, codes)
def test_additions_of_all_pairs(
    scale: np.float32, left: float, right: float, a_zero: int, b_zero: int, zero: int
) -> None:
    a_scale, b_scale = (np.float32(scale * ratio) for ratio in (left, right))
    graph = graphs.addition((a_scale, b_scale, scale), (a_zero, b_zero, zero))
    images = graphs.all_pairs()
    received = litert.load(tflite.write(graph, head="logits")).run(images)[0]
    np.testing.assert_array_equal(received, oracle.run(graph, images)["sum"])


@settings(max_examples=EXAMPLES)
@given(st.integers(1, 9), st.integers(1, 9), scales, scales, codes, codes)
def test_means_of_all_sums(
    height: int, width: int, scale: np.float32, out_scale: np.float32, zero: int, out_zero: int
) -> None:
    graph = graphs.mean((height, width), (scale, out_scale), (zero, out_zero))
    images = graphs.all_sums((height, width))
    received = litert.load(tflite.write(graph, head="logits")).run(images)[0]
    expected = oracle.run(graph, images, kernels=cpu.this_architecture())["mean"]
    np.testing.assert_array_equal(received, expected)


@settings(max_examples=EXAMPLES)
@given(st.integers(1, 1100), scales, codes, extents, seeds)
def test_softmaxes_on_this_machine(
    classes: int, scale: np.float32, zero: int, extent: str, seed: int
) -> None:
    graph = graphs.softmax(classes, scale, zero)
    images = input_codes((classes,), extent, np.random.default_rng(seed))
    received = litert.load(tflite.write(graph)).run(images)[0]
    expected = oracle.run(graph, images, kernels=cpu.this_architecture())["scores"]
    np.testing.assert_array_equal(received, expected)
