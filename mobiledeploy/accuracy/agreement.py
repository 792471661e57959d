"""How closely the int8 network's logits follow the float network's."""

import dataclasses
import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.spec.config import Task

EXACT: Final = 200.0
"""Decibels of logits without error, and the most that is given."""

MOST: Final = 20.0
"""Most decibels that a single image gains or loses: none of its error may be left by chance."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """An int8 network beside the float network, on the same images.

    Attributes:
        images: How many.
        same: Of how many the answer is the same: the likeliest class or label, or which of two
            classes. Numbers are no answers: all count.
        sqnr: Power of the float logits' deviation from their mean over the classes, by that of the
            error's, in decibels: what all logits have in common changes no answer. `EXACT` if the
            logits are equal, `-EXACT` if they have no deviation of their own or are not finite.
            Outputs of other tasks than classification are compared as they are, each with the
            power of its deviation from its mean over the images.
    """

    images: int
    same: int
    sqnr: float


def compare(
    floats: npt.NDArray[np.floating[Any]],
    quantised: npt.NDArray[np.floating[Any]],
    *,
    task: Task = "classification",
) -> Agreement:
    """Compare logits, shape (images, outputs) each, of a task.

    A single output is compared as it is, and agrees where its sign does.
    """
    floats, quantised = floats.astype(np.float64), quantised.astype(np.float64)
    finite = np.isfinite(floats).all(axis=1) & np.isfinite(quantised).all(axis=1)
    if not finite.all():
        whole = compare(floats[finite], quantised[finite], task=task) if finite.any() else None
        return Agreement(images=len(floats), same=0 if whole is None else whole.same, sqnr=-EXACT)
    if _of_classes(floats, task):
        signal = floats - floats.mean(axis=1, keepdims=True)
    else:
        signal = floats - floats.mean(axis=0)
    if task == "regression":
        same = np.ones(len(floats), np.bool_)
    elif floats.shape[1] == 1:
        same = ((floats > 0) == (quantised > 0))[:, 0]
    else:
        same = floats.argmax(axis=1) == quantised.argmax(axis=1)
    return Agreement(
        images=len(floats),
        same=int(same.sum()),
        sqnr=_decibels(
            float((signal**2).sum()), float(noise_of(floats, quantised, task=task).sum())
        ),
    )


def noise_of(
    floats: npt.NDArray[np.floating[Any]],
    quantised: npt.NDArray[np.floating[Any]],
    *,
    task: Task = "classification",
) -> npt.NDArray[np.float64]:
    """Return the power of each image's error, shape (images,); `compare` takes their sum."""
    error = quantised.astype(np.float64) - floats.astype(np.float64)
    if _of_classes(floats, task):
        error = error - error.mean(axis=1, keepdims=True)
    return np.asarray((error**2).sum(axis=1))


def gain(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return by how many decibels the noise of images is less, and the standard error of that.

    Args:
        before: Power of each image's error, shape (images,).
        after: The same of another network, for the same images.

    Returns:
        The mean over the images, and its standard error; infinite for a single image.
    """
    smallest = np.finfo(np.float64).tiny
    each = 10 * np.log10(np.maximum(before, smallest) / np.maximum(after, smallest))
    each = np.clip(each, -MOST, MOST)
    error = each.std(ddof=1) / math.sqrt(len(each)) if len(each) > 1 else math.inf
    return float(each.mean()), float(error)


def _of_classes(floats: npt.NDArray[np.floating[Any]], task: Task) -> bool:
    return task == "classification" and floats.shape[1] > 1


def _decibels(power: float, noise: float) -> float:
    if noise == 0:
        return EXACT
    if power == 0:
        return -EXACT
    return min(max(10 * math.log10(power / noise), -EXACT), EXACT)
