"""A user's photos as a set of images for two files, with their labels where those can be known.

Photos are decoded while the files run. One that cannot be decoded is found then; all are tried,
and the verification runs once more without those. So sound photos are decoded once only.
"""

import dataclasses
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import numpy as np

from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.files import Name
from mobiledeploy.base.progress import Event, Progress
from mobiledeploy.data.dataset import Dataset, Indices, Pixels
from mobiledeploy.data.resize import resize
from mobiledeploy.data.sources import open_dataset
from mobiledeploy.verify.inputs import ImageSet
from mobiledeploy.verify.report import VerifyReport

NAMED: Final = 5
"""Photos that were left out, of which a report gives the names."""

Found = TypeVar("Found")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Photos:
    """Photos of a data set.

    Attributes:
        dataset: Where they come from.
        rows: Which, by number.
        left_out: Why others that were chosen are missing, one line each.
    """

    dataset: Dataset
    rows: Indices
    left_out: tuple[str, ...] = ()

    @property
    def warning(self) -> str:
        """What a reader of the report should know; empty if all photos are there."""
        if not self.left_out:
            return ""
        count = len(self.left_out)
        photos = "1 photo was" if count == 1 else f"{count} photos were"
        more = f"; and {count - NAMED} more" if count > NAMED else ""
        return f"{photos} left out: {'; '.join(self.left_out[:NAMED])}{more}"

    def images(
        self, fit: Callable[[Pixels], Pixels], *, labels: Indices | None, threads: int
    ) -> ImageSet:
        """Return them as images that are decoded when they are needed.

        Args:
            fit: From a photo to the files' size.
            labels: Of all images of the data set, or None where its classes are not the files'.
            threads: Photos that are decoded at a time.
        """
        dataset, rows = self.dataset, self.rows

        def one(row: np.int64) -> Pixels:
            return fit(dataset.decode(int(row)))

        def pixels(start: int, stop: int) -> Pixels:
            with ThreadPoolExecutor(threads) as pool:
                return np.stack(list(pool.map(one, rows[start:stop])))

        return ImageSet(
            name=f"images of {dataset.name}",
            names=[dataset.image_names[row] for row in rows],
            pixels=pixels,
            labels=None if labels is None else labels[rows],
        )


def on_photos(
    data: Name | None,
    samples: int | None,
    verify: Callable[[Photos | None], Found],
    *,
    threads: int,
    progress: Progress,
) -> Found:
    """Run a verification on photos; once more where some of them cannot be decoded.

    Args:
        data: See `data.sources.open_dataset`; None: on no photos.
        samples: How many to take, spread evenly over the classes; None for all.
        verify: Given the photos, returns what was found.
        threads: Photos that are decoded at a time.
        progress: Told what is left out.

    Raises:
        RequestError: There are no such data, or none of the photos can be decoded.
    """
    if data is None:
        return verify(None)
    dataset = open_dataset(os.fspath(data), divide=False, progress=progress)
    photos = Photos(dataset=dataset, rows=evenly(len(dataset.labels), samples))
    try:
        return verify(photos)
    except RequestError:
        rest = _readable(photos, threads=threads, progress=progress)
        if not rest.left_out:
            raise
    progress(Event("verify", rest.warning, 0, None))
    return verify(rest)


def evenly(everything: int, samples: int | None) -> Indices:
    """Return the rows of so many images, spread evenly; all of them where there are no more."""
    rows = np.linspace(0, everything - 1, min(samples or everything, everything))
    return np.unique(rows.astype(np.int64))


def with_photos(
    report: VerifyReport, photos: Photos | None, assumptions: tuple[str, ...]
) -> VerifyReport:
    """Return a report that also says what was assumed of the photos, and which are missing."""
    missing = (photos.warning,) if photos is not None and photos.warning else ()
    return dataclasses.replace(
        report, assumptions=assumptions, warnings=(*report.warnings, *missing)
    )


def _readable(photos: Photos, *, threads: int, progress: Progress) -> Photos:
    """Return photos without those that cannot be decoded.

    Raises:
        RequestError: None is left.
    """

    def fault(row: np.int64) -> str:
        try:
            photos.dataset.decode(int(row))
        except RequestError as error:
            return str(error)
        return ""

    progress(Event("verify", "looking for photos that cannot be decoded", 0, len(photos.rows)))
    with ThreadPoolExecutor(threads) as pool:
        faults = list(pool.map(fault, photos.rows))
    left = np.array([not text for text in faults])
    found = tuple(text for text in faults if text)
    if not left.any():
        raise RequestError(
            f"none of {len(faults)} photos can be decoded, such as {found[0]}",
            hint="save them anew as JPEG or PNG",
        )
    return Photos(dataset=photos.dataset, rows=photos.rows[left], left_out=found)


def centred(shape: tuple[int, int, int]) -> Callable[[Pixels], Pixels]:
    """Return how a photo is cut to its largest centred square and resized to a file's input."""

    def fit(pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        return resize(pixels[top : top + side, left : left + side], *shape[:2])

    return fit


def labels_by_count(dataset: Dataset, classes: int) -> Indices | None:
    """Return the labels if there are as many classes as the files have, in the folders' order."""
    return dataset.labels if len(dataset.class_names) == classes else None


def labels_by_name(dataset: Dataset, names: Sequence[str]) -> Indices | None:
    """Return the labels by the names of a build's classes; None if a folder is none of them."""
    numbers = {name: number for number, name in enumerate(names)}
    if not set(dataset.class_names) <= set(numbers):
        return None
    return np.array([numbers[name] for name in dataset.class_names], np.int64)[dataset.labels]
