"""A chosen range has no larger squared error than the extremes, and never goes beyond these."""

import accuracy_networks
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobiledeploy.accuracy.range_by_error import BINS, best, ranges_by_error

IMAGES = accuracy_networks.images()


def squared_error(values: np.ndarray, low: float, high: float) -> float:
    step = (high - low) / 255
    zero = np.rint(-low / step)
    codes = np.clip(np.rint(values / step) + zero, 0, 255)
    return float((((codes - zero) * step - values) ** 2).sum())


@given(seed=st.integers(0, 2**16), scale=st.floats(1e-3, 1e3), positive=st.booleans())
def test_the_error_is_at_most_that_of_the_extremes(
    seed: int, scale: float, positive: bool
) -> None:
    values = np.random.default_rng(seed).laplace(size=4000) * scale
    if positive:
        values = np.abs(values)
    low, high = min(float(values.min()), 0.0), float(values.max())
    numbers = np.clip((values - low) / (high - low) * BINS, 0, BINS - 1).astype(int)
    chosen = best(np.bincount(numbers, minlength=BINS), (low, high))
    assert low <= chosen[0] <= 0 < chosen[1] <= high
    # The bins are counted at their centres, which is off by at most 1/32 of a step.
    assert squared_error(values, *chosen) <= 1.02 * squared_error(values, low, high)


def test_one_outlier_does_not_decide_the_range() -> None:
    counts = np.zeros(BINS, np.int64)
    counts[: BINS // 4] = 1000
    counts[-1] = 1
    low, high = best(counts, (0.0, 8.0))
    assert low == 0
    assert high < 6


def test_only_named_tensors_get_other_ranges() -> None:
    graph = accuracy_networks.residual_graph()
    _, extremes, _ = accuracy_networks.quantised(graph, IMAGES)
    chosen = ranges_by_error(graph, extremes, ["expansion", "sum"], IMAGES, threads=2)
    assert {name for name in extremes if chosen[name] != extremes[name]} <= {"expansion", "sum"}
    assert set(chosen) == set(extremes)
    with pytest.raises(KeyError):
        ranges_by_error(graph, extremes, ["nothing"], IMAGES)
