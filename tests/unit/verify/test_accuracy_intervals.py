"""Intervals and p-values are SciPy's, for every count."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobiledeploy.verify.outputs.accuracy import mcnemar, wilson

stats = pytest.importorskip("scipy.stats")


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_wilsons(counts: tuple[int, int]) -> None:
    correct, total = counts
    expected = stats.binomtest(correct, total).proportion_ci(0.95, method="wilson")
    assert wilson(correct, total) == pytest.approx(tuple(expected), abs=1e-12)


def test_the_interval_touches_the_ends_and_never_leaves_them() -> None:
    assert wilson(0, 7)[0] == 0
    assert wilson(7, 7)[1] == 1
    assert wilson(351, 355) == pytest.approx((0.97139, 0.99561), abs=1e-5)


@given(st.integers(0, 300), st.integers(0, 300))
def test_the_paired_test_is_an_exact_binomial_test(only_first: int, only_second: int) -> None:
    discordant = only_first + only_second
    expected = stats.binomtest(only_first, discordant).pvalue if discordant else 1.0
    assert mcnemar(only_first, only_second) == pytest.approx(expected, rel=1e-9)
    assert mcnemar(only_first, only_second) == mcnemar(only_second, only_first)


def test_huge_counts_neither_overflow_nor_take_long() -> None:
    assert mcnemar(20_000, 20_000) == 1.0
    assert 0 <= mcnemar(1_000, 3_000) < 1e-200
