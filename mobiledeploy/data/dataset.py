"""`Dataset`: named images with labels and a fixed split, decoded one at a time."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Pixels: TypeAlias = npt.NDArray[np.uint8]
"""(height, width, 3) RGB, 0..255."""
Indices: TypeAlias = npt.NDArray[np.int64]
Split: TypeAlias = Literal["train", "validation", "test"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """Images of which only names and labels are in memory.

    Attributes:
        name: For people: `digits`, or the folder's name.
        class_names: By label.
        image_names: One an image: a path relative to the folder, or an invented name.
        labels: int64, one an image.
        splits: Indices of each split; every image is in exactly one.
        digest: SHA-256 over names, labels and contents: the same data, the same digest.
        decode: Gives image `i` as upright RGB pixels of its own size.
    """

    name: str
    class_names: tuple[str, ...]
    image_names: tuple[str, ...]
    labels: Indices
    splits: dict[Split, Indices]
    digest: str
    decode: Callable[[int], Pixels]


def content_digest(
    class_names: Sequence[str],
    image_names: Sequence[str],
    labels: Indices,
    contents: Sequence[bytes],
) -> str:
    """Return the digest of a data set, hexadecimal SHA-256.

    It covers the classes, and of every image in order its name, label and content hash, as lines
    of JSON; not where the data lies.
    """
    digest = hashlib.sha256(json.dumps(list(class_names)).encode())
    for name, label, content in zip(image_names, labels, contents, strict=True):
        digest.update(f"\n{json.dumps([name, int(label), content.hex()])}".encode())
    return digest.hexdigest()
