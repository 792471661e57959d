"""The images of a build are written to disk and read back."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.progress import silent
from mobiledeploy.data import folder, pixel_store
from mobiledeploy.data.dataset import Dataset
from mobiledeploy.spec.config import Preprocessing
from mobiledeploy.spec.results import DataResult

Photos = Callable[..., Path]


def write(dataset: Dataset, place: Path) -> DataResult:
    return pixel_store.write(
        place, dataset, Preprocessing(image_size=16), threads=2, progress=silent
    )


def spoil(root: Path, dataset: Dataset, which: list[int]) -> None:
    for index in which:
        (root / dataset.image_names[index]).write_bytes(b"\xff\xd8\xff no image")


def test_images_are_read_as_they_were_written(photos: Photos, tmp_path: Path) -> None:
    dataset = folder.load(photos(cat=10, dog=10))
    made = write(dataset, tmp_path)
    splits = pixel_store.read(tmp_path)
    assert (made.train, made.validation, made.test) == (14, 2, 4)
    for split, indices in dataset.splits.items():
        assert splits[split].indices.tolist() == indices.tolist()
        assert np.array_equal(splits[split].labels, dataset.labels[indices])


def test_a_class_without_a_readable_training_image_is_refused(
    photos: Photos, tmp_path: Path
) -> None:
    root = photos(cat=200, dog=4)
    dataset = folder.load(root)
    dogs = [i for i in dataset.splits["train"].tolist() if dataset.labels[i] == 1]
    spoil(root, dataset, dogs[:1])
    assert len(write(folder.load(root), tmp_path).unreadable) == 1
    spoil(root, dataset, dogs)
    with pytest.raises(
        RequestError, match=r"no training image of class `dog` .*; unreadable are `dog/"
    ) as no:
        write(dataset, tmp_path)
    assert no.value.hint
