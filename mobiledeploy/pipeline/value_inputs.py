"""Values of a file, or random ones, as the input of a network that takes no images.

Behind this module they are like pixels: unsigned bytes, an int8 code plus 128 each, with a mean
and a std that turn them into the network's input.
"""

import dataclasses
import os
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base import files, npz
from mobiledeploy.base.errors import RequestError
from mobiledeploy.ops.grid import activation_grid
from mobiledeploy.ops.tensors import Shape
from mobiledeploy.spec.config import IMAGE_SIZES, Scaling

SUFFIXES: Final = (".npy", ".npz")
CHANNELS: Final = (1, 3)
"""Numbers of channels that an image can have."""
MOST: Final = 256
"""Most rows that decide the range, and most others on which the two files are compared."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ValueInputs:
    """Inputs of a network in two parts.

    Attributes:
        calibration: Those that decide the ranges, uint8, shape (rows, ...).
        held_back: Others, likewise.
        labels: The class of each of those held back, shape (rows,); or 1 for each label that
            holds, else 0, shape (rows, labels); None if they are not known.
        names: Names of those held back.
        scaling: Mean and std: a value is `(byte - mean) / std`.
        digest: SHA-256 of the file, or what they are.
    """

    calibration: npt.NDArray[np.uint8]
    held_back: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64] | None
    names: tuple[str, ...]
    scaling: Scaling
    digest: str


def is_file(data: files.Name) -> bool:
    """Whether data are a file of values by their name."""
    return os.fspath(data).lower().endswith(SUFFIXES)


def is_image(shape: Shape) -> bool:
    """Whether an input may be an image: of one or three channels, and neither tiny nor huge."""
    low, high = IMAGE_SIZES
    return (
        len(shape) == 3 and shape[2] in CHANNELS and all(low <= size <= high for size in shape[:2])
    )


def random(shape: Shape) -> ValueInputs:
    """Return normally distributed values, mean 0, standard deviation 1; always the same."""
    values = np.random.default_rng(0).standard_normal((2 * MOST, *shape)).astype(np.float32)
    return _divided(values, None, digest="random values")


def read(path: Path, shape: Shape, outputs: int, *, several: bool = False) -> ValueInputs:
    """Return the inputs in a file.

    Args:
        path: A `.npy` of rows of the network's input; or an `.npz` with them as `x` and, if the
            classes are known, their numbers as `y`, or a 0 or 1 for each class of each row.
        shape: Shape of a row.
        outputs: Number of classes.
        several: Whether several classes may hold for a row.

    Raises:
        RequestError: There is no such file, its rows have another shape, are not finite numbers or
            too few, or the labels do not fit.
        CorruptFileError: The file is damaged.
    """
    files.require_file(path, hint="name a .npy or .npz with values")
    labels = None
    if path.suffix.lower() == ".npz":
        names = npz.stored(path, what="values")
        if "x" not in names:
            raise RequestError(
                f"{path.name}: expected an array `x`, received {', '.join(names) or 'none'}",
                hint="save it by `numpy.savez(file, x=values, y=classes)`; `y` may be missing",
            )
        arrays = npz.read(path, ("x", "y") if "y" in names else ("x",), what="values")
        values, labels = arrays["x"], arrays.get("y")
    else:
        values = npz.read_array(path, what="values")
    if values.shape[1:] != shape or values.dtype.kind not in "biuf":
        raise RequestError(
            f"{path.name}: expected rows of shape {shape}, received {values.dtype} of shape "
            f"{values.shape}",
            hint="save the inputs as the network gets them, the rows first, channels last",
        )
    if len(values) < 2:
        raise RequestError(
            f"{path.name}: expected at least 2 rows, received {len(values)}",
            hint="one half decides the ranges, on the other the files are compared: some hundred "
            "rows are good",
        )
    values = values.astype(np.float32)
    finite = np.isfinite(values)
    if not finite.all():
        rows = np.flatnonzero(~finite.reshape(len(values), -1).all(axis=1))
        place = tuple(np.argwhere(~finite)[0].tolist())
        raise RequestError(
            f"{path.name}: expected finite values, received {values[place]} at {list(place)}"
            + (f", and more in {len(rows)} rows in all" if len(rows) > 1 else ""),
            hint="leave such rows out",
        )
    if labels is not None:
        labels = _labels(path, labels, len(values), outputs, several=several)
    return _divided(values, labels, digest=files.sha256(path))


def _labels(
    path: Path, labels: npt.NDArray[np.generic], rows: int, outputs: int, *, several: bool
) -> npt.NDArray[np.int64]:
    if labels.shape == (rows, outputs) and outputs > 1 and labels.dtype.kind in "biuf":
        holds: npt.NDArray[np.int64] = (labels != 0).astype(np.int64)
        if not np.isin(labels, (0, 1)).all() or not (several or (holds.sum(axis=1) == 1).all()):
            raise RequestError(
                f"{path.name}: expected 0 or 1 for each of {outputs} classes as `y`"
                + ("" if several else ", one 1 in each row"),
                hint="leave `y` out if the classes are not known",
            )
        return holds if several else np.flatnonzero(holds) % outputs
    labels = labels.reshape(-1)
    if labels.dtype.kind not in "biu" or len(labels) != rows:
        raise RequestError(
            f"{path.name}: expected the number of a class for each of {rows} rows as `y`, "
            f"received {labels.dtype} of shape {labels.shape}",
            hint="leave `y` out if the classes are not known",
        )
    numbers = labels.astype(np.int64)
    if numbers.min() < 0 or numbers.max() >= outputs:
        raise RequestError(
            f"{path.name}: expected classes of 0..{outputs - 1} as `y`, received "
            f"{numbers.min()}..{numbers.max()}",
            hint="leave `y` out if the classes are not known",
        )
    return numbers


def _divided(
    values: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64] | None,
    *,
    digest: str,
) -> ValueInputs:
    """Return every second row as those held back, not more than `MOST` of each."""
    first, second = (np.arange(start, len(values), 2) for start in (0, 1))
    first, second = (
        rows[np.linspace(0, len(rows) - 1, min(len(rows), MOST)).round().astype(np.int64)]
        for rows in (first, second)
    )
    low, high = float(values[first].min()), float(values[first].max())
    grid = activation_grid("input", min(low, 0.0), max(high, 2.0**-20))
    mean, std = float(grid.zero_point + 128), 1 / float(grid.scale)

    def codes(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        steps = np.rint(values[rows].astype(np.float64) * std + mean)
        return np.clip(steps, 0, 255).astype(np.uint8)

    return ValueInputs(
        calibration=codes(first),
        held_back=codes(second),
        labels=None if labels is None else labels[second],
        names=tuple(f"row {row}" for row in second.tolist()),
        scaling=(mean, std),
        digest=digest,
    )
