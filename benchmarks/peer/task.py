"""What every way is given: weights and images, in a folder that child processes share."""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mobiledeploy.data import folder as photos
from mobiledeploy.data import pixel_store
from mobiledeploy.data.pixels import Images, load_pixels
from mobiledeploy.spec.config import Arch, Preprocessing, Scaling

# What only we need of our package is imported where it is used: the other tools are timed.
if TYPE_CHECKING:
    from mobiledeploy.network.network import Network

Pixels = npt.NDArray[np.uint8]

NO_LABEL = -1
KERAS_SCALING: Scaling = (127.5, 127.5)
"""Mean and std of the pixels on which Keras applications' MobileNets were trained: -1..1."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One network and its images.

    Attributes:
        folder: Where the weights, the images and all files made from them lie.
        arch: `v1` or `v2`; None if the network is that of a build.
        alpha: Width multiplier; None likewise.
        image_size: Pixels.
        classes: Length of the output.
        trained: Whether the weights are more than random numbers.
        folded: Whether the network is `network.npz`, without batch norms, and not `weights.h5`.
        scaling: Mean and std of the pixels that the network was trained on.
    """

    folder: Path
    arch: Arch | None
    alpha: float | None
    image_size: int
    classes: int
    trained: bool
    folded: bool = False
    scaling: Scaling = KERAS_SCALING

    @property
    def weights(self) -> Path:
        """Weights in Keras applications' layout."""
        return self.folder / "weights.h5"

    @property
    def network_file(self) -> Path:
        """The float network, if it is `folded`."""
        return self.folder / "network.npz"

    def network(self) -> "Network":
        """Read the float network; its batch norms are folded."""
        from mobiledeploy.models.registry import architecture
        from mobiledeploy.network import weight_matching
        from mobiledeploy.network.fold import fold
        from mobiledeploy.network.network import load_network

        if self.folded:
            return load_network(self.network_file)
        if self.arch is None or self.alpha is None:
            raise ValueError("expected an architecture with `weights.h5`, received none")
        layers = architecture(
            self.arch, alpha=self.alpha, image_size=self.image_size, classes=self.classes
        )
        return fold(layers, weight_matching.load(self.weights, layers).variables)

    def with_network(self, network: "Network") -> "Task":
        """Return the task with a network in place of the weights, which is written."""
        from mobiledeploy.network.network import save_network

        save_network(self.network_file, network)
        return dataclasses.replace(self, folded=True)

    def inputs(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """Return pixels as the float network takes them, same shape."""
        mean, std = self.scaling
        return ((pixels - mean) / std).astype(np.float32)

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

    def save_images(
        self, calibration: Pixels, evaluation: Pixels, labels: npt.NDArray[np.int64]
    ) -> None:
        """Write the images into the task's folder."""
        np.save(self.folder / "calibration.npy", calibration)
        np.save(self.folder / "evaluation.npy", evaluation)
        np.save(self.folder / "labels.npy", labels)

    def save(self) -> None:
        """Write the task into its folder."""
        fields = {**dataclasses.asdict(self), "folder": None}
        (self.folder / "task.json").write_text(json.dumps(fields))

    @classmethod
    def load(cls, folder: Path) -> "Task":
        """Read the task that `save` wrote."""
        fields = json.loads((folder / "task.json").read_text())
        return cls(**{**fields, "folder": folder, "scaling": tuple(fields["scaling"])})


def read_build(path: Path) -> tuple["Network", Images, Images]:
    """Return the float network of a build folder, and its images of training and test."""
    from mobiledeploy.network.network import load_network

    splits = pixel_store.read(path / "data")
    return load_network(path / "train/network.npz"), splits["train"], splits["test"]


def read_photos(
    path: Path, names: list[str] | None, image_size: int, seed: int
) -> tuple[Pixels, npt.NDArray[np.int64]]:
    """Return a folder's photos in random order with their labels.

    Args:
        path: One sub-folder a class.
        names: Class names in the order of the network's outputs, by which folders are matched;
            None: the photos have no labels.
        image_size: Pixels.
        seed: Of the order.
    """
    dataset = photos.load(path, purpose="comparison")
    label_of = np.full(len(dataset.class_names), NO_LABEL, np.int64)
    if names is not None:
        unknown = sorted(set(dataset.class_names) - set(names))
        if unknown:
            raise SystemExit(f"error: folder `{unknown[0]}` in {path} is not a network's class")
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
