"""The images of a quantisation: photos, or synthetic ones."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.progress import Progress
from mobiledeploy.data.dataset import Dataset, Indices, shared
from mobiledeploy.data.pixels import load_pixels
from mobiledeploy.pipeline.class_order import Names
from mobiledeploy.pipeline.resume import digest
from mobiledeploy.spec.config import RANDOM, Preprocessing
from mobiledeploy.verify.outputs import image_sets
from mobiledeploy.verify.outputs.image_sets import evenly

CALIBRATION_IMAGES: Final = 256
HELD_BACK_IMAGES: Final = 256
"""Synthetic images on which the two files are compared where there are no photos."""


JUDGING_PHOTOS: Final = 2000
"""Most photos on which the two files are compared where others decide the ranges."""
NAMED: Final = 3
"""Most photos that a warning names."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Apart:
    """Photos that decide the ranges, apart from those that the files are compared on.

    Attributes:
        dataset: All of these may.
        judges: Indices of the photos of the other data set that may be held back.
    """

    dataset: Dataset
    judges: Indices


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
        shared: Names of the photos that would be held back, but for that they may decide ranges.
        unused: Number of photos that might be held back, but are more than needed.
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
    shared: tuple[str, ...] = ()
    unused: int = 0

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
    apart: Apart | None = None,
    most: int = CALIBRATION_IMAGES,
    threads: int,
    progress: Progress,
) -> QuantiseImages:
    """Decode the photos, or make synthetic ones if there are none.

    Args:
        dataset: The photos; None for synthetic ones.
        names: The names of the classes.
        preprocessing: How a photo becomes pixels, those that calibrate included.
        apart: Photos that decide the ranges; None: those of the data set's training split. Photos
            of the data set that are among them are not held back.
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
    judges, both, unused = dataset.splits["test"], dataset.splits["test"][:0], 0
    if apart is None:
        source, photos = dataset, dataset.splits["train"]
    else:
        source, photos = apart.dataset, np.arange(len(apart.dataset.labels))
        both = np.intersect1d(apart.judges, shared(dataset, source))
        judges = _others(apart.judges, both)
        unused = max(len(judges) - JUDGING_PHOTOS, 0)
        judges = judges[evenly(len(judges), JUDGING_PHOTOS)]
    calibration, held_back = (
        load_pixels(each, indices, preprocessing, threads=threads, progress=progress)
        for each, indices in (
            (source, calibration_rows(photos, most)),
            (dataset, judges),
        )
    )
    numbers = names.numbers
    return QuantiseImages(
        calibration=calibration.pixels,
        calibration_labels=None
        if numbers is None or apart is not None
        else numbers[calibration.labels],
        held_back=np.ascontiguousarray(held_back.pixels),
        labels=None if numbers is None else numbers[held_back.labels],
        names=held_back.names,
        unreadable=(*calibration.unreadable, *held_back.unreadable),
        ignored=dataset.ignored if apart is None else ignored(dataset, source),
        folders=dataset.class_names,
        digest=dataset.digest if apart is None else digest(dataset.digest, source.digest),
        shared=tuple(dataset.image_names[row] for row in both),
        unused=unused,
    )


def _others(photos: Indices, both: Indices) -> Indices:
    """Return the photos that do not calibrate.

    Raises:
        RequestError: There are not two.
    """
    others = np.setdiff1d(photos, both)
    if len(others) < 2:
        raise RequestError(
            "expected at least 2 photos of `--data` that are not among those of `--calibrate`, "
            f"received {len(others)}: {len(both)} of {len(photos)} are",
            hint="name other photos with `--calibrate`, or leave it out: most photos of `--data` "
            "calibrate then, others judge",
        )
    return others


def shared_words(names: Sequence[str], *, of: str, among: str, verb: str) -> list[str]:
    """Return a warning if photos are in both of two data sets.

    Args:
        names: Their names in one of them.
        of: Which that is.
        among: The photos of the other one.
        verb: What they do not do.
    """
    if not names:
        return []
    listed = ", ".join(f"`{name}`" for name in names[:NAMED])
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    if len(names) == 1:
        return [f"1 photo of {of} is among {among}, and does not {verb}: {listed}"]
    return [f"{len(names)} photos of {of} are among {among}, and do not {verb}: {listed}{more}"]


def ignored(*datasets: Dataset) -> Mapping[str, int]:
    """Return how many files of data sets are no images, by suffix."""
    return dict(sum((Counter(dataset.ignored) for dataset in datasets), Counter[str]()))
