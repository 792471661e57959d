"""Agreement counts equal answers; the SQNR ignores what all logits have in common."""

import numpy as np
import pytest

from mobiledeploy.accuracy.agreement import EXACT, compare
from mobiledeploy.spec.config import Task

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.standard_normal((50, 10)).astype(np.float32)


def test_equal_logits_agree_without_error() -> None:
    equal = compare(LOGITS, LOGITS)
    assert (equal.same, equal.images, equal.sqnr) == (50, 50, EXACT)


def test_a_common_offset_changes_nothing() -> None:
    shifted = LOGITS + RANDOM.standard_normal((50, 1)).astype(np.float32)
    assert compare(LOGITS, shifted).sqnr > 100


def test_noise_of_a_tenth_is_twenty_decibels() -> None:
    noise = RANDOM.standard_normal(LOGITS.shape) * 0.1
    assert compare(LOGITS, LOGITS + noise).sqnr == pytest.approx(20, abs=1.5)


def test_a_single_output_agrees_where_its_sign_does() -> None:
    floats = np.array([[-1.0], [0.5], [2.0]], np.float32)
    assert compare(floats, np.array([[-0.5], [-0.1], [2.0]], np.float32)).same == 2


def test_constant_logits_have_no_signal() -> None:
    flat = np.zeros((3, 4), np.float32)
    assert compare(flat, flat + np.eye(3, 4, dtype=np.float32)).sqnr == -EXACT


def test_what_is_not_finite_agrees_nowhere_and_has_the_worst_sqnr() -> None:
    for value in (np.nan, np.inf):
        broken = LOGITS.copy()
        broken[7] = value
        assert (compare(LOGITS, broken).same, compare(LOGITS, broken).sqnr) == (49, -EXACT)
        assert compare(broken, LOGITS).sqnr == -EXACT


@pytest.mark.parametrize("task", ["regression", "multi-label"])
def test_a_common_offset_counts_where_outputs_are_no_classes(task: Task) -> None:
    shifted = compare(LOGITS, LOGITS + np.float32(0.1), task=task)
    assert shifted.same == 50
    assert shifted.sqnr == pytest.approx(20, abs=1)
    assert compare(LOGITS, LOGITS + np.float32(0.1)).sqnr > 100


def test_numbers_are_no_answers() -> None:
    assert compare(LOGITS, -LOGITS, task="regression").same == 50
    assert compare(LOGITS, -LOGITS, task="multi-label").same < 25


def test_numbers_that_are_the_same_for_all_images_have_no_signal() -> None:
    same = np.ones((5, 2), np.float32)
    assert compare(same, same * 2, task="regression").sqnr == -EXACT
