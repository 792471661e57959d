"""`evaluation.npz`: the held-back images of a build, with labels and the float model's logits.

It makes a build folder verifiable anywhere: without the photos, without TensorFlow.
"""

import dataclasses
import io
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mobiledeploy.errors import CorruptFileError


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
    try:
        with np.load(path, allow_pickle=False) as archive:
            found = Evaluation(
                pixels=archive["pixels"],
                labels=archive["labels"],
                names=tuple(str(name) for name in archive["names"]),
                float_logits=archive["float_logits"],
            )
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise CorruptFileError(f"{path} cannot be read as held-back images: {error}") from error
    images = len(found.pixels)
    if (
        found.pixels.dtype != np.uint8
        or found.pixels.ndim != 4
        or found.labels.shape != (images,)
        or len(found.names) != images
        or found.float_logits.ndim != 2
        or len(found.float_logits) != images
    ):
        raise CorruptFileError(f"{path}: images, labels, names and logits do not fit together")
    return found
