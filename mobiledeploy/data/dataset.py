"""`Dataset`: images with names, labels and a fixed split, decoded when they are needed."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Pixels: TypeAlias = npt.NDArray[np.uint8]
"""(height, width, 3) RGB, 0..255."""
Indices: TypeAlias = npt.NDArray[np.int64]
Split: TypeAlias = Literal["train", "validation", "test"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """Images by index; only their names and labels are in memory.

    Attributes:
        name: Name for messages: `digits`, or the folder's name.
        class_names: Names of the classes, by label.
        image_names: Names of the images, by index: a path relative to the folder, or made up.
        labels: int64, shape (images,).
        splits: Indices of the images of each split; every image is in exactly one.
        digest: SHA-256 over names, labels and contents: the same for the same data.
        contents: SHA-256 of each image, by index: of its file, or its pixels if it has none.
        decode: Returns image `i` as upright RGB pixels of its own size.
        ignored: Number of files that are no images, by suffix.
    """

    name: str
    class_names: tuple[str, ...]
    image_names: tuple[str, ...]
    labels: Indices
    splits: dict[Split, Indices]
    digest: str
    contents: tuple[bytes, ...]
    decode: Callable[[int], Pixels]
    ignored: Mapping[str, int] = dataclasses.field(default_factory=dict)


def shared(dataset: Dataset, other: Dataset) -> Indices:
    """Return the indices of the images of a data set whose contents are in another, too."""
    others = frozenset(other.contents)
    return np.flatnonzero([content in others for content in dataset.contents])


def content_digest(
    class_names: Sequence[str],
    image_names: Sequence[str],
    labels: Indices,
    contents: Sequence[bytes],
) -> str:
    """Return the hexadecimal SHA-256 of a data set.

    It covers the class names and, for every image in order, its name, label and content hash, as
    lines of JSON; not the path of the data.
    """
    digest = hashlib.sha256(json.dumps(list(class_names)).encode())
    for name, label, content in zip(image_names, labels, contents, strict=True):
        digest.update(f"\n{json.dumps([name, int(label), content.hex()])}".encode())
    return digest.hexdigest()
