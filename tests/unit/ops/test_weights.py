"""Weights get the codes of TensorFlow's fake-quant kernels, ties included."""

import numpy as np
import pytest

from mobiledeploy.ops import weights
from mobiledeploy.ops.tensors import Float32


def kernels(seed: int) -> Float32:
    """(channels, weights): half at random, half as near to ties as float32 gets."""
    random = np.random.default_rng(seed)
    size = np.exp(random.normal(0, 3, (64, 1)))
    smooth = random.normal(0, size, (64, 12_000))
    ties = random.integers(-254, 255, (64, 12_000)) / 2 * (size / 127)
    return np.where(random.random((64, 1)) < 0.5, smooth, ties).astype(np.float32)


@pytest.mark.tensorflow
@pytest.mark.parametrize("seed", range(3))
def test_codes_per_channel_are_tensorflows(seed: int) -> None:
    import tensorflow as tf

    rows = kernels(seed)
    magnitude = weights.magnitudes(rows)
    expected = tf.quantization.fake_quant_with_min_max_vars_per_channel(
        rows.T, -magnitude, magnitude, narrow_range=True
    ).numpy()
    codes = weights.codes(rows, magnitude, per_channel=True)
    np.testing.assert_array_equal(codes.T, np.rint(expected / (magnitude.astype(float) / 127)))


@pytest.mark.tensorflow
@pytest.mark.parametrize("seed", range(3))
def test_codes_of_a_single_range_are_tensorflows(seed: int) -> None:
    import tensorflow as tf

    for row in kernels(seed)[:, np.newaxis]:
        magnitude = weights.magnitudes(row)
        expected = tf.quantization.fake_quant_with_min_max_vars(
            row, -magnitude[0], magnitude[0], narrow_range=True
        ).numpy()
        codes = weights.codes(row, magnitude, per_channel=False)
        np.testing.assert_array_equal(codes, np.rint(expected / (float(magnitude[0]) / 127)))


def test_the_two_kernels_differ_on_ties() -> None:
    rows = kernels(0)
    magnitude = weights.magnitudes(rows)
    one, other = (weights.codes(rows, magnitude, per_channel=kind) for kind in (True, False))
    assert (one != other).any()


def test_every_row_uses_its_ends_and_zeros_stay_zero() -> None:
    rows = kernels(1)
    rows[3] = 0
    codes = weights.codes(rows, weights.magnitudes(rows), per_channel=True)
    largest = np.abs(codes.astype(int)).max(axis=1)
    assert largest[3] == 0
    assert (np.delete(largest, 3) == 127).all()
