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
