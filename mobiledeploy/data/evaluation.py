"""`evaluation.npz`: the held-back images of a build, with labels and the float model's logits.

It makes a build folder verifiable anywhere: without the photos, without TensorFlow.
"""

import dataclasses
import io
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base import npz
from mobiledeploy.base.errors import CorruptFileError

_DAMAGED: Final = "the file is damaged: copy the folder again, or build again"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """Labelled images of the network's size, with what the float network says of them.

    Attributes:
        pixels: uint8, shape (images, size, size, 3).
        labels: int64, shape (images,).
        names: One an image.
        float_logits: float32, shape (images, classes).
    """

    pixels: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    names: tuple[str, ...]
    float_logits: npt.NDArray[np.float32]


def to_bytes(evaluation: Evaluation) -> bytes:
    """Return the file's bytes, the same for the same images."""
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        allow_pickle=False,
        pixels=evaluation.pixels,
        labels=evaluation.labels,
        names=np.array(evaluation.names),
        float_logits=evaluation.float_logits,
    )
    return buffer.getvalue()


def read(path: Path) -> Evaluation:
    """Read held-back images.

    Raises:
        CorruptFileError: The file is missing, damaged, or its arrays do not fit together.
    """
    told = npz.read(path, ("pixels", "labels", "names", "float_logits"), what="held-back images")
    found = Evaluation(
        pixels=told["pixels"],
        labels=told["labels"],
        names=tuple(str(name) for name in told["names"].ravel()),
        float_logits=told["float_logits"],
    )
    images = len(found.names)
    if (
        found.pixels.dtype != np.uint8
        or found.pixels.ndim != 4
        or not len(found.pixels) == images > 0
        or not found.pixels.size
        or found.labels.dtype.kind not in "iu"
        or found.labels.shape != (images,)
        or found.float_logits.dtype.kind != "f"
        or found.float_logits.ndim != 2
        or len(found.float_logits) != images
        or not 0 <= found.labels.min() <= found.labels.max() < found.float_logits.shape[1]
    ):
        raise CorruptFileError(
            f"{path}: images, labels, names and logits do not fit together",
            hint=_DAMAGED,
        )
    bad = np.flatnonzero(~np.isfinite(found.float_logits).all(axis=1))
    if bad.size:
        raise CorruptFileError(
            f"{path}: expected numbers, received NaN or infinite logits of {bad.size} images, "
            f"such as `{found.names[bad[0]]}`",
            hint=_DAMAGED,
        )
    return found
