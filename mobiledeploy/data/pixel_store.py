"""The decoded images of a build on disk: `pixels.npy` with `index.json`."""

import dataclasses
import math
from pathlib import Path
from typing import Final

import numpy as np

from mobiledeploy.base import codec, files
from mobiledeploy.base.errors import CorruptFileError, RequestError
from mobiledeploy.base.progress import Progress
from mobiledeploy.data.dataset import Dataset, Split
from mobiledeploy.data.pixels import Images, load_pixels
from mobiledeploy.spec.config import Preprocessing
from mobiledeploy.spec.results import DataResult

SPLITS: Final[tuple[Split, ...]] = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PixelIndex:
    """The labels, indices and names of the rows of `pixels.npy`.

    Attributes:
        counts: Number of rows of each split; the splits follow one another as in `SPLITS`.
        labels: One per row.
        indices: The image's index in the data set, one per row.
        names: The image's name in the data set, one per row.
    """

    counts: tuple[int, ...]
    labels: tuple[int, ...]
    indices: tuple[int, ...]
    names: tuple[str, ...]


def write(
    folder: Path,
    dataset: Dataset,
    preprocessing: Preprocessing,
    *,
    threads: int,
    progress: Progress,
) -> DataResult:
    """Decode a data set and write it to a folder.

    Raises:
        RequestError: Too many images cannot be read, a split would be empty, or a class would
            have no training images.
        StorageError: The folder cannot be written, or its disk has too little room.
    """
    files.check_room(folder, len(dataset.labels) * math.prod(preprocessing.shape))
    order = np.concatenate([dataset.splits[split] for split in SPLITS])
    images = load_pixels(
        dataset,
        order,
        preprocessing,
        threads=threads,
        progress=progress,
        path=folder / "pixels.npy",
    )
    counts = tuple(int(np.isin(images.indices, dataset.splits[s]).sum()) for s in SPLITS)
    for split, count in zip(SPLITS, counts, strict=True):
        if count == 0:
            raise RequestError(
                f"no image is left to {'train on' if split == 'train' else f'use for {split}'}",
                hint="add images: at least three in each class, better some hundred",
            )
    taught = set(images.labels[: counts[0]].tolist())
    for label, name in enumerate(dataset.class_names):
        if label not in taught:
            raise RequestError(
                f"no training image of class `{name}` can be read; unreadable are "
                f"{'; '.join(images.unreadable[:3])}",
                hint="save them again, or remove the class",
            )
    index = PixelIndex(
        counts=counts,
        labels=tuple(images.labels.tolist()),
        indices=tuple(images.indices.tolist()),
        names=images.names,
    )
    files.write_atomic(folder / "index.json", codec.to_json(index))
    return DataResult(
        class_names=dataset.class_names,
        train=counts[0],
        validation=counts[1],
        test=counts[2],
        unreadable=images.unreadable,
    )


def read(folder: Path) -> dict[Split, Images]:
    """Return the splits that `write` wrote; the pixels are mapped, not loaded.

    Raises:
        CorruptFileError: The files do not fit together.
    """
    path = folder / "index.json"
    index = codec.from_json(PixelIndex, path.read_bytes(), where=str(path))
    pixels = np.load(folder / "pixels.npy", mmap_mode="r", allow_pickle=False)
    if not len(pixels) == len(index.labels) == sum(index.counts):
        raise CorruptFileError(f"{folder}: pixels and index do not fit together")
    splits: dict[Split, Images] = {}
    start = 0
    for split, count in zip(SPLITS, index.counts, strict=True):
        rows = slice(start, start + count)
        splits[split] = Images(
            pixels=pixels[rows],
            labels=np.array(index.labels[rows], np.int64),
            indices=np.array(index.indices[rows], np.int64),
            names=index.names[rows],
            unreadable=(),
        )
        start += count
    return splits
