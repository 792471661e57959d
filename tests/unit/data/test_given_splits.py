"""Splits that a folder of photos already has are kept."""

from collections.abc import Callable
from pathlib import Path

import pytest
from unit.data.conftest import jpeg

from mobiledeploy.base.errors import RequestError
from mobiledeploy.data.dataset import Split
from mobiledeploy.data.folder import load

Photos = Callable[..., Path]


@pytest.mark.parametrize(
    "folders",
    [("train", "val", "test"), ("Train", "Valid", "TEST"), ("training", "validation", "testing")],
)
def test_folders_with_the_names_of_splits_are_splits(
    photos: Photos, folders: tuple[str, str, str]
) -> None:
    root = photos()
    photos(root / folders[0], cat=20, dog=20)
    photos(root / folders[1], cat=2, dog=3)
    photos(root / folders[2], cat=4, dog=5)
    dataset = load(root)
    assert dataset.class_names == ("cat", "dog")
    parts: tuple[Split, ...] = ("train", "validation", "test")
    for part, folder in zip(parts, folders, strict=True):
        indices = dataset.splits[part]
        assert {dataset.image_names[i].split("/")[0] for i in indices} == {folder}
    assert [len(dataset.splits[part]) for part in parts] == [40, 5, 9]
    assert dataset.labels[dataset.splits["test"]].tolist() == [0] * 4 + [1] * 5


def test_validation_is_taken_from_train_where_it_is_not_given(photos: Photos) -> None:
    root = photos()
    photos(root / "train", cat=20, dog=20)
    photos(root / "test", cat=4, dog=5)
    dataset = load(root)
    assert len(dataset.splits["validation"]) == 4
    assert len(dataset.splits["train"]) == 36
    for part in ("train", "validation"):
        names = [dataset.image_names[i] for i in dataset.splits[part]]
        assert all(name.startswith("train/") for name in names)


@pytest.mark.parametrize("folders", [("test", "train"), ("test", "val"), ("train", "car")])
def test_classes_may_be_called_train_and_test(photos: Photos, folders: tuple[str, str]) -> None:
    root = photos(**dict.fromkeys(folders, 3))
    assert load(root).class_names == tuple(sorted(folders))


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"test": {}}, "`test` has no folders of classes"),
        ({"val": {"cat": 1, "dog": 1}, "more": {}}, "`more` is beside them"),
        ({"test": {"cat": 1, "dog": 1}, "testing": {"cat": 1}}, "`test` and `testing` are the"),
    ],
)
def test_inconsistent_splits_are_refused(
    photos: Photos, others: dict[str, dict[str, int]], message: str
) -> None:
    root = photos()
    photos(root / "train", cat=5, dog=5)
    for name, classes in others.items():
        (root / name).mkdir()
        (root / name / "1.jpg").write_bytes(jpeg(99))
        photos(root / name, **classes)
    with pytest.raises(RequestError, match=f"look like splits, but {message}") as refused:
        load(root)
    assert str(root / "train") in str(refused.value.hint)


def test_without_a_division_one_image_per_class_is_enough(photos: Photos) -> None:
    root = photos(cat=1, dog=1)
    dataset = load(root, purpose="comparison")
    assert dataset.splits["test"].tolist() == [0, 1]
    with pytest.raises(RequestError, match="class `cat` has 1 different images"):
        load(root)
