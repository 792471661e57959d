"""A training run's state on disk: whole or absent, and only for the run that wrote it.

A run that was killed goes on from here and ends with the same bits as an undisturbed one: the
state holds all that a step reads, and the rest is a pure function of (seed, step).
"""

import dataclasses
import hashlib
import io
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
import numpy as np
import numpy.typing as npt
from mobiledeploy.base.files import write_atomic
from mobiledeploy.data.pixels import Images
from mobiledeploy.network.network import Network
import math
from collections.abc import Sequence
from typing import Any
from mobiledeploy.training.step import Adam
from mobiledeploy.training.checkpoint import Arrays
from mobiledeploy.training.step import TrainableModel
from mobiledeploy.training.early_stopping import ValidationScore

Arrays = Mapping[str, npt.NDArray[Any]]

SECONDS: Final = 10.0
"""How much work a kill may cost."""

_KEY: Final = "key"


@dataclasses.dataclass(slots=True, kw_only=True)
class Checkpoint:
    """Where and how often a run saves its state.

    Attributes:
        path: An `.npz` file.
        key: Digest of all that the run depends on: data, architecture, settings. State under
            another key is another run's and is not restored.
        seconds: At least so long between two saves.
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
        """Return the saved state, or None where there is none that this run can go on from.

        Args:
            like: Arrays of the names, shapes and dtypes that the run expects.
        """
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                if _KEY not in archive or str(archive[_KEY]) != self.key:
                    return None
                found = {name: archive[name] for name in archive.files if name != _KEY}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile):
            return None
        if found.keys() != like.keys():
            return None
        if any(
            found[name].shape != array.shape or found[name].dtype != array.dtype
            for name, array in like.items()
        ):
            return None
        return found


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoints:
    """A stage's checkpoints: one for each run of the training loop.

    Attributes:
        folder: Where they are kept.
        seconds: At least so long between two saves.
    """

    folder: Path
    seconds: float = SECONDS

    def of(self, run: str, *inputs: object) -> Checkpoint:
        """Return the checkpoint of a run.

        Args:
            run: Name of the run in this folder.
            inputs: All that decides the result: images, networks, and values whose `repr` says
                what they are.
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
            for start in range(0, len(value.pixels), 256):  # the file may be larger than memory
                _feed(digest, value.pixels[start : start + 256])
        case Network():
            _feed(digest, value.architecture)
            for weights in value.weights.values():
                _feed(digest, weights.kernel)
                _feed(digest, weights.bias)
        case np.ndarray():
            digest.update(np.ascontiguousarray(value).data)
        case _:
            digest.update(repr(value).encode())


Array = npt.NDArray[Any]


class TrainingState:
    """A run in progress.

    Attributes:
        model: What is trained.
        adam: Its optimiser.
        done: Steps made.
        losses: float32, the loss of each step; NaN for those to come.
        best: The best validation score so far, or None.
        kept: After how many steps the model was last as good as the best.
        stale: How many scores have come since.
    """

    def __init__(self, model: TrainableModel, steps: int, *, validated: bool) -> None:
        self.model = model
        self.adam = Adam(model.variables)
        self.done = 0
        self.losses = np.full(steps, np.nan, np.float32)
        self.best: ValidationScore | None = None
        self.kept = 0
        self.stale = 0
        self._kept: list[Array] = _values(model.all_variables) if validated else []

    def note(self, score: ValidationScore) -> None:
        """Take note of how the model validates after the steps made so far.

        Among scores that differ by chance the latest is kept: it has seen the most.
        """
        if self.best is None or score.loss < self.best.loss:
            self.best = score
        if score.as_good_as(self.best):
            self.kept, self.stale = self.done, 0
            self._kept = _values(self.model.all_variables)
        else:
            self.stale += 1

    def take_kept(self) -> None:
        """Give the model the weights that were kept."""
        _assign(self.model.all_variables, self._kept)

    def arrays(self) -> Arrays:
        """Return everything by name."""
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
        """Take over what `arrays` of such a state returned."""
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


def _values(variables: Sequence[Any]) -> list[Array]:
    return [variable.numpy() for variable in variables]


def _assign(variables: Sequence[Any], values: Sequence[Array]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
