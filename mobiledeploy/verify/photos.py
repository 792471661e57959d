"""A user's photos as a set of images for two files, with their labels where those can be known.

Every photo is decoded once, before the files run: those that cannot be are left out and named, and
the pixels of the others, at the files' size, are kept in a temporary file, from which the
verification and the report take them as often as they need.
"""

import dataclasses
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np

from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.files import Name, storage_errors
from mobiledeploy.base.progress import Event, Progress
from mobiledeploy.data.dataset import Dataset, Indices, Pixels
from mobiledeploy.data.resize import resize
from mobiledeploy.data.sources import open_dataset
from mobiledeploy.verify.inputs import ImageSet
from mobiledeploy.verify.report import VerifyReport

NAMED: Final = 5
"""Photos that were left out, of which a report gives the names."""
BATCH: Final = 64
"""Photos decoded between two events."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Photos:
    """Photos of a data set that were chosen, not yet decoded.

    Attributes:
        dataset: Where they come from.
        rows: Which, by number.
    """

    dataset: Dataset
    rows: Indices

    def decode(
        self,
        fit: Callable[[Pixels], Pixels],
        *,
        labels: Indices | None,
        threads: int,
        progress: Progress,
    ) -> "Decoded":
        """Return them as images, without those that cannot be decoded.

        Args:
            fit: From a photo to the files' size.
            labels: Of all images of the data set, or None where its classes are not the files'.
            threads: Photos that are decoded at a time.
            progress: Told after every few photos, and what is left out.

        Raises:
            RequestError: None of them can be decoded.
            StorageError: There is no room for the pixels in the temporary folder.
        """
        faults: list[str] = []
        found: list[int] = []

        def blocks() -> Iterator[Pixels]:
            for rows, pixels, missing in self._in_batches(fit, threads, progress):
                faults.extend(missing)
                found.extend(rows)
                if rows:
                    yield pixels

        pixels = _kept(blocks())
        if pixels is None:
            raise RequestError(
                f"none of {len(faults)} photos can be decoded, such as {faults[0]}",
                hint="save them anew as JPEG or PNG",
            )
        images = ImageSet(
            name=f"images of {self.dataset.name}",
            names=[self.dataset.image_names[row] for row in found],
            pixels=lambda start, stop: pixels[start:stop],
            labels=None if labels is None else labels[found],
        )
        decoded = Decoded(images=images, left_out=tuple(faults))
        if decoded.warning:
            progress(Event("verify", decoded.warning, 0, None))
        return decoded

    def _in_batches(
        self, fit: Callable[[Pixels], Pixels], threads: int, progress: Progress
    ) -> Iterator[tuple[list[int], Pixels, list[str]]]:
        """Yield rows that could be decoded, their pixels, and why others could not."""

        def one(row: int) -> Pixels | str:
            try:
                photo = self.dataset.decode(row)
            except RequestError as error:
                return str(error)
            return fit(photo)

        with ThreadPoolExecutor(threads) as pool:
            for start in range(0, len(self.rows), BATCH):
                wanted = self.rows[start : start + BATCH].tolist()
                results = list(zip(wanted, pool.map(one, wanted), strict=True))
                pixels = [(row, made) for row, made in results if not isinstance(made, str)]
                yield (
                    [row for row, _ in pixels],
                    np.array([made for _, made in pixels], np.uint8),
                    [made for _, made in results if isinstance(made, str)],
                )
                done = start + len(wanted)
                progress(Event("verify", "decoding photos", done, len(self.rows)))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decoded:
    """Photos at the files' size.

    Attributes:
        images: Those that could be decoded.
        left_out: Why others are missing, one line each.
    """

    images: ImageSet
    left_out: tuple[str, ...]

    @property
    def warning(self) -> str:
        """What a reader of the report should know; empty if all photos are there."""
        if not self.left_out:
            return ""
        count = len(self.left_out)
        photos = "1 photo was" if count == 1 else f"{count} photos were"
        more = f"; and {count - NAMED} more" if count > NAMED else ""
        return f"{photos} left out: {'; '.join(self.left_out[:NAMED])}{more}"


def choose(data: Name | None, samples: int | None, *, progress: Progress) -> Photos | None:
    """Return which photos a verification runs on; None if it runs on none.

    Args:
        data: See `data.sources.open_dataset`, or None.
        samples: How many to take, spread evenly over the classes; None for all.
        progress: Told while files are hashed.

    Raises:
        RequestError: There are no such data.
    """
    if data is None:
        return None
    dataset = open_dataset(os.fspath(data), divide=False, progress=progress)
    return Photos(dataset=dataset, rows=evenly(len(dataset.labels), samples))


def _kept(blocks: Iterator[Pixels]) -> Pixels | None:
    """Return blocks of images as one array in a file that goes when nobody needs it any more.

    Memory does not grow with the number of photos, and none is decoded twice. None if there are
    no images.
    """
    with tempfile.TemporaryFile(prefix="mobiledeploy-photos-") as handle:
        shape: tuple[int, ...] = ()
        count = 0
        with storage_errors(Path(tempfile.gettempdir())):
            for block in blocks:
                shape, count = block.shape[1:], count + len(block)
                handle.write(block.data)
            handle.flush()
        return np.memmap(handle, np.uint8, "r", shape=(count, *shape)) if count else None


def evenly(everything: int, samples: int | None) -> Indices:
    """Return the rows of so many images, spread evenly; all of them where there are no more."""
    rows = np.linspace(0, everything - 1, min(samples or everything, everything))
    return np.unique(rows.astype(np.int64))


def with_photos(
    report: VerifyReport, decoded: Decoded | None, assumptions: tuple[str, ...]
) -> VerifyReport:
    """Return a report that also says what was assumed of the photos, and which are missing."""
    missing = (decoded.warning,) if decoded is not None and decoded.left_out else ()
    return dataclasses.replace(
        report, assumptions=assumptions, warnings=(*report.warnings, *missing)
    )


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
