"""All that a training step reads and changes: what a checkpoint holds."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mobiledeploy.training.adam import Adam
from mobiledeploy.training.checkpoint import Arrays
from mobiledeploy.training.model import Model
from mobiledeploy.training.validation import Score

Array = npt.NDArray[Any]


class State:
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

    def __init__(self, model: Model, steps: int, *, validated: bool) -> None:
        self.model = model
        self.adam = Adam(model.variables)
        self.done = 0
        self.losses = np.full(steps, np.nan, np.float32)
        self.best: Score | None = None
        self.kept = 0
        self.stale = 0
        self._kept: list[Array] = _values(model.all_variables) if validated else []

    def note(self, score: Score) -> None:
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
        self.best = None if math.isnan(loss) else Score(loss=loss, error=error)
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
