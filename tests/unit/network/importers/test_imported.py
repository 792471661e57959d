"""What a file says of pixels."""

import numpy as np
import pytest

from mobiledeploy.network.float_graph import INPUT, FloatGraph, FloatNode
from mobiledeploy.network.importers.imported import Imported

BLUE_FIRST = np.eye(3, dtype=np.float32)[None, None, :, ::-1]


def imported(scale: float, offset: float, kind: str = "", *, reversed_: bool = False) -> Imported:
    options = {"strides": (1, 1), "dilations": (1, 1), "groups": 1, "pads": (0, 0, 0, 0)}
    affine = FloatNode(
        name="scaled", op="affine", inputs=("bgr" if reversed_ else INPUT,), kind=kind,
        arrays={name: np.full(3, value, np.float32)
                for name, value in (("scale", scale), ("offset", offset))},
    )  # fmt: skip
    bgr, conv = (
        FloatNode(
            name=name, op="conv", inputs=(source,), attributes=options,
            arrays={"kernel": kernel, "bias": np.zeros(3, np.float32)},
        )
        for name, source, kernel in (
            ("bgr", INPUT, BLUE_FIRST), ("conv", "scaled", np.ones((2, 2, 3, 3), np.float32))
        )
    )  # fmt: skip
    nodes = (bgr, affine, conv) if reversed_ else (affine, conv)
    graph = FloatGraph(name="model", input_shape=(8, 8, 3), nodes=nodes, output="conv")
    return Imported(graph=graph, source="keras")


@pytest.mark.parametrize(
    ("scale", "offset"),
    [(1 / 255, 0), (1 / 127.5, -1), (1 / 58.4, -2.1), (1, -103.9), (1, -128), (0.1, -3.3)],
)
def test_a_layer_that_scales_pixels_says_the_range(scale: float, offset: float) -> None:
    assert imported(scale, offset).scales_pixels
    assert imported(scale, offset, reversed_=True).scales_pixels


@pytest.mark.parametrize(
    ("scale", "offset"),
    [(2, -1), (2, 0), (1, -0.5), (1, -0.485), (4.37, -2.12), (0.5, 0.5), (255, 0), (127.5, 127.5)],
)
def test_a_layer_for_another_range_says_nothing_of_pixels(scale: float, offset: float) -> None:
    one = imported(scale, offset)
    assert not one.scales_pixels
    assert one.scaling is None


def test_a_batch_normalisation_says_nothing_of_pixels() -> None:
    assert not imported(1 / 70, -1.5, "BatchNormalization").scales_pixels
