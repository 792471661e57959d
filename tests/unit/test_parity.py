"""The comparison names the worst sample and refuses what proves nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mobiledeploy.base.errors import ParityError
from mobiledeploy.verify.outputs.golden import choose
from mobiledeploy.verify.outputs.parity import Answers, Outputs, Tally, Variety, compare


def answers(codes: Outputs) -> Answers:
    return Answers(logits=codes, scores=codes)


def varied(images: int = 6, classes: int = 4) -> Outputs:
    rng = np.random.default_rng(0)
    return rng.integers(-128, 128, (images, classes)).astype(np.int16)


NAMES = tuple(f"image {i}" for i in range(6))


def test_equal_answers_are_exact_and_name_no_worst() -> None:
    comparison = compare("photos", NAMES, answers(varied()), answers(varied()))
    assert (comparison.exact_logits, comparison.max_logits_lsb, comparison.worst) == (6, 0, "")
    assert comparison.same_top1 == 6
    assert comparison.same_top5 is None  # of four classes


def test_top5_counts_the_same_classes_in_any_order() -> None:
    one, two = varied(classes=9), varied(classes=9)
    order = np.argsort(-two, axis=1, kind="stable")
    rows = np.arange(6)
    first, fifth, sixth = order[:, 0], order[:, 4], order[:, 5]
    two[rows, first], two[rows, fifth] = two[rows, fifth], two[rows, first]
    assert compare("photos", NAMES, answers(one), answers(two)).same_top5 == 6
    two[2, sixth[2]] = 200
    assert compare("photos", NAMES, answers(one), answers(two)).same_top5 == 5


def test_batches_add_up_to_the_whole() -> None:
    one, two = varied(), varied() + np.eye(6, 4, dtype=np.int16) * 3
    tally = Tally("photos", "first", "second")
    for start in (0, 2, 5):
        stop = {0: 2, 2: 5, 5: 6}[start]
        tally.add(NAMES[start:stop], answers(one[start:stop]), answers(two[start:stop]))
    assert tally.comparison() == compare("photos", NAMES, answers(one), answers(two))


@pytest.mark.parametrize(
    ("floats", "logits", "scores", "same", "by_scores"),
    [
        ([[3, 2]], [[3, 2]], [[127, -128]], 1, 1),
        ([[2, 3]], [[2, 3]], [[0, 0]], 1, 0),  # of equal scores the first class counts
        ([[3, 2]], [[2, 3]], [[0, 0]], 0, 1),
        ([[1], [-1]], [[2], [-1]], [[1], [0]], 2, 2),  # 0 is the code of a score of 1/2
        ([[1]], [[1]], [[0]], 1, 0),
    ],
)
def test_classes_by_the_scores_are_counted_against_logits_alone(
    floats: list[list[int]],
    logits: list[list[int]],
    scores: list[list[int]],
    same: int,
    by_scores: int,
) -> None:
    real, first, given = (np.array(rows, np.int16) for rows in (floats, logits, scores))
    names = NAMES[: len(real)]
    shipped, bare = Answers(logits=first, scores=given), Answers(logits=real, scores=None)
    counted = compare("all", names, shipped, bare)
    assert (counted.same_top1, counted.same_by_scores) == (same, by_scores)
    assert compare("all", names, shipped, shipped).same_by_scores is None
    assert compare("all", names, bare, bare).same_by_scores is None


def test_scores_are_not_compared_where_one_has_none() -> None:
    bare = Answers(logits=varied(), scores=None)
    comparison = compare("photos", NAMES, answers(varied()), bare)
    assert (comparison.max_scores_lsb, comparison.mean_scores_lsb, comparison.exact_logits) == (
        None,
        None,
        6,
    )


@pytest.mark.parametrize("step", [1, -1, 255])
def test_a_single_step_in_a_single_logit_is_counted_and_the_image_named(step: int) -> None:
    other = varied()
    other[4, 2] += step
    comparison = compare("photos", NAMES, answers(varied()), answers(other))
    assert comparison.exact_logits == 5
    assert comparison.max_logits_lsb == abs(step)
    assert comparison.worst == "image 4"


def test_the_worst_image_is_named_not_the_first() -> None:
    other = varied()
    other[1, 0] += 1
    other[3, 0] += 9
    assert compare("photos", NAMES, answers(varied()), answers(other)).worst == "image 3"


def test_scores_are_compared_beside_the_logits() -> None:
    first = Answers(logits=varied(), scores=varied())
    second = Answers(logits=varied(), scores=varied() + 1)
    comparison = compare("photos", NAMES, first, second)
    assert (comparison.max_logits_lsb, comparison.max_scores_lsb) == (0, 1)
    assert comparison.worst


def test_outputs_that_do_not_vary_are_refused() -> None:
    variety = Variety()
    for _ in range(3):
        variety.add(answers(varied(1)))
    with pytest.raises(ParityError, match="same output for all 3 photos"):
        variety.require("photos")
    variety.add(answers(varied(1) + 1))
    variety.require("photos")
    assert variety.distinct == 2


@pytest.mark.parametrize(
    ("float_logits", "told"),
    [
        (np.full((3, 4), 7.0), "the float network itself answers alike"),
        (np.array([[100, 0], [100.2, 0]]), "the float network itself answers alike"),
        (np.array([[100, 100.2], [100.2, 100]]), "rounded to int8, the model gives the same"),
        (np.array([[1.0, 0], [2, 0]]), "rounded to int8, the model gives the same"),
        (np.zeros((1, 4)), "the model gives the same output for all 2 photos: "),
    ],
)
def test_outputs_that_do_not_vary_are_laid_on_the_float_network_or_on_the_rounding(
    float_logits: Outputs, told: str
) -> None:
    variety = Variety()
    for _ in range(2):
        variety.add(answers(varied(1)))
    with pytest.raises(ParityError, match=told) as caught:
        variety.require("photos", float_logits)
    assert ("--input-range" in (caught.value.hint or "")) == ("itself" in told)
    assert ("--qat" in (caught.value.hint or "")) == ("rounded" in told)


def test_outputs_of_other_shapes_are_refused() -> None:
    with pytest.raises(ParityError, match="shapes"):
        compare("photos", NAMES, answers(varied()), answers(varied(classes=5)))


@given(hnp.arrays(np.int16, (6, 3), elements=st.integers(-128, 127)))
def test_comparing_is_symmetric(codes: Outputs) -> None:
    one, two = answers(varied(classes=3)), answers(codes)
    assert (
        compare("x", NAMES, one, two).max_logits_lsb
        == compare("x", NAMES, two, one).max_logits_lsb
    )


def test_golden_vectors_show_every_predicted_class() -> None:
    codes = np.zeros((40, 3), np.int16)
    codes[:, 0] = np.arange(40)
    codes[7, 1] = 100
    codes[30, 2] = 100
    rows = choose(answers(codes), images=4)
    assert {7, 30} < set(rows.tolist())
    assert len(rows) == 4


def test_constant_golden_vectors_are_refused() -> None:
    with pytest.raises(ParityError, match="golden vectors would prove nothing"):
        choose(answers(np.full((5, 3), 7, np.int16)))
