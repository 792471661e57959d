"""The order of images is a pure function of (seed, step), and fair."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mobiledeploy.training import order

COUNTS = st.integers(1, 40)
SIZES = st.integers(1, 50)
SEEDS = st.integers(0, 2**31 - 1)


def stream(steps: int, *, count: int, size: int, seed: int) -> np.ndarray:
    return np.concatenate(
        [order.batch(step, count=count, size=size, seed=seed) for step in range(steps)]
    )


@given(count=COUNTS, size=SIZES, seed=SEEDS)
def test_every_epoch_is_a_permutation(count: int, size: int, seed: int) -> None:
    epochs = 3
    steps = -(-epochs * count // size)
    seen = stream(steps, count=count, size=size, seed=seed)[: epochs * count]
    assert all(sorted(epoch) == list(range(count)) for epoch in seen.reshape(epochs, count))


@given(count=COUNTS, size=SIZES, seed=SEEDS, step=st.integers(0, 1000))
def test_a_step_does_not_depend_on_those_before(
    count: int, size: int, seed: int, step: int
) -> None:
    first = order.batch(step, count=count, size=size, seed=seed)
    order.batch(step + 7, count=count, size=size, seed=seed)
    np.testing.assert_array_equal(first, order.batch(step, count=count, size=size, seed=seed))


def test_seeds_and_epochs_differ_in_order() -> None:
    epochs = stream(2, count=100, size=100, seed=0).reshape(2, 100)
    other = order.batch(0, count=100, size=100, seed=1)
    assert (epochs[0] != epochs[1]).any()
    assert (epochs[0] != other).any()
