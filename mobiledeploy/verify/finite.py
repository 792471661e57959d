"""Refuse answers that are no finite numbers: NaN is never greater than what is allowed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ParityError

SHOWN = 3
"""Images that a message names."""


def require(values: npt.NDArray[Any], *, who: str, names: Sequence[str] = ()) -> None:
    """Do nothing if every value is a finite number.

    Args:
        values: Integers, or floats of shape (images, ...).
        who: What gave them, to stand at the start of a message.
        names: Of the images; empty where they are not known.

    Raises:
        ParityError: Some are NaN or infinite; the message names `who` and the first images.
    """
    bad = rows(values)
    if bad.any():
        raise ParityError(
            f"{who} gives {words(values, names)}",
            hint="a weight or a scale in the file is no number, or a sum leaves float32: "
            "`mobiledeploy inspect` shows what the file holds",
        )


def rows(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return for which images a value is NaN or infinite, shape (images,)."""
    if values.dtype.kind != "f":
        return np.zeros(len(values), np.bool_)
    bad: npt.NDArray[np.bool_] = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    return bad


def words(values: npt.NDArray[Any], names: Sequence[str] = ()) -> str:
    """Return what is there instead of numbers, and for which images."""
    kind = "NaN" if np.isnan(values).any() else "infinite values"
    bad = np.flatnonzero(rows(values))
    shown = ", ".join(f"`{names[row]}`" for row in bad[:SHOWN]) if names else ""
    more = f" and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
    return (
        f"{kind} for {shown}{more}" if shown else f"{kind} for {len(bad)} of {len(values)} images"
    )
