"""How a scale differs from the one that was expected: as a fact, or in words."""

from typing import Any, Final

import numpy as np

from mobiledeploy.compare.difference import GridChange

LAST_PLACES: Final = 64
"""Units in the last place by which scales may differ that were only rounded otherwise."""


def ratio(mine: np.floating[Any], other: np.floating[Any]) -> str:
    """Return in words how a scale differs from the one that was expected."""
    units = _units(mine, other)
    if units is None:
        return "no usable number"
    if units <= LAST_PLACES:
        return f"{units} unit{'s' * (units > 1)} in the last place off"
    return f"{float(other) / float(mine):.6g} times what was expected"


def _units(mine: np.floating[Any], other: np.floating[Any]) -> int | None:
    """Return how many units in the last place lie between two scales; None if one is none."""
    if not (np.isfinite([mine, other]).all() and mine > 0 and other > 0):
        return None
    return abs(int(np.float32(other).view(np.int32)) - int(np.float32(mine).view(np.int32)))


def change(mine: np.floating[Any], other: np.floating[Any]) -> GridChange | None:
    """Return what kind of change of a grid another scale is, where that matters."""
    units = _units(mine, other)
    return "last place" if units is not None and units <= LAST_PLACES else None
