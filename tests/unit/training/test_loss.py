"""The loss is the cross entropy, in TensorFlow as in NumPy."""

import numpy as np
import pytest

from mobiledeploy.training.loss import balancing_weights, cross_entropies, cross_entropy

LABELS = np.array([0, 2, 1], np.int64)
LOGITS = np.array([[2, 0, -1], [0.5, 0.25, 4], [30, 0, -30]], np.float32)
PROBABILITIES = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
EXPECTED = -np.log(PROBABILITIES[np.arange(3), LABELS])


@pytest.mark.tensorflow
def test_the_loss_is_one_cross_entropy_per_example() -> None:
    np.testing.assert_allclose(cross_entropy(3)(LABELS, LOGITS), EXPECTED, rtol=1e-5)


@pytest.mark.tensorflow
def test_smoothing_adds_the_mean_over_classes() -> None:
    smooth = cross_entropy(3, smoothing=0.3)(LABELS, LOGITS)
    uniform = -np.log(PROBABILITIES).mean(axis=1)
    np.testing.assert_allclose(smooth, 0.7 * EXPECTED + 0.3 * uniform, rtol=1e-5)


@pytest.mark.tensorflow
def test_class_weights_multiply_the_loss_by_label() -> None:
    weighted = cross_entropy(3, class_weights=(1, 10, 100))(LABELS, LOGITS)
    np.testing.assert_allclose(weighted, EXPECTED * [1, 100, 10], rtol=1e-5)


def test_numpy_computes_the_same_and_is_stable_for_large_logits() -> None:
    np.testing.assert_allclose(cross_entropies(LABELS, LOGITS), EXPECTED, rtol=1e-5)
    large = np.array([[0, 1000], [1000, 0]], np.float32)
    np.testing.assert_array_equal(cross_entropies(np.array([1, 1]), large), [0, 1000])


def test_balanced_classes_get_no_weights() -> None:
    assert balancing_weights(np.array([0, 0, 0, 1, 1], np.int64), 2) is None


def test_class_weights_balance_the_classes() -> None:
    labels = np.array([0] * 9 + [1] * 3, np.int64)
    weights = balancing_weights(labels, 2)
    assert weights is not None
    assert 9 * weights[0] == pytest.approx(3 * weights[1])
    assert np.mean(np.array(weights)[labels]) == pytest.approx(1)
