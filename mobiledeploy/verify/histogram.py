"""How the codes of a layer differ: by how many steps, and in which channels."""

from typing import Final

import numpy as np

from mobiledeploy.verify.layer_codes import Codes
from mobiledeploy.verify.layer_report import HotChannel

MOST_CHANNELS: Final = 8


def histogram(differences: Codes | None) -> tuple[tuple[int, int], ...]:
    """Return by how many steps codes differ, and how many do; those that do not are left out."""
    if differences is None:
        return ()
    steps, counts = np.unique(differences, return_counts=True)
    return tuple(
        (int(step), int(count)) for step, count in zip(steps, counts, strict=True) if step
    )


def channels(differences: Codes | None) -> tuple[HotChannel, ...]:
    """Return the channels that differ most, worst first."""
    if differences is None:
        return ()
    off = np.abs(differences.reshape(-1, differences.shape[-1]))
    most, share = off.max(axis=0), (off > 0).mean(axis=0)
    order = np.lexsort((-share, -most))[:MOST_CHANNELS]
    return tuple(
        HotChannel(channel=int(c), max_lsb=int(most[c]), differing=float(share[c]))
        for c in order
        if most[c]
    )
