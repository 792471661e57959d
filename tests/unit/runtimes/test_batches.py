"""Batches run in pieces of a few images, in order: fewer of large images."""

from collections.abc import Sequence

import numpy as np
import pytest

from mobiledeploy.runtimes import Array
from mobiledeploy.runtimes.batches import run_in_pieces


@pytest.mark.parametrize(("values", "most"), [(96 * 96 * 3, 8), (224 * 224 * 3, 2), (10**6, 1)])
@pytest.mark.parametrize("threads", [1, 2])
def test_large_images_run_in_smaller_pieces(values: int, most: int, threads: int) -> None:
    sizes = []

    def run(_: int, pieces: Sequence[Array]) -> Sequence[Array]:
        sizes.append(len(pieces[0]))
        return [pieces[0][:, 0]]

    batch = np.broadcast_to(np.arange(9, dtype=np.int8)[:, np.newaxis], (9, values))
    (output,) = run_in_pieces([batch], run, threads=threads)
    assert output.tolist() == list(range(9))
    assert max(sizes) == most
