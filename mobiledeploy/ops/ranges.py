"""The real interval that each activation takes, from which quantisation makes its grid."""

from collections.abc import Mapping
from typing import Final, TypeAlias

from mobiledeploy.ops.grid import activation_grid

Interval: TypeAlias = tuple[float, float]
"""(lowest, highest) value, with lowest <= 0 <= highest so that zero has a code."""

Ranges: TypeAlias = Mapping[str, Interval]
"""By tensor name: of the network's input and of every layer whose range is not fixed."""

SMALLEST: Final = 2.0**-20
"""Upper end of the range of a tensor that is 0 for all images: a scale must be positive."""
SLACK: Final = 1.01
"""Factor by which a step must exceed a kernel's limit: rounding, and the search for ranges in
which both runtimes round alike, may change it slightly."""
MARGIN: Final = 2.0
"""A step that is too small is set to this multiple of the limit."""


def step(ranges: Ranges, name: str) -> float:
    """Return the scale of a tensor, before it is rounded to float32."""
    return activation_grid(name, *ranges[name]).scale


def wide_enough(limit: float, name: str, interval: Interval) -> Interval:
    """Return the interval, widened in proportion if its step is not above a limit.

    Args:
        limit: The smallest step that a kernel takes.
        name: The tensor, for errors.
        interval: Its range.
    """
    scale = activation_grid(name, *interval).scale
    if scale >= limit * SLACK:
        return interval
    factor = limit * MARGIN / scale
    return interval[0] * factor, interval[1] * factor
