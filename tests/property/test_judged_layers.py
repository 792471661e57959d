"""What the comparison calls equivalent is so, and what it calls a change can be seen."""

import dataclasses

import comparing
import numpy as np
from hypothesis import event, given, settings
from hypothesis import strategies as st

from mobiledeploy import reading
from mobiledeploy.base.errors import ConversionError
from mobiledeploy.formats.tflite import parse
from mobiledeploy.integer import oracle
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.ops.conv import Conv
from mobiledeploy.ops.tensors import QTensor
from mobiledeploy.ops.weights import QWeights
from mobiledeploy.targets import tflite

ALL_CODES = np.arange(-128, 128).reshape(1, 16, 16, 1).astype(np.int8)


def convolution(
    scale: np.float32, zero: int, kernel_scale: np.float32, weight: int, bias: int
) -> IntegerGraph:
    """One channel of an image, times a weight: it sees 256 sums."""
    image = QTensor(name="image", shape=(16, 16, 1), scale=np.float32(0.02), zero_point=5)
    return IntegerGraph(
        name="convolution",
        input=image,
        nodes=(
            Conv(
                input="image",
                output=QTensor(name="out", shape=(16, 16, 1), scale=scale, zero_point=zero),
                weights=QWeights(
                    kernel=np.full((1, 1, 1, 1), weight, np.int8),
                    kernel_scale=np.array([kernel_scale]),
                    bias=np.array([bias], np.int32),
                    bias_scale=np.array([image.scale * kernel_scale]),
                ),
                depthwise=False,
                strides=(1, 1),
                padding="same",
                activation="none",
            ),
        ),
    )


def moved(scale: np.float32, ulps: int) -> np.float32:
    return np.float32((np.array(scale).view(np.int32) + np.int32(ulps)).view(np.float32)[()])


scales = st.floats(2**-12, 1, width=32).map(np.float32)


@settings(max_examples=80)
@given(
    scale=scales,
    kernel_scale=scales,
    zero=st.integers(-128, 127),
    bias=st.integers(-400, 400),
    weight=st.sampled_from([1, 1, 1, 3, -2]),
    ulps=st.integers(-40, 40),
    more=st.sampled_from([0, 0, 0, 1]),
)
def test_equivalent_means_the_same_codes_for_every_input(
    *,
    scale: np.float32,
    kernel_scale: np.float32,
    zero: int,
    bias: int,
    weight: int,
    ulps: int,
    more: int,
) -> None:
    try:
        a = convolution(scale, zero, kernel_scale, weight, bias)
        b = convolution(moved(scale, ulps), zero, kernel_scale, weight, bias + more)
    except ConversionError:
        return  # an accumulator step too wide for the runtimes
    files = [reading.read_tflite(parse(tflite.write(graph, head="logits"))) for graph in (a, b)]
    report = comparing.compare(*files)
    one, two = (oracle.run(graph, ALL_CODES)["out"] for graph in (a, b))
    equal = np.array_equal(one, two)
    event(f"equal: {equal}, differences: {bool(report.differences)}")
    if report.same:
        assert equal
    # With a weight of 1 there is no sum that the inputs cannot make.
    if weight == 1:
        assert report.same == equal
    if report.first is not None and weight == 1:
        assert report.first.lsb == np.abs(one.astype(int) - two).max()
    assert bool(report.differences) == bool(ulps or more)


def test_changes_of_every_size_are_told_apart() -> None:
    graph = convolution(np.float32(0.011), 3, np.float32(0.007), 1, 9)
    node = graph.nodes[0]
    assert isinstance(node, Conv)
    wide = dataclasses.replace(node.output, scale=np.float32(0.022))
    other = dataclasses.replace(graph, nodes=(dataclasses.replace(node, output=wide),))
    files = [reading.read_tflite(parse(tflite.write(g, head="logits"))) for g in (graph, other)]
    report = comparing.compare(*files)
    assert report.first is not None
    codes = [oracle.run(g, ALL_CODES)["out"].astype(int) for g in (graph, other)]
    assert report.first.lsb == np.abs(codes[0] - codes[1]).max() > 0
