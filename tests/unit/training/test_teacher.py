"""A quantised network learns the float network's logits."""

import numpy as np
import pytest

from mobiledeploy.training import teacher
from mobiledeploy.training.loss import cross_entropies, cross_entropy


@pytest.mark.tensorflow
def test_the_error_is_a_part_of_the_teachers_variance() -> None:
    expected = np.array([[2.0, -2.0], [2.0, -2.0]], np.float32)
    student = expected + np.array([[1.0, 1.0], [0.0, 2.0]], np.float32)
    for size in (1.0, 1000.0):
        errors = teacher.squared_error(None, (student * size, expected * size))
        np.testing.assert_allclose(errors, [0.25, 0.5])
    same = np.ones((2, 1), np.float32)
    np.testing.assert_array_equal(teacher.squared_error(None, (same, same)), [0, 0])


@pytest.mark.tensorflow
def test_with_labels_the_error_is_added_to_the_cross_entropy() -> None:
    expected = np.array([[2.0, -2.0], [2.0, -2.0]], np.float32)
    student = expected + np.array([[1.0, 1.0], [0.0, 2.0]], np.float32)
    labels = np.array([0, 1])
    losses = teacher.with_labels(cross_entropy(2))(labels, (student, expected))
    added = teacher.WEIGHT * np.array([0.25, 0.5])
    np.testing.assert_allclose(losses, cross_entropies(labels, student) + added, rtol=1e-5)


@pytest.mark.parametrize(
    ("error", "expected"), [(0.0, 0.0), (0.5, 0.25), (float("nan"), float("nan"))]
)
def test_the_relative_error_is_a_part_of_the_variance(error: float, expected: float) -> None:
    reference = np.array([[1.0, -1.0], [-1.0, 1.0]], np.float32)
    received = teacher.relative_errors(reference + np.float32(error), reference).mean()
    assert received == pytest.approx(expected, nan_ok=True)


def test_the_loss_that_decides_is_the_one_that_is_trained_without_smoothing() -> None:
    expected = np.array([[2.0, -2.0], [2.0, -2.0]], np.float32)
    student = expected + np.array([[1.0, 1.0], [0.0, 2.0]], np.float32)
    labels = np.array([0, 1])
    losses = teacher.losses_with_labels(labels, student, expected)
    added = teacher.WEIGHT * np.array([0.25, 0.5])
    np.testing.assert_allclose(losses - cross_entropies(labels, student), added)
