"""Ranges are means over batches of the extremes that NumPy computes, on any number of threads."""

import float_graph_reference
import numpy as np
import pytest

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.network.float_graph import INPUT, FloatGraph, FloatNode
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
    ranges = calibrate.calibrate(GRAPH, images, threads=threads)
    values = float_graph_reference.run(GRAPH, images)
    assert set(ranges) == set(values)
    batches = [slice(0, 64), slice(64, 128), slice(128, 150)]
    for name, value in values.items():
        low = np.mean([value[rows].min() for rows in batches])
        high = np.mean([value[rows].max() for rows in batches])
        assert ranges[name] == pytest.approx((min(low, 0), high), rel=1e-5), name


def test_the_result_does_not_depend_on_the_threads() -> None:
    images = RANDOM.standard_normal((70, 6, 5, 3)).astype(np.float32)
    assert calibrate.calibrate(GRAPH, images, threads=2) == calibrate.calibrate(GRAPH, images)


def test_a_tensor_of_zeros_gets_a_range() -> None:
    images = np.full((2, 6, 5, 3), -1e3, np.float32)
    assert calibrate.calibrate(GRAPH, images)[INPUT] == (-1e3, calibrate.SMALLEST)


def test_an_image_that_gives_nan_is_named() -> None:
    images = np.zeros((70, 6, 5, 3), np.float32)
    images[66, 2, 1, 0] = np.inf
    with pytest.raises(
        ConversionError, match="`input` is NaN or infinite for calibration image 66"
    ):
        calibrate.calibrate(GRAPH, images, threads=2)
