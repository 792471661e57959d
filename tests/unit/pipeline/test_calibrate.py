"""Ranges are means over batches of the extremes that NumPy computes, on any number of threads."""

import dataclasses

import float_graph_reference
import graphs
import numpy as np
import pytest

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.base.progress import Event
from mobiledeploy.models import registry
from mobiledeploy.network.float_graph import INPUT, FloatGraph, FloatNode
from mobiledeploy.network.network import Network
from mobiledeploy.ops.ranges import SMALLEST
from mobiledeploy.ops.weights import Weights
from mobiledeploy.pipeline import calibrate

RANDOM = np.random.default_rng(0)
CONV = FloatNode(
    name="conv",
    op="conv",
    inputs=(INPUT,),
    attributes={"strides": (1, 1), "dilations": (1, 1), "groups": 1, "pads": (1, 1, 1, 1)},
    arrays={
        "kernel": RANDOM.standard_normal((3, 3, 3, 4)).astype(np.float32),
        "bias": RANDOM.standard_normal(4).astype(np.float32),
    },
)
ACT = FloatNode(name="act", op="clip", inputs=("conv",), attributes={"low": 0.0, "high": 6.0})
MEAN = FloatNode(name="mean", op="mean", inputs=("act",), attributes={"keep_dims": False})
GRAPH = FloatGraph(name="net", input_shape=(6, 5, 3), nodes=(CONV, ACT, MEAN), output="mean")


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_ranges_are_means_of_the_extremes_of_batches(threads: int) -> None:
    images = RANDOM.standard_normal((150, 6, 5, 3)).astype(np.float32)
    ranges = calibrate.measure(GRAPH, images, threads=threads)
    values = float_graph_reference.run(GRAPH, images)
    assert set(ranges) == set(values)
    batches = [slice(0, 64), slice(64, 128), slice(128, 150)]
    for name, value in values.items():
        low = np.mean([value[rows].min() for rows in batches])
        high = np.mean([value[rows].max() for rows in batches])
        assert ranges[name] == pytest.approx((min(low, 0), high), rel=1e-5), name


def test_the_result_does_not_depend_on_the_threads() -> None:
    images = RANDOM.standard_normal((70, 6, 5, 3)).astype(np.float32)
    assert calibrate.measure(GRAPH, images, threads=2) == calibrate.measure(GRAPH, images)


def test_a_tensor_of_zeros_gets_a_range() -> None:
    images = np.full((2, 6, 5, 3), -1e3, np.float32)
    assert calibrate.measure(GRAPH, images)[INPUT] == (-1e3, SMALLEST)


def test_an_image_that_gives_nan_is_named() -> None:
    images = np.zeros((70, 6, 5, 3), np.float32)
    images[66, 2, 1, 0] = np.inf
    with pytest.raises(
        ConversionError, match="`input` is NaN or infinite for calibration image 66"
    ):
        calibrate.measure(GRAPH, images, threads=2)


@pytest.fixture(scope="module")
def network() -> Network:
    architecture = registry.architecture("v2", alpha=0.35, image_size=32, classes=5, stem_stride=1)
    return graphs.random_network(architecture)[0]


PIXELS = np.random.default_rng(1).integers(0, 256, (70, 32, 32, 3), dtype=np.uint8)


def test_every_tensor_but_the_softmax_has_a_range(network: Network) -> None:
    ranges = calibrate.calibrate(network, PIXELS[:3] // 2)
    assert list(ranges) == [INPUT, *(layer.name for layer in network.architecture.layers[:-1])]
    assert ranges[INPUT] == (-1, 127 / 128)
    assert all(low <= 0 < high for low, high in ranges.values())


@pytest.mark.tensorflow
def test_ranges_are_those_that_tensorflow_computes(network: Network) -> None:
    from mobiledeploy.training import tensorflow_graph

    architecture = network.architecture
    values: dict[str, list[tuple[float, float]]] = {}

    def observe(name: str, tensor: tensorflow_graph.TfTensor) -> tensorflow_graph.TfTensor:
        values.setdefault(name, []).append((float(tensor.numpy().min()), tensor.numpy().max()))
        return tensor

    for batch in (PIXELS[:64], PIXELS[64:]):
        inputs = tensorflow_graph.to_input(batch, architecture.scaling)
        apply = tensorflow_graph.constant_layers(network)
        tensorflow_graph.forward(architecture, inputs, apply, observe=observe)
    ranges = calibrate.calibrate(network, PIXELS, threads=2)
    for name in values.keys() - {INPUT}:
        low, high = np.mean(values[name], axis=0)
        size = max(-low, high)
        assert ranges[name] == pytest.approx((min(low, 0), high), rel=0, abs=5e-6 * size), name


def test_a_tensor_that_is_always_zero_still_has_a_range(network: Network) -> None:
    name = network.architecture.layers[0].name
    kernel, bias = network.weights[name].kernel, network.weights[name].bias
    dead = Weights(kernel=kernel * 0, bias=bias * 0)
    silenced = dataclasses.replace(network, weights={**network.weights, name: dead})
    assert calibrate.calibrate(silenced, PIXELS[:2])[name] == (0, SMALLEST)


def test_progress_counts_images(network: Network) -> None:
    events: list[Event] = []
    calibrate.calibrate(network, PIXELS, progress=events.append)
    assert [(event.done, event.total) for event in events] == [(64, 70), (70, 70)]
