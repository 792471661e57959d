"""Decode the images of a `Dataset` to arrays of pixels, in parallel."""

import dataclasses
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.files import replacing
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.data.dataset import Dataset, Indices, Pixels
from mobiledeploy.data.preprocess import preprocess
from mobiledeploy.spec.config import Preprocessing

BATCH: Final = 64
"""Images decoded between two progress events."""
NAMED: Final = 1000
"""Most images that an error names."""
UNREADABLE_PERCENT: Final = 1
"""Largest share of a data set that may be unreadable; such images are left out and named."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Images:
    """Pixels of images with their labels, indices and names.

    Attributes:
        pixels: uint8, shape (images, height, width, 3 or 1); mapped from a file if `load_pixels`
            was given a path.
        labels: int64, shape (images,).
        indices: int64, shape (images,): each image's position in the data set.
        names: Each image's name in the data set.
        unreadable: One line per image that could not be read, with the reason.
    """

    pixels: npt.NDArray[np.uint8]
    labels: Indices
    indices: Indices
    names: tuple[str, ...]
    unreadable: tuple[str, ...]

    @classmethod
    def without_labels(
        cls, pixels: npt.NDArray[np.uint8], indices: Indices | None = None
    ) -> "Images":
        """Return images, or rows of values, that have no labels (they are 0) and no names.

        Args:
            pixels: uint8, shape (images, ...).
            indices: Where they come from; None: from the first on.
        """
        rows = np.arange(len(pixels)) if indices is None else indices
        return cls(
            pixels=pixels,
            labels=np.zeros(len(rows), np.int64),
            indices=rows,
            names=tuple(f"row {row}" for row in rows),
            unreadable=(),
        )


def batches(
    dataset: Dataset,
    indices: Indices,
    preprocessing: Preprocessing,
    *,
    batch_size: int = BATCH,
    threads: int = 2,
) -> Iterator[Images]:
    """Yield the images in the order of `indices`, in batches of `batch_size` indices.

    Images that cannot be read are missing from their batch, which may be empty.

    Raises:
        RequestError: More images cannot be read than 1 % of the whole data set.
    """
    allowed = len(dataset.labels) * UNREADABLE_PERCENT // 100
    failures: list[str] = []

    def read(index: int) -> Pixels | str:
        try:
            return preprocess(dataset.decode(index), preprocessing)
        except RequestError as error:
            return str(error)

    def fault(index: int) -> str:
        result = read(index)
        return result if isinstance(result, str) else ""

    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(indices), batch_size):
            wanted = indices[start : start + batch_size]
            rows: list[Pixels] = []
            readable: list[int] = []
            missing: list[str] = []
            for index, result in zip(
                wanted.tolist(), pool.map(read, wanted.tolist()), strict=True
            ):
                if isinstance(result, str):
                    missing.append(result)
                else:
                    rows.append(result)
                    readable.append(index)
            failures += missing
            if len(failures) > allowed:
                # All others of the data set, so that one look names every file to mend.
                others = np.setdiff1d(np.arange(len(dataset.labels)), indices)
                rest = [*indices[start + batch_size :].tolist(), *others.tolist()]
                failures += [reason for reason in pool.map(fault, rest) if reason]
                raise _too_many(failures, allowed, of=len(dataset.labels))
            yield _images(dataset, _stack(rows, preprocessing), readable, missing)


def _too_many(failures: list[str], allowed: int, *, of: int) -> RequestError:
    """Return the error that names all images that cannot be read, with the reasons."""
    listed = failures[:NAMED]
    if len(failures) > NAMED:
        listed.append(f"and {len(failures) - NAMED} more")
    return RequestError(
        f"{len(failures)} image{'s' * (len(failures) > 1)} cannot be read, expected at most "
        f"{allowed} of the data set's {of}:\n  " + "\n  ".join(listed),
        hint="remove such files, or save them again as JPEG or PNG",
    )


def load_pixels(
    dataset: Dataset,
    indices: Indices,
    preprocessing: Preprocessing,
    *,
    progress: Progress = silent,
    stage: str = "data",
    threads: int = 2,
    path: Path | None = None,
) -> Images:
    """Return the images at `indices`, in that order, without those that cannot be read.

    Args:
        dataset: The data set.
        indices: The indices of the images.
        preprocessing: How images are cropped and resized.
        progress: Called after every batch.
        stage: The stage's name in the events.
        threads: Images decoded in parallel.
        path: A `.npy` file to write the pixels to, whole or not at all. They are then mapped from
            it, so that memory does not grow with their number. None: in memory.

    Raises:
        RequestError: More images cannot be read than 1 % of the whole data set.
        StorageError: `path` cannot be written.
    """
    shape = preprocessing.shape
    readable: list[int] = []
    missing: list[str] = []

    def rows() -> Iterator[Pixels]:
        done = 0
        for batch in batches(dataset, indices, preprocessing, threads=threads):
            readable.extend(batch.indices.tolist())
            missing.extend(batch.unreadable)
            done += len(batch.indices) + len(batch.unreadable)
            progress(Event(stage, "reading images", done, len(indices)))
            yield batch.pixels

    if path is None:
        pixels = np.empty((len(indices), *shape), np.uint8)
        top = 0
        for block in rows():
            pixels[top : top + len(block)] = block
            top += len(block)
        return _images(dataset, pixels[:top], readable, missing)
    _write_rows(path, rows(), shape)
    mapped: npt.NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    return _images(dataset, mapped, readable, missing)


def _images(
    dataset: Dataset, pixels: npt.NDArray[np.uint8], readable: list[int], missing: list[str]
) -> Images:
    indices = np.array(readable, np.int64)
    return Images(
        pixels=pixels,
        labels=dataset.labels[indices],
        indices=indices,
        names=tuple(dataset.image_names[index] for index in readable),
        unreadable=tuple(missing),
    )


def _stack(rows: list[Pixels], preprocessing: Preprocessing) -> npt.NDArray[np.uint8]:
    return np.stack(rows) if rows else np.empty((0, *preprocessing.shape), np.uint8)


def _write_rows(path: Path, blocks: Iterator[Pixels], shape: tuple[int, ...]) -> None:
    """Write blocks of rows as one `.npy` file whose number of rows is known only at the end."""
    with replacing(path) as handle:
        count = 0
        _write_header(handle, (0, *shape))
        for block in blocks:
            handle.write(block.data)
            count += len(block)
        handle.seek(0)
        _write_header(handle, (count, *shape))


def _write_header(handle: BinaryIO, shape: tuple[int, ...]) -> None:
    """Write the header; NumPy pads it so that the first dimension can grow in place."""
    np.lib.format.write_array_header_1_0(
        handle, {"descr": "|u1", "fortran_order": False, "shape": shape}
    )
