"""`evaluation.npz`: the held-back images of a build, with labels and float logits.

With it a build folder can be verified anywhere, without the photos or TensorFlow.
"""

import dataclasses
import io
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base import npz
from mobiledeploy.base.errors import CorruptFileError

_NO_LABELS: Final = np.empty(0, np.int64)
_DAMAGED: Final = "the file is damaged: copy the folder again, or build again"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """Images of the network's size, with labels if there are any and the float network's logits.

    Attributes:
        pixels: uint8, shape (images, height, width, 3 or 1); of an input that is no image, its
            int8 codes plus 128.
        labels: int64, shape (images,); None if they are not known.
        names: Name of each image.
        float_logits: float32, shape (images, classes).
    """

    pixels: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64] | None
    names: tuple[str, ...]
    float_logits: npt.NDArray[np.float32]


def to_bytes(evaluation: Evaluation) -> bytes:
    """Return the file's bytes, the same for the same images."""
    buffer = io.BytesIO()
    labels = _NO_LABELS if evaluation.labels is None else evaluation.labels
    np.savez_compressed(
        buffer,
        allow_pickle=False,
        pixels=evaluation.pixels,
        labels=labels,
        names=np.array(evaluation.names),
        float_logits=evaluation.float_logits,
    )
    return buffer.getvalue()


def read(path: Path) -> Evaluation:
    """Read the file.

    Raises:
        CorruptFileError: The file is missing, damaged, or its arrays do not fit together.
    """
    arrays = npz.read(path, ("pixels", "labels", "names", "float_logits"), what="held-back images")
    labels = arrays["labels"]
    evaluation = Evaluation(
        pixels=arrays["pixels"],
        labels=labels if labels.size else None,
        names=tuple(str(name) for name in arrays["names"].ravel()),
        float_logits=arrays["float_logits"],
    )
    images = len(evaluation.names)
    if (
        evaluation.pixels.dtype != np.uint8
        or evaluation.pixels.ndim < 2
        or not len(evaluation.pixels) == images > 0
        or not evaluation.pixels.size
        or labels.dtype.kind not in "iu"
        or labels.shape not in ((images,), (0,))
        or evaluation.float_logits.dtype.kind != "f"
        or evaluation.float_logits.ndim != 2
        or len(evaluation.float_logits) != images
        or labels.min(initial=0) < 0
        or labels.max(initial=0) >= max(evaluation.float_logits.shape[1], 2)
    ):
        raise CorruptFileError(
            f"{path}: images, labels, names and logits do not fit together",
            hint=_DAMAGED,
        )
    bad = np.flatnonzero(~np.isfinite(evaluation.float_logits).all(axis=1))
    if bad.size:
        raise CorruptFileError(
            f"{path}: expected numbers, received NaN or infinite logits of {bad.size} images, "
            f"such as `{evaluation.names[bad[0]]}`",
            hint=_DAMAGED,
        )
    return evaluation
