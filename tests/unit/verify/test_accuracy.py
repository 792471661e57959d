"""Scores have intervals, and the paired test is described in words."""

import numpy as np
import pytest
from known import known

from mobiledeploy.spec.results import (
    Accuracy,
    ClassRecall,
    balanced,
    named_recalls,
    never_right,
)
from mobiledeploy.verify.outputs.accuracy import paired, scores

LABELS = np.zeros(1000, np.int64)
RIGHT = np.zeros(1000, np.int64)


def wrong_on(*rows: slice) -> np.ndarray:
    classes = RIGHT.copy()
    for row in rows:
        classes[row] = 1
    return classes


@pytest.mark.parametrize(
    ("float_wrong", "int8_wrong", "words"),
    [
        (
            slice(0, 3),
            slice(3, 5),
            (
                "no evidence of a difference (p = 1.0): a is right on 3 images where "
                "the float network is wrong, "
                "and wrong on 2 where the float network is right"
            ),
        ),
        (
            slice(0, 1),
            slice(1, 4),
            (
                "no evidence of a loss (p = 0.62): a is right on 1 image where "
                "the float network is wrong, "
                "and wrong on 3 where the float network is right"
            ),
        ),
        (
            slice(0, 1),
            slice(1, 21),
            (
                "a loss (p < 0.0001): a is right on 1 image where the float network is wrong, "
                "and wrong on 20 where the float network is right"
            ),
        ),
        (
            slice(0, 0),
            slice(0, 0),
            "no loss was seen: a and the float network are right on the same images",
        ),
    ],
)
def test_the_paired_test_is_put_into_words(
    float_wrong: slice, int8_wrong: slice, words: str
) -> None:
    int8 = wrong_on(int8_wrong)
    tests = paired({"a": int8, "b": int8}, LABELS, wrong_on(float_wrong))
    assert [test.words for test in tests] == [words]
    assert tests[0].images == 1000


def test_files_that_differ_are_both_tested_against_the_float_network() -> None:
    tests = paired({"a": RIGHT, "b": wrong_on(slice(5))}, LABELS, RIGHT)
    assert [(test.first, test.second) for test in tests] == [("float", "a"), ("float", "b")]
    assert tests[1].only_first == 5


def test_without_a_float_network_the_second_file_is_tested_against_the_first() -> None:
    (test,) = paired({"a": RIGHT, "b": wrong_on(slice(5))}, LABELS, None)
    assert (test.first, test.second, test.only_first, test.only_second) == ("a", "b", 5, 0)


def test_scores_carry_their_interval() -> None:
    float_line, line = scores({"a": wrong_on(slice(10))}, {"a": "LiteRT"}, LABELS, RIGHT)
    assert (float_line.file, float_line.labels.correct) == ("float", 1000)
    assert (line.runtime, line.labels.correct, known(line.float_model).correct) == (
        "LiteRT",
        990,
        990,
    )
    assert line.interval[0] < 0.99 < line.interval[1]


def test_the_recall_of_each_class_with_images_and_their_mean() -> None:
    labels = np.array([0, 0, 0, 2, 3, 3])
    recalls = ClassRecall.of(np.array([0, 0, 1, 0, 3, 3]), labels)
    assert [(row.label, row.right.correct, row.right.total) for row in recalls] == [
        (0, 2, 3), (2, 0, 1), (3, 2, 2)
    ]  # fmt: skip
    assert balanced(recalls) == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert [recall.name for recall in named_recalls(recalls, "abcd")] == ["a", "c", "d"]


def test_classes_that_are_never_right_are_named_unless_they_have_few_photos() -> None:
    def recalls(*rights: tuple[int, int]) -> tuple[ClassRecall, ...]:
        return tuple(
            ClassRecall(label=label, right=Accuracy(correct=right, total=total))
            for label, (right, total) in enumerate(rights)
        )

    assert never_right(named_recalls(recalls((1, 5), (0, 5), (0, 9)), "abc")) == (
        "never right on 2 of 3 classes: `b` (0 of 5), `c` (0 of 9)"
    )
    assert never_right(recalls((1, 5), (0, 5), (0, 4), (4, 4))) == (
        "never right on 1 of 2 classes with 5 photos or more (2 have fewer): `1` (0 of 5)"
    )
    assert not never_right(recalls((1, 5), (0, 4), (0, 1)))
