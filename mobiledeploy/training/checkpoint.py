"""Checkpoints: the state of a training run, saved so that an interrupted run can resume.

A resumed run ends with the same bits as an uninterrupted one: the state holds all that a step
reads, everything else is a pure function of (seed, step). A checkpoint is written whole or not at
all, and only a run with the same key resumes from it.
"""

import dataclasses
import hashlib
import io
import math
import time
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.files import write_atomic
from mobiledeploy.data.pixels import Images
from mobiledeploy.network.network import Network
from mobiledeploy.training.early_stopping import ValidationScore
from mobiledeploy.training.step import Adam, TrainableModel

Arrays = Mapping[str, npt.NDArray[Any]]

SECONDS: Final = 10.0
"""Time between two saves: the most work that is lost when a run is killed."""

_KEY: Final = "key"


@dataclasses.dataclass(slots=True, kw_only=True)
class Checkpoint:
    """The file in which a run saves its state.

    Attributes:
        path: An `.npz` file.
        key: Digest of all that the run depends on: data, architecture, settings. A file with
            another key belongs to another run and is not restored.
        seconds: Least time between two saves.
    """

    path: Path
    key: str
    seconds: float = SECONDS
    _last: float = dataclasses.field(default_factory=time.monotonic, init=False, repr=False)

    def due(self) -> bool:
        """Return whether it is time to save again."""
        return time.monotonic() - self._last >= self.seconds

    def save(self, arrays: Arrays) -> None:
        """Replace the saved state.

        Raises:
            StorageError: The disk is full, or the place cannot be written.
        """
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **{_KEY: np.array(self.key)}, **arrays)
        write_atomic(self.path, buffer.getvalue())
        self._last = time.monotonic()

    def restore(self, like: Arrays) -> dict[str, npt.NDArray[Any]] | None:
        """Return the saved state, or None where there is none of this run.

        Args:
            like: Arrays with the names, shapes and dtypes that the run expects.
        """
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                if _KEY not in archive or str(archive[_KEY]) != self.key:
                    return None
                saved = {name: archive[name] for name in archive.files if name != _KEY}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile):
            return None
        if saved.keys() != like.keys():
            return None
        if any(
            saved[name].shape != array.shape or saved[name].dtype != array.dtype
            for name, array in like.items()
        ):
            return None
        return saved


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoints:
    """The checkpoints of a stage, one for each run of the training loop.

    Attributes:
        folder: Where the files are.
        seconds: Least time between two saves.
    """

    folder: Path
    seconds: float = SECONDS

    def of(self, run: str, *inputs: object) -> Checkpoint:
        """Return the checkpoint of a run.

        Args:
            run: Name of the run, unique in this folder.
            inputs: All that the result depends on: images, networks, arrays, and values whose
                `repr` is complete.
        """
        digest = hashlib.sha256()
        for value in inputs:
            _feed(digest, value)
        return Checkpoint(
            path=self.folder / f"{run}.npz", key=digest.hexdigest(), seconds=self.seconds
        )


def _feed(digest: "hashlib._Hash", value: object) -> None:
    match value:
        case Images():
            _feed(digest, value.labels)
            for start in range(0, len(value.pixels), 256):  # the pixels may not fit into memory
                _feed(digest, value.pixels[start : start + 256])
        case Network():
            _feed(digest, value.architecture)
            _feed(digest, value.weights_per)
            for weights in value.weights.values():
                _feed(digest, weights.kernel)
                _feed(digest, weights.bias)
        case np.ndarray():
            digest.update(np.ascontiguousarray(value).data)
        case _:
            digest.update(repr(value).encode())


class TrainingState:
    """All that a training step reads and changes.

    Attributes:
        model: What is trained.
        adam: Its optimiser.
        done: Number of steps made.
        losses: float32, shape (steps,): the loss of each step; NaN for the steps to come.
        best: The best validation score so far, or None.
        kept: Number of steps after which the kept weights were the model's.
        stale: Number of validation scores since then.
    """

    def __init__(self, model: TrainableModel, steps: int, *, validated: bool) -> None:
        self.model = model
        self.adam = Adam(model.variables)
        self.done = 0
        self.losses = np.full(steps, np.nan, np.float32)
        self.best: ValidationScore | None = None
        self.kept = 0
        self.stale = 0
        self._kept: list[npt.NDArray[Any]] = _values(model.all_variables) if validated else []

    def record(self, score: ValidationScore) -> None:
        """Record a validation score, and keep the present weights if it is as good as the best.

        Scores may differ by chance: of those as good as the best, the latest weights are kept,
        since they were trained longest.
        """
        if self.best is None or score.loss < self.best.loss:
            self.best = score
        if score.as_good_as(self.best):
            self.kept, self.stale = self.done, 0
            self._kept = _values(self.model.all_variables)
        else:
            self.stale += 1

    def take_kept(self) -> None:
        """Set the model's weights to those that were kept."""
        _assign(self.model.all_variables, self._kept)

    def arrays(self) -> Arrays:
        """Return the state as arrays by name."""
        return {
            "done": np.array(self.done),
            "losses": self.losses,
            "validation": np.array(
                [math.nan, math.nan] if self.best is None else [self.best.loss, self.best.error]
            ),
            "kept": np.array([self.kept, self.stale]),
            **{f"variable_{i}": value for i, value in enumerate(_values(self._variables))},
            **{f"kept_{i}": value for i, value in enumerate(self._kept)},
        }

    def set_arrays(self, arrays: Arrays) -> None:
        """Set the state to what `arrays` returned."""
        self.done = int(arrays["done"])
        self.losses = arrays["losses"]
        loss, error = arrays["validation"].tolist()
        self.best = None if math.isnan(loss) else ValidationScore(loss=loss, error=error)
        self.kept, self.stale = arrays["kept"].tolist()
        _assign(self._variables, [arrays[f"variable_{i}"] for i in range(len(self._variables))])
        self._kept = [arrays[f"kept_{i}"] for i in range(len(self._kept))]

    @property
    def _variables(self) -> tuple[Any, ...]:
        return (*self.model.all_variables, *self.adam.moments)


def _values(variables: Sequence[Any]) -> list[npt.NDArray[Any]]:
    return [variable.numpy() for variable in variables]


def _assign(variables: Sequence[Any], values: Sequence[npt.NDArray[Any]]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
