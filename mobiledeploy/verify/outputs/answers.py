"""`read`: a file's outputs in steps of one grid, from outputs of any type and grid."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ParityError
from mobiledeploy.formats.model import ONE_IMAGE
from mobiledeploy.ops.softmax import SOFTMAX_SCALE, SOFTMAX_ZERO_POINT
from mobiledeploy.reading import Reading, StoredTensor
from mobiledeploy.runtimes import Array
from mobiledeploy.verify.outputs.parity import Answers, Outputs

SHOWN = 3
"""Most images that a message names."""


def require_finite(values: npt.NDArray[Any], *, who: str, names: Sequence[str] = ()) -> None:
    """Check that every value is a finite number.

    Args:
        values: Integers, or floats of shape (images, ...).
        who: File or runtime that gave them; the message starts with it.
        names: Names of the images; empty where they are not known.

    Raises:
        ParityError: Some are NaN or infinite; the message names `who` and the first images.
    """
    bad = rows_not_finite(values)
    if bad.any():
        raise ParityError(
            f"{who} gives {words_not_finite(values, names)}",
            hint="a weight or a scale in the file is NaN or infinite, or a sum overflows float32: "
            "`mobiledeploy inspect` shows the file's contents",
        )


def rows_not_finite(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return a mask of the images with a NaN or infinite value, shape (images,)."""
    if values.dtype.kind != "f":
        return np.zeros(len(values), np.bool_)
    bad: npt.NDArray[np.bool_] = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    return bad


def words_not_finite(values: npt.NDArray[Any], names: Sequence[str] = ()) -> str:
    """Return "NaN" or "infinite values", followed by the images that have them."""
    kind = "NaN" if np.isnan(values).any() else "infinite values"
    bad = np.flatnonzero(rows_not_finite(values))
    shown = ", ".join(f"`{names[row]}`" for row in bad[:SHOWN]) if names else ""
    more = f" and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
    return (
        f"{kind} for {shown}{more}" if shown else f"{kind} for {len(bad)} of {len(values)} images"
    )


MOST_STEPS: Final = float(np.finfo(np.float32).max) / 4
"""Most steps from 0 that a value may be: differences of such values still fit float32."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OutputGrid:
    """An int8 grid: a real value is `(code - zero_point) * scale`."""

    scale: float
    zero_point: int


SCORES: OutputGrid = OutputGrid(scale=float(SOFTMAX_SCALE), zero_point=SOFTMAX_ZERO_POINT)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FileOutputs:
    """A file's outputs, as far as `read` needs to know them.

    Attributes:
        taps: Names of the inner tensors to be tapped: the logits, where scores follow.
        logits: Grid of the logits; None where they are floats, or `unstated`.
        scores: Grid of the scores; None where they are floats.
        softmax: Whether the file ends in scores: a softmax, or a sigmoid.
        called: What makes the scores, for people.
        unstated: Whether the logits are codes of which the file does not state the grid.
    """

    taps: tuple[str, ...]
    logits: OutputGrid | None
    scores: OutputGrid | None
    softmax: bool
    called: str = "softmax"
    unstated: bool = False

    @classmethod
    def of(cls, reading: Reading, *, file: str) -> "FileOutputs":
        """Return the outputs of a file that was read into layers.

        Raises:
            ParityError: The file has no layers.
        """
        logits = reading.logits
        if logits is None:
            raise ParityError(
                f"the output of {file} is its input: it is not a classifier", hint=ONE_IMAGE
            )
        last = reading.layers[reading.output_of]
        return cls(
            taps=(logits.name,) if reading.scores else (),
            logits=_grid(logits.output),
            scores=_grid(last.output) if reading.scores else None,
            softmax=bool(reading.scores),
            called=reading.scores,
            unstated=logits.output.unstated,
        )


def read(outputs: Sequence[Array], ends: FileOutputs, ruler: OutputGrid, *, who: str) -> Answers:
    """Return a batch's logits and scores in steps.

    Args:
        outputs: The file's own output first, tapped logits last.
        ends: The file's outputs and their grids.
        ruler: The grid in whose steps logits are given; scores are given in steps of 1/256.
        who: File and runtime, for messages.

    Raises:
        ParityError: The outputs are not vectors of finite numbers.
    """
    codes = outputs[-1].dtype != np.float32
    # Codes of a grid that the file leaves to the app have to equal the other file's.
    grid = ruler if ends.unstated and codes else ends.logits
    logits = _codes(outputs[-1], grid, ruler, who)
    scores = _codes(outputs[0], ends.scores, SCORES, who) if ends.softmax else None
    return Answers(logits=logits, scores=scores, zero=ruler.zero_point)


def _codes(array: Array, grid: OutputGrid | None, ruler: OutputGrid, who: str) -> Outputs:
    rows = array.reshape(len(array), -1)
    require_finite(rows, who=who)
    if grid is None:
        if rows.dtype != np.float32:
            raise ParityError(
                f"{who} gives {rows.dtype} codes without a scale",
                hint="without one they cannot be compared: write the file again with the program "
                "that made it",
            )
        return in_steps(rows, ruler, who=who)
    if rows.dtype == np.float32:
        # A float output is a code times a float32 scale: dividing gives the code back exactly.
        codes = np.rint(rows.astype(np.float64) / grid.scale) + grid.zero_point
        rows = np.clip(codes, -(2**14), 2**14)
    steps = rows.astype(np.int16) - np.int16(128 if array.dtype == np.uint8 else 0)
    if grid.scale == ruler.scale:
        return steps + np.int16(ruler.zero_point - grid.zero_point)
    real = (steps - np.int16(grid.zero_point)).astype(np.float64) * grid.scale
    return in_steps(real, ruler, who=who)


def in_steps(real: Array, ruler: OutputGrid, *, who: str) -> Outputs:
    """Return real values in steps of a grid, float32, not rounded.

    Args:
        real: Float32 or float64, finite.
        ruler: The grid.
        who: File and runtime that gave them, for messages.

    Raises:
        ParityError: Some are more steps from 0 than float32 can count.
    """
    kind = real.dtype.type
    with np.errstate(over="ignore"):
        steps: Outputs = (real / kind(ruler.scale) + kind(ruler.zero_point)).astype(np.float32)
    if not (np.abs(steps) <= MOST_STEPS).all():
        raise ParityError(
            f"{who} gives values of up to {float(np.abs(real).max()):.3g}, which steps of "
            f"{ruler.scale:.3g} cannot count",
            hint="the scale of the first file's logits is far too small for the second file: they "
            "are not the same classifier, or the scale is damaged",
        )
    return steps


def _grid(tensor: StoredTensor) -> OutputGrid | None:
    if tensor.scale is None or tensor.zero_point is None:
        return None
    return OutputGrid(scale=float(tensor.scale), zero_point=tensor.zero_point)
