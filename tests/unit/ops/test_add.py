"""Which scales of an addition the runtimes' kernels take."""

import numpy as np
import pytest

from mobiledeploy.ops import add, sub, sums
from mobiledeploy.ops.add import Add
from mobiledeploy.ops.each_pair import all_pairs
from mobiledeploy.ops.tensors import QTensor

SUM = QTensor(name="sum", shape=(4,), scale=np.float32(1), zero_point=0)
NODE = Add(inputs=("a", "b"), output=SUM)


def operands(*exponents: int) -> list[QTensor]:
    """Operands whose scales are powers of two of the sum's."""
    return [
        QTensor(name=name, shape=(4,), scale=np.float32(2.0**exponent), zero_point=0)
        for name, exponent in zip("ab", exponents, strict=True)
    ]


@pytest.mark.parametrize(
    ("exponents", "litert", "ort"),
    [
        ((0, 0), 0, 0),
        ((-10, 7), 0, 0),
        ((-11, 0), 1, 0),
        ((-14, -10), 1, 0),
        ((-15, 0), 1, 1),
        ((8, 0), 1, 1),
        ((-11, -12), 2, 2),  # ONNX Runtime would have to shift by more than 31 bits
    ],
)
def test_scales_beyond_a_kernels_limits_are_named(
    exponents: tuple[int, int], litert: int, ort: int
) -> None:
    assert len(list(add.OPERATOR.litert_limits(NODE, operands(*exponents), "ADD"))) == litert
    assert len(list(add.OPERATOR.ort_limits(NODE, operands(*exponents), "QLinearAdd"))) == ort


@pytest.mark.parametrize("sign", [1, -1])
def test_all_pairs_give_each_kernels_sums_of_them(sign: int) -> None:
    a, b = all_pairs()
    first, second, scale = (np.float32(value) for value in (0.0517, sign * 0.0313, 0.0623))
    zeros = (-128, 5, -20)
    operands = sums.Operands(a=a, b=b, zeros=zeros)
    for kernel in (sums.xnnpack, *add.OPERATOR.kernels, *sub.OPERATOR.kernels):
        (expected,) = kernel(operands, sums.one(first), sums.one(second), scale)
        codes = sums.codes_of_all_pairs(kernel, (first, second, scale), zeros)
        np.testing.assert_array_equal(codes, expected)
