"""The learning rate rises, peaks once and falls towards zero."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobiledeploy.training.schedule import WARM_UP, learning_rate


@given(steps=st.integers(1, 500))
def test_rate_is_positive_and_peaks_after_the_warm_up(steps: int) -> None:
    rates = [learning_rate(step, steps=steps, peak=2.0) for step in range(steps)]
    top = int(np.argmax(rates))
    assert min(rates) > 0
    assert top <= max(0, WARM_UP * steps)
    assert rates == [*sorted(rates[: top + 1]), *sorted(rates[top + 1 :], reverse=True)]


def test_peak_is_reached_and_the_end_is_near_zero() -> None:
    rates = [learning_rate(step, steps=100, peak=2.0) for step in range(100)]
    assert max(rates) == pytest.approx(2.0)
    assert rates[0] == pytest.approx(0.2)
    assert rates[-1] < 0.002
