"""The int8 grid of a real interval."""

import numpy as np
import pytest

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.ops.grid import activation_grid


def test_the_codes_of_pixels_are_the_input_grid() -> None:
    grid = activation_grid("input", -1.0, 127 / 128)
    assert (grid.scale, grid.zero_point) == (1 / 128, 0)


@pytest.mark.parametrize(
    ("low", "high", "zero_point"),
    [
        (0.0, 6.0, -128),
        (-6.0, 0.0, 127),
        # On a tie the end nearer to zero decides, and halves go away from zero: -128 + 63.75 ...
        (-1.0, 3.0, -64),
        # ... 127.5 steps below zero: -0.5 becomes -1.
        (-1.0, 1.0, -1),
    ],
)
def test_zero_has_a_code(low: float, high: float, zero_point: int) -> None:
    grid = activation_grid("x", low, high)
    assert grid.zero_point == zero_point
    assert grid.scale == (high - low) / 255


def test_ends_are_float32_as_in_a_fake_quant_node() -> None:
    grid = activation_grid("x", -0.1, 0.2)
    assert grid.scale == (float(np.float32(0.2)) - float(np.float32(-0.1))) / 255


def test_an_interval_without_width_has_a_grid() -> None:
    grid = activation_grid("dead", 0.0, 0.0)
    assert (grid.scale, grid.zero_point) == (1.0, -128)


@pytest.mark.parametrize(
    ("low", "high"), [(0.5, 1.0), (-1.0, -0.5), (float("nan"), 1.0), (0.0, float("inf"))]
)
def test_an_invalid_interval_is_refused_by_name(low: float, high: float) -> None:
    with pytest.raises(ConversionError, match="`x`"):
        activation_grid("x", low, high)
