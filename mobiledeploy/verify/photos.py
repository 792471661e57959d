"""A user's photos as a set of images for two files, with their labels where those can be known."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from mobiledeploy.data.dataset import Dataset, Pixels
from mobiledeploy.data.resize import resize
from mobiledeploy.verify.inputs import ImageSet


def photos(
    dataset: Dataset,
    fit: Callable[[Pixels], Pixels],
    *,
    labels: npt.NDArray[np.int64] | None,
    samples: int | None,
    threads: int,
) -> ImageSet:
    """Return photos, decoded when they are needed.

    Args:
        dataset: Where they come from.
        fit: From a photo to the files' size.
        labels: Of all images, or None where the classes are not those of the files.
        samples: How many to take, spread evenly over the classes; None for all.
        threads: Photos that are decoded at a time.
    """
    everything = len(dataset.labels)
    count = min(samples or everything, everything)
    rows = np.unique(np.linspace(0, everything - 1, count).astype(np.int64))

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


def centred(shape: tuple[int, int, int]) -> Callable[[Pixels], Pixels]:
    """Return how a photo is cut to its largest centred square and resized to a file's input."""

    def fit(pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        return resize(pixels[top : top + side, left : left + side], *shape[:2])

    return fit


def labels_by_count(dataset: Dataset, classes: int) -> npt.NDArray[np.int64] | None:
    """Return the labels if there are as many classes as the files have, in the folders' order."""
    return dataset.labels if len(dataset.class_names) == classes else None


def labels_by_name(dataset: Dataset, names: Sequence[str]) -> npt.NDArray[np.int64] | None:
    """Return the labels by the names of a build's classes; None if a folder is none of them."""
    numbers = {name: number for number, name in enumerate(names)}
    if not set(dataset.class_names) <= set(numbers):
        return None
    return np.array([numbers[name] for name in dataset.class_names], np.int64)[dataset.labels]
