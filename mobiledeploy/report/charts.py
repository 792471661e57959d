"""Geometry of the page's charts, in a box of 100 by 100 with 0, 0 at the top left.

The templates draw them as inline SVG that stretches with the page. All text is HTML next to the
chart, where it keeps its size. A chart library would not help: Plotly's script adds megabytes to
each page, and Matplotlib draws text as curves, which neither themes nor screen readers follow.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Final

SIDE: Final = 100.0
"""Width and height of the box."""
GAP: Final = 0.2
"""Share of a bar's place that stays empty."""
CODES_PER_BAR: Final = 4
"""Codes that one bar of a histogram counts together."""
MOST_BARS: Final = 120
"""Most bars of a histogram of differences."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A bar that begins at the bottom of the box."""

    x: float
    y: float
    width: float
    height: float


def bars(values: Sequence[float | None], top: float, *, share: float = 1 - GAP) -> list[Bar]:
    """Return a bar for each value.

    Args:
        values: The heights; None and negative values become bars of height 0.
        top: The value of a bar that fills the box.
        share: Width of a bar as a share of its place.
    """
    if not values:
        return []
    place = SIDE / len(values)
    width = place * share
    drawn = []
    for number, value in enumerate(values):
        height = SIDE * min(max(value or 0.0, 0.0), top) / top if top > 0 else 0.0
        drawn.append(
            Bar(
                x=round(number * place + (place - width) / 2, 3),
                y=round(SIDE - height, 2),
                width=round(width, 3),
                height=round(height, 2),
            )
        )
    return drawn


def steps(histogram: Sequence[tuple[int, int]]) -> list[int]:
    """Return the counts of a sparse histogram on an even scale from its first to its last step.

    Args:
        histogram: Steps in rising order, each with how often it occurred.
    """
    if not histogram:
        return []
    first, last = histogram[0][0], histogram[-1][0]
    span = last - first + 1
    places = min(span, MOST_BARS)
    counts = [0] * places
    for step, count in histogram:
        counts[(step - first) * places // span] += count
    return counts


def outline(counts: Sequence[int]) -> str:
    """Return the SVG path of a histogram of codes.

    Heights are square roots of the counts, so that the tails are visible next to the peak.
    """
    sums = [
        math.sqrt(sum(counts[start : start + CODES_PER_BAR]))
        for start in range(0, len(counts), CODES_PER_BAR)
    ]
    top, place = max(sums) or 1.0, SIDE / len(sums)
    steps = [f"M0 {SIDE:g}"]
    for number, value in enumerate(sums):
        steps.append(f"V{SIDE - SIDE * value / top:.1f}H{(number + 1) * place:.2f}")
    return "".join([*steps, f"V{SIDE:g}Z"])


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DrawnInterval:
    """An interval and a value inside it, as positions from left to right."""

    low: float
    value: float
    high: float


def intervals(values: Sequence[tuple[float, float, float]]) -> list[DrawnInterval]:
    """Return intervals on one common scale.

    Args:
        values: Low end, value and high end of each.
    """
    if not values:
        return []
    left, right = min(v[0] for v in values), max(v[2] for v in values)
    width = (right - left) or 1.0

    def place(value: float) -> float:
        return round(4 + 92 * (value - left) / width, 2)

    return [DrawnInterval(low=place(a), value=place(b), high=place(c)) for a, b, c in values]
