"""A table of rounded lines is a convolution of one pixel; another table is none."""

import numpy as np
import pytest

from mobiledeploy.integer.table_as_convolution import table_as_convolution
from mobiledeploy.ops import conv
from mobiledeploy.ops.certificate import all_codes
from mobiledeploy.ops.tensors import Int8, QTensor

SLOPES = np.array([0.73, -1.31, 2.5, 1e-4, 40.0])
OFFSETS = np.array([3.3, 20.2, -90.7, 300.0, 0.2])
SOURCE = QTensor(name="in", shape=(1, 1, 5), scale=np.float32(0.031), zero_point=-7)
OUT = QTensor(name="out", shape=(1, 1, 5), scale=np.float32(0.017), zero_point=12)


def lines() -> Int8:
    steps = SLOPES[:, None] * (all_codes() - SOURCE.zero_point) + OFFSETS[:, None]
    codes: Int8 = np.clip(np.rint(steps) + OUT.zero_point, -128, 127).astype(np.int8)
    return codes


def test_lines_become_a_convolution_that_gives_all_codes() -> None:
    made = table_as_convolution(lines(), SOURCE, OUT)
    assert made is not None
    codes = np.repeat(all_codes().astype(np.int8)[:, None], 5, axis=1).reshape(256, 1, 1, 5)
    results = conv.litert_codes(made, [SOURCE], [codes], kernel="x86")
    np.testing.assert_array_equal(results.reshape(256, 5).T, lines())
    made.check([SOURCE])


@pytest.mark.parametrize("place", [0, 100])
def test_a_table_of_another_function_is_none(place: int) -> None:
    table = lines()
    table[0, place] += 5
    assert table_as_convolution(table, SOURCE, OUT) is None
