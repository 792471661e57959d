"""Agreement counts equal answers; the SQNR ignores what all logits have in common."""

import numpy as np
import pytest

from mobiledeploy.accuracy.agreement import EXACT, compare

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
