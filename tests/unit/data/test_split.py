"""Splits are a pure function of labels and contents, without copies across splits."""

import hashlib

import numpy as np
import pytest

from mobiledeploy.base.errors import RequestError
from mobiledeploy.data.dataset import Indices, Split
from mobiledeploy.data.split import split, undivided


def hashes(count: int, salt: str = "") -> list[bytes]:
    return [hashlib.sha256(f"{salt}{i}".encode()).digest() for i in range(count)]


def labelled(*sizes: int) -> Indices:
    return np.repeat(np.arange(len(sizes)), sizes).astype(np.int64)


def names(labels: Indices) -> list[str]:
    return [f"c{label}" for label in range(int(labels.max()) + 1)]


def counts(splits: dict[Split, Indices], labels: Indices) -> dict[Split, list[int]]:
    return {part: np.bincount(labels[indices]).tolist() for part, indices in splits.items()}


def test_each_class_gives_twenty_and_ten_percent() -> None:
    labels = labelled(300, 100, 57)
    splits = split(labels, hashes(457), names(labels))
    assert counts(splits, labels) == {
        "train": [210, 70, 41],
        "validation": [30, 10, 5],
        "test": [60, 20, 11],
    }


def test_no_held_back_split_exceeds_its_limit() -> None:
    labels = labelled(6000, 3000, 1000)
    splits = split(labels, hashes(10_000), names(labels))
    assert counts(splits, labels) == {
        "train": [5400, 2700, 900],
        "validation": [300, 150, 50],
        "test": [300, 150, 50],
    }


def test_the_smallest_class_is_in_every_split() -> None:
    labels = labelled(3, 9000)
    splits = split(labels, hashes(9003), names(labels))
    assert {part: indices[0] for part, indices in counts(splits, labels).items()} == {
        "train": 1,
        "validation": 1,
        "test": 1,
    }


def test_to_calibrate_small_classes_are_divided_together() -> None:
    labels = labelled(1, 2, 100, *[1] * 37)
    splits = split(labels, hashes(140), names(labels), purpose="calibration")
    large = [int((labels[indices] == 2).sum()) for indices in splits.values()]
    assert large == [70, 10, 20]
    assert {part: len(indices) for part, indices in splits.items()} == {
        "train": 70 + 28, "validation": 10 + 4, "test": 20 + 8,
    }  # fmt: skip


def test_to_calibrate_too_few_images_of_small_classes_join_a_large_one() -> None:
    labels = labelled(1, 100)
    splits = split(labels, hashes(101), names(labels), purpose="calibration")
    assert sum(map(len, splits.values())) == 101
    with pytest.raises(RequestError, match="at least 3 different images, received 2"):
        split(labelled(1, 1), hashes(2), ["a", "b"], purpose="calibration")


def test_the_split_does_not_depend_on_the_order_of_the_images() -> None:
    labels, contents = labelled(40, 60), hashes(100)
    splits = split(labels, contents, ["a", "b"])
    shuffled = np.random.default_rng(1).permutation(100)
    again = split(labels[shuffled], [contents[i] for i in shuffled], ["a", "b"])
    for part, indices in splits.items():
        assert indices.tolist() == sorted(shuffled[again[part]].tolist())


def test_renaming_a_class_does_not_change_the_split() -> None:
    labels, contents = labelled(40, 60), hashes(100)
    splits = split(labels, contents, ["a", "b"])
    renamed = split(1 - labels, contents, ["b", "z"])
    for part, indices in splits.items():
        assert np.array_equal(indices, renamed[part])


def test_the_split_depends_on_the_contents() -> None:
    labels = labelled(50, 50)
    one, two = (split(labels, hashes(100, salt), ["a", "b"])["test"] for salt in ("", "other"))
    assert not np.array_equal(one, two)


def test_copies_are_in_the_same_split() -> None:
    labels, contents = labelled(60, 60), hashes(120)
    for original in range(0, 60, 2):  # half of class 0 is copied
        contents[original + 1] = contents[original]
    splits = split(labels, contents, ["a", "b"])
    homes = [{contents[i] for i in indices} for indices in splits.values()]
    assert sum(map(len, homes)) == len(set(contents))
    assert sum(map(len, splits.values())) == 120
    assert counts(splits, labels)["test"] == [12, 12]


def test_a_class_of_copies_only_is_still_in_every_split() -> None:
    labels, contents = labelled(6, 10), hashes(16)
    contents[3:6] = contents[:3]
    splits = split(labels, contents, ["a", "b"])
    assert counts(splits, labels)["test"][0] == 2
    assert counts(splits, labels)["train"][0] == 2


def test_images_with_two_classes_are_training_images() -> None:
    labels, contents = labelled(10, 10), hashes(20)
    contents[10:17] = contents[:7]
    splits = split(labels, contents, ["a", "b"])
    assert set(range(7)) | set(range(10, 17)) <= set(splits["train"].tolist())


@pytest.mark.parametrize("copies", [False, True])
def test_two_different_images_are_too_few(copies: bool) -> None:
    labels = labelled(4 if copies else 2, 5)
    contents = hashes(len(labels))
    if copies:
        contents[2:4] = contents[:2]
    with pytest.raises(RequestError, match=r"class `few` has 2 different images .* at least 3"):
        split(labels, contents, ["few", "many"])


def given(**parts: int) -> list[Split]:
    kinds: tuple[Split, ...] = ("train", "validation", "test")
    return [part for part in kinds for _ in range(parts.get(part, 0))]


def test_given_splits_are_kept() -> None:
    labels = np.arange(60, dtype=np.int64) % 2
    parts = given(train=30, validation=10, test=20)
    splits = split(labels, hashes(60), ["a", "b"], given=parts)
    assert splits["train"].tolist() == list(range(30))
    assert splits["validation"].tolist() == list(range(30, 40))
    assert splits["test"].tolist() == list(range(40, 60))


@pytest.mark.parametrize("missing", ["validation", "test"])
def test_a_missing_split_is_taken_from_train(missing: Split) -> None:
    labels = np.arange(240, dtype=np.int64) % 2
    other: Split = "test" if missing == "validation" else "validation"
    parts = given(train=200, **{other: 40})
    splits = split(labels, hashes(240), ["a", "b"], given=parts)
    assert splits[other].tolist() == list(range(200, 240))
    assert set(splits[missing].tolist()) < set(range(200))
    assert len(splits[missing]) == {"validation": 20, "test": 40}[missing]
    assert len(splits["train"]) + len(splits[missing]) == 200


def test_an_image_given_to_train_and_test_is_a_test_image() -> None:
    labels = np.arange(60, dtype=np.int64) % 2
    contents = hashes(60)
    contents[0], contents[2] = contents[40], contents[30]
    parts = given(train=30, validation=10, test=20)
    splits = split(labels, contents, ["a", "b"], given=parts)
    assert 0 in splits["test"]
    assert 2 in splits["validation"]
    assert {0, 2}.isdisjoint(splits["train"].tolist())


def test_a_class_without_given_test_images_is_refused() -> None:
    labels = np.array([0, 1] * 10 + [0] * 5, np.int64)
    parts = given(train=20, test=5)
    with pytest.raises(RequestError, match="class `b` has no images in the test split"):
        split(labels, hashes(25), ["a", "b"], given=parts)


def test_without_a_division_all_images_are_test_images() -> None:
    splits = undivided(4)
    assert splits["test"].tolist() == [0, 1, 2, 3]
    assert len(splits["train"]) == len(splits["validation"]) == 0
