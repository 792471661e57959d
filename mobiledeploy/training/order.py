"""In which order the images come: a pure function of (seed, step)."""

import functools

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


def batch(step: int, *, count: int, size: int, seed: int) -> Indices:
    """Return the indices of the images of a step.

    All epochs stand in one row, each a permutation of its own, and every step takes the next
    `size` of them: no image is left out because `size` does not divide `count`, a batch may end
    one epoch and begin the next, and a run that goes on at step n sees what it would have seen.

    Args:
        step: From 0.
        count: Number of images, at least 1.
        size: Images a step, over all replicas; it may exceed `count`.
        seed: Another seed, another order.

    Returns:
        int64, shape (size,), in 0..count-1.
    """
    positions = np.arange(step * size, (step + 1) * size)
    epochs, places = np.divmod(positions, count)
    indices = np.empty(size, np.int64)
    for epoch in np.unique(epochs):
        chosen = epochs == epoch
        indices[chosen] = _permutation(seed, int(epoch), count)[places[chosen]]
    return indices


@functools.lru_cache(maxsize=2)
def _permutation(seed: int, epoch: int, count: int) -> Indices:
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, epoch))))
    return generator.permutation(count)
