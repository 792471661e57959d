"""Open a data set by its name, or from an array."""

import hashlib

import numpy as np

from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.files import user_path
from mobiledeploy.base.progress import Progress, silent
from mobiledeploy.data import digits, folder
from mobiledeploy.data.dataset import Dataset, Pixels, content_digest
from mobiledeploy.data.split import Purpose
from mobiledeploy.spec.config import DIGITS


def open_dataset(
    source: str, *, purpose: Purpose = "training", progress: Progress = silent
) -> Dataset:
    """Return the built-in digits for `digits`, otherwise the photos in the folder of that name.

    Args:
        source: `digits` or a path.
        purpose: What a folder's photos are for; see `folder.load`.
        progress: Called while files are hashed.

    Raises:
        RequestError: There is no such folder, or it holds no usable data set.
        MissingDependencyError: The digits need scikit-learn, which is not installed.
    """
    if source == DIGITS:
        return digits.load()
    return folder.load(user_path(source), purpose=purpose, progress=progress)


def from_array(images: Pixels) -> Dataset:
    """Return images without labels as a data set: four of five to train, the others to test.

    Args:
        images: uint8, shape (images, height, width, 3), or 1 for grey; at least two.

    Raises:
        RequestError: There are fewer, or they are of another shape or type.
    """
    if (
        images.dtype != np.uint8
        or images.ndim != 4
        or images.shape[3] not in {1, 3}
        or not images.size
    ):
        raise RequestError(
            "expected images as uint8 of shape (images, height, width, 3 or 1), received "
            f"{images.dtype} of shape {images.shape}",
            hint="channels come last, in the order red, green, blue"
            + ("" if images.dtype == np.uint8 else "; pixels of 0 to 255 are `.astype(np.uint8)`"),
        )
    images = np.broadcast_to(images, (*images.shape[:3], 3))  # grey: three equal values
    count = len(images)
    if count < 2:
        raise RequestError(
            "expected at least two images, one that decides ranges and one to compare files on; "
            f"received {count}",
            hint="some hundred images of all kinds give good ranges",
        )
    names = tuple(f"image {number}" for number in range(count))
    labels = np.zeros(count, np.int64)
    contents = [hashlib.sha256(np.ascontiguousarray(image).data).digest() for image in images]
    test = np.arange(min(4, count - 1), count, 5)
    return Dataset(
        name="an array",
        class_names=(),
        image_names=names,
        labels=labels,
        splits={
            "train": np.setdiff1d(np.arange(count), test),
            "validation": np.zeros(0, np.int64),
            "test": test,
        },
        digest=content_digest((), names, labels, contents),
        contents=tuple(contents),
        decode=lambda index: images[index],
    )
