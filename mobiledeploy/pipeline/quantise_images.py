"""The images of a quantisation: photos, or synthetic ones."""

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.progress import Progress
from mobiledeploy.data.dataset import Dataset, Indices
from mobiledeploy.data.pixels import load_pixels
from mobiledeploy.pipeline.class_order import Names
from mobiledeploy.pipeline.resume import digest
from mobiledeploy.spec.config import RANDOM, Preprocessing
from mobiledeploy.verify.outputs import image_sets
from mobiledeploy.verify.outputs.image_sets import evenly

CALIBRATION_IMAGES: Final = 256
HELD_BACK_IMAGES: Final = 256
"""Synthetic images on which the two files are compared where there are no photos."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QuantiseImages:
    """The images of a quantisation, uint8, shape (images, height, width, 3 or 1), or values.

    Attributes:
        calibration: Those that decide the ranges.
        calibration_labels: Their classes; None if they are not known, or other photos' than those
            held back.
        held_back: Others, on which the two files are compared.
        labels: Their classes, likewise; or 1 for each label that holds, see `ValueInputs`.
        names: Of those held back.
        unreadable: One line for each photo that could not be read.
        ignored: Number of files among them that are no images, by suffix.
        folders: Names of the photos' folders; none without photos.
        digest: SHA-256 of the data.
    """

    calibration: npt.NDArray[np.uint8]
    calibration_labels: npt.NDArray[np.int64] | None
    held_back: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64] | None
    names: tuple[str, ...]
    unreadable: tuple[str, ...]
    ignored: Mapping[str, int]
    folders: tuple[str, ...]
    digest: str

    def labelled(self, most: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """Return photos and their classes: all that are held back, filled up with others."""
        assert self.labels is not None  # noqa: S101 - the caller has looked
        if self.calibration_labels is None:
            return self.held_back, self.labels
        rows = evenly(len(self.calibration), max(most - len(self.held_back), 1))
        return (
            np.concatenate([self.held_back, self.calibration[rows]]),
            np.concatenate([self.labels, self.calibration_labels[rows]]),
        )


def calibration_rows(photos: Indices, most: int) -> Indices:
    """Return the numbers of the photos that decide the ranges, spread evenly."""
    rows = np.linspace(0, len(photos) - 1, min(most, len(photos)))
    return photos[rows.round().astype(np.int64)]


def load(
    dataset: Dataset | None,
    names: Names,
    preprocessing: Preprocessing,
    *,
    calibrate: Dataset | None = None,
    most: int = CALIBRATION_IMAGES,
    threads: int,
    progress: Progress,
) -> QuantiseImages:
    """Decode the photos, or make synthetic ones if there are none.

    Args:
        dataset: The photos; None for synthetic ones.
        names: The names of the classes.
        preprocessing: How a photo becomes pixels, those that calibrate included.
        calibrate: Photos all of which may decide the ranges; None: those of the data set's
            training split.
        most: How many of them do, at most.
        threads: Photos that are decoded at a time.
        progress: Called after every few photos.

    Raises:
        RequestError: More photos cannot be decoded than 1 % of the whole data set.
    """
    if dataset is None:
        natural = image_sets.natural(preprocessing.shape, images=most + HELD_BACK_IMAGES)
        return QuantiseImages(
            calibration=natural.pixels(0, most),
            calibration_labels=None,
            held_back=natural.pixels(most, len(natural)),
            labels=None,
            names=tuple(natural.names[most:]),
            unreadable=(),
            ignored={},
            folders=(),
            digest=RANDOM,
        )
    if calibrate is None:
        source, photos = dataset, dataset.splits["train"]
    else:
        source, photos = calibrate, np.arange(len(calibrate.labels))
    calibration, held_back = (
        load_pixels(each, indices, preprocessing, threads=threads, progress=progress)
        for each, indices in (
            (source, calibration_rows(photos, most)),
            (dataset, dataset.splits["test"]),
        )
    )
    numbers = names.numbers
    return QuantiseImages(
        calibration=calibration.pixels,
        calibration_labels=None
        if numbers is None or calibrate is not None
        else numbers[calibration.labels],
        held_back=np.ascontiguousarray(held_back.pixels),
        labels=None if numbers is None else numbers[held_back.labels],
        names=held_back.names,
        unreadable=(*calibration.unreadable, *held_back.unreadable),
        ignored=dataset.ignored if calibrate is None else _sums(dataset, calibrate),
        folders=dataset.class_names,
        digest=dataset.digest if calibrate is None else digest(dataset.digest, calibrate.digest),
    )


def _sums(*datasets: Dataset) -> Mapping[str, int]:
    """Return how many files of data sets are no images, by suffix."""
    return dict(sum((Counter(dataset.ignored) for dataset in datasets), Counter[str]()))
