"""The learning rate: a pure function of the step."""

import math
from typing import Final

WARM_UP: Final = 0.1
"""Share of the steps in which the rate rises from near 0 to its peak."""


def learning_rate(step: int, *, steps: int, peak: float) -> float:
    """Return the rate of a step: a linear warm-up, then half a cosine down towards 0.

    Args:
        step: 0..steps-1.
        steps: Of the whole run.
        peak: The highest rate.
    """
    warm_up = max(1.0, WARM_UP * steps)
    if step + 1 < warm_up:
        return peak * (step + 1) / warm_up
    progress = (step + 1 - warm_up) / max(1.0, steps + 1 - warm_up)
    return peak * 0.5 * (1 + math.cos(math.pi * progress))
