"""A sum reads copies of its operands on scales with which XNNPACK gives certain codes."""

import numpy as np
import pytest

from mobiledeploy.integer.sum_by_moved_scales import copies, moved_scales
from mobiledeploy.ops import conv
from mobiledeploy.ops.certificate import all_codes
from mobiledeploy.ops.each_pair import all_pairs
from mobiledeploy.ops.sums import Operands, one, xnnpack
from mobiledeploy.ops.tensors import Codes, QTensor

A, B, OUT = (
    QTensor(name=name, shape=(1, 256, 1), scale=np.float32(scale), zero_point=zero)
    for name, scale, zero in (("a", 0.0517, -3), ("b", 0.0313, 5), ("sum", 0.0623, -20))
)


def given(a: np.float32, b: np.float32) -> Codes:
    left, right = all_pairs()
    operands = Operands(a=left, b=right, zeros=(A.zero_point, B.zero_point, OUT.zero_point))
    codes: Codes = xnnpack(operands, one(a), one(b), OUT.scale)[0]
    return codes


@pytest.mark.parametrize("sign", [1, -1])
def test_scales_that_give_all_codes_are_found(sign: int) -> None:
    expected = given(A.scale * np.float32(1.00001), np.float32(sign) * B.scale)
    assert (expected != given(A.scale, np.float32(sign) * B.scale)).any()
    scales = moved_scales(expected, (A, B), OUT, sign=sign)
    assert scales is not None
    np.testing.assert_array_equal(given(scales[0], np.float32(sign) * scales[1]), expected)


def test_codes_that_no_scales_give_have_none() -> None:
    expected = given(A.scale, B.scale)
    expected[expected.size // 2] ^= 1
    assert moved_scales(expected, (A, B), OUT, sign=1) is None


def test_a_copy_has_the_codes_of_its_operand() -> None:
    scales = A.scale * np.float32(1.00001), B.scale
    first, second = copies((A, B), scales, ("one", "two"))
    assert first is not None
    assert second is None
    codes = all_codes().astype(np.int8).reshape(1, *A.shape)
    np.testing.assert_array_equal(conv.litert_codes(first, [A], [codes], kernel="x86"), codes)
    assert first.output.scale == scales[0]
