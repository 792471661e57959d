"""What every way is given: weights and images, in a folder that child processes share."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mobiledeploy.data import folder as photos
from mobiledeploy.data.pixels import load_pixels
from mobiledeploy.spec.config import Arch, Preprocessing

Pixels = npt.NDArray[np.uint8]

NO_LABEL = -1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One network and its images.

    Attributes:
        folder: Where `weights.h5`, the images and all files made from them lie.
        arch: `v1` or `v2`.
        alpha: Width multiplier.
        image_size: Pixels.
        classes: Length of the output.
        trained: Whether the weights are more than random numbers.
    """

    folder: Path
    arch: Arch
    alpha: float
    image_size: int
    classes: int
    trained: bool

    @property
    def weights(self) -> Path:
        """Weights in Keras applications' layout."""
        return self.folder / "weights.h5"

    def calibration(self) -> Pixels:
        """Return the images that decide ranges, uint8 (images, height, width, 3)."""
        pixels: Pixels = np.load(self.folder / "calibration.npy", allow_pickle=False)
        return pixels

    def evaluation(self) -> tuple[Pixels, npt.NDArray[np.int64]]:
        """Return the images that judge, none of which calibrates, and their labels."""
        return (
            np.load(self.folder / "evaluation.npy", allow_pickle=False),
            np.load(self.folder / "labels.npy", allow_pickle=False),
        )

    def save(self, calibration: Pixels, evaluation: Pixels, labels: npt.NDArray[np.int64]) -> None:
        """Write the task into its folder."""
        np.save(self.folder / "calibration.npy", calibration)
        np.save(self.folder / "evaluation.npy", evaluation)
        np.save(self.folder / "labels.npy", labels)
        fields = {**dataclasses.asdict(self), "folder": None}
        (self.folder / "task.json").write_text(json.dumps(fields))

    @classmethod
    def load(cls, folder: Path) -> "Task":
        """Read the task that `save` wrote."""
        fields = json.loads((folder / "task.json").read_text())
        return cls(**{**fields, "folder": folder})


def keras_input(pixels: Pixels) -> npt.NDArray[np.float32]:
    """Return pixels as Keras applications' MobileNets were trained on them: -1..1."""
    return (pixels / 127.5 - 1.0).astype(np.float32)


def read_photos(
    path: Path, names: list[str], image_size: int, seed: int
) -> tuple[Pixels, npt.NDArray[np.int64]]:
    """Return a folder's photos in random order with their labels.

    Args:
        path: One sub-folder a class.
        names: Class names in the order of the network's outputs, by which folders are matched.
        image_size: Pixels.
        seed: Of the order.
    """
    dataset = photos.load(path, purpose="comparison")
    unknown = sorted(set(dataset.class_names) - set(names))
    if unknown:
        raise SystemExit(f"error: folder `{unknown[0]}` in {path} is not a class of the network")
    label_of = np.array([names.index(name) for name in dataset.class_names], np.int64)
    order = np.random.default_rng(seed).permutation(len(dataset.labels))
    images = load_pixels(dataset, order, Preprocessing(image_size=image_size))
    return images.pixels, label_of[images.labels]


def invent_images(count: int, image_size: int, seed: int) -> tuple[Pixels, npt.NDArray[np.int64]]:
    """Return images of soft coloured blobs, without labels: for speed, not for accuracy."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((count, 8, 8, 3))
    scale = -(-image_size // 8)
    fine = coarse.repeat(scale, axis=1).repeat(scale, axis=2)[:, :image_size, :image_size]
    noise = rng.normal(0, 0.05, fine.shape)
    pixels = (np.clip(fine + noise, 0, 1) * 255).astype(np.uint8)
    return pixels, np.full(count, NO_LABEL, np.int64)


def move_off_grid(weights: Path, seed: int) -> None:
    """Move each weight of a Keras `.h5` by up to half a step of its channel's int8 grid.

    Weights that were recovered from an int8 file lie on its grid, which makes quantising them
    easier than it is; weights from training do not.
    """
    import h5py

    rng = np.random.default_rng(seed)

    def move(name: str, item: object) -> None:
        if not isinstance(item, h5py.Dataset) or item.ndim < 2:
            return
        kernel = item[()]
        # HWCM of a depthwise kernel has its channels last but one.
        axes = (0, 1, 3) if "depthwise" in name.rpartition("/")[2] else tuple(range(item.ndim - 1))
        step = np.abs(kernel).max(axis=axes, keepdims=True) / 127
        item[...] = kernel + rng.uniform(-0.5, 0.5, kernel.shape) * step

    with h5py.File(weights, "r+") as file:
        file.visititems(move)
