"""Geometry of the page's charts: numbers to places in a box of 100 by 100, top left being 0, 0.

The templates draw them as inline SVG that stretches with the page; all text stands beside, in
HTML, where it keeps its size. Static bars need no library: Plotly's script alone is some
megabytes in every page, and Matplotlib draws text as curves that neither themes nor screen
readers follow.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Final

SIDE: Final = 100.0
GAP: Final = 0.2
"""Share of a bar's place that stays free."""
CODES_PER_BAR: Final = 4
MOST_BARS: Final = 120


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A bar that stands on the bottom of the box."""

    x: float
    y: float
    width: float
    height: float


def bars(values: Sequence[float | None], top: float, *, share: float = 1 - GAP) -> list[Bar]:
    """Return a bar for each value.

    Args:
        values: From 0 on; None and negative ones become bars without height.
        top: The value that fills the box.
        share: Of its place that a bar is wide.
    """
    if not values:
        return []
    place = SIDE / len(values)
    width = place * share
    found = []
    for number, value in enumerate(values):
        height = SIDE * min(max(value or 0.0, 0.0), top) / top if top > 0 else 0.0
        found.append(
            Bar(
                x=round(number * place + (place - width) / 2, 3),
                y=round(SIDE - height, 2),
                width=round(width, 3),
                height=round(height, 2),
            )
        )
    return found


def steps(histogram: Sequence[tuple[int, int]]) -> list[int]:
    """Return the counts of a sparse histogram on an even scale from its first step to its last.

    Args:
        histogram: Steps in rising order, and how often each occurred.
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
    """Return the path of a histogram of codes; heights grow with the square root of the counts.

    So the tails of a distribution are seen beside its peak.
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
class Span:
    """An interval and the value inside, as places from left to right."""

    low: float
    value: float
    high: float


def spans(values: Sequence[tuple[float, float, float]]) -> list[Span]:
    """Return intervals on one common scale; each is (low, value, high)."""
    if not values:
        return []
    left, right = min(v[0] for v in values), max(v[2] for v in values)
    width = (right - left) or 1.0

    def place(value: float) -> float:
        return round(4 + 92 * (value - left) / width, 2)

    return [Span(low=place(a), value=place(b), high=place(c)) for a, b, c in values]
