"""How closely the int8 network's logits follow the float network's."""

import dataclasses
import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

EXACT: Final = 200.0
"""Decibels of logits without error, and the most that is given."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """An int8 network beside the float network, on the same images.

    Attributes:
        images: How many.
        same: Of how many the likeliest class is the same.
        sqnr: Power of the float logits' deviation from their mean over the classes, by that of the
            error's, in decibels: what all logits have in common changes no answer. `EXACT` if the
            logits are equal, and `-EXACT` if they have no deviation of their own.
    """

    images: int
    same: int
    sqnr: float


def compare(
    floats: npt.NDArray[np.floating[Any]], quantised: npt.NDArray[np.floating[Any]]
) -> Agreement:
    """Compare logits, shape (images, outputs) each.

    A single output is compared as it is, and agrees where its sign does.
    """
    floats, quantised = floats.astype(np.float64), quantised.astype(np.float64)
    if floats.shape[1] == 1:
        same = (floats > 0) == (quantised > 0)
        signal, error = floats - floats.mean(), quantised - floats
        same = same[:, 0]
    else:
        same = floats.argmax(axis=1) == quantised.argmax(axis=1)
        signal = floats - floats.mean(axis=1, keepdims=True)
        error = quantised - floats
        error = error - error.mean(axis=1, keepdims=True)
    noise, power = float((error**2).sum()), float((signal**2).sum())
    if noise == 0:
        sqnr = EXACT
    elif power == 0:
        sqnr = -EXACT
    else:
        sqnr = min(max(10 * math.log10(power / noise), -EXACT), EXACT)
    return Agreement(images=len(floats), same=int(same.sum()), sqnr=sqnr)
