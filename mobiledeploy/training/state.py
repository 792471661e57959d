"""All that a training step reads and changes: what a checkpoint holds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mobiledeploy.training.adam import Adam
from mobiledeploy.training.checkpoint import Arrays
from mobiledeploy.training.model import Model

Array = npt.NDArray[Any]


class State:
    """A run in progress.

    Attributes:
        model: What is trained.
        adam: Its optimiser.
        done: Steps made.
        losses: float32, the loss of each step; NaN for those to come.
        validation_losses: float32, the loss on held-back examples after 0, 1, 2 ... steps; NaN
            where it was not asked for.
    """

    def __init__(self, model: Model, steps: int) -> None:
        self.model = model
        self.adam = Adam(model.variables)
        self.done = 0
        self.losses = np.full(steps, np.nan, np.float32)
        self.validation_losses = np.full(steps + 1, np.nan, np.float32)
        self._best: list[Array] = _values(model.all_variables)

    def note(self, validation_loss: float) -> None:
        """Take note of how the model validates after the steps made so far."""
        self.validation_losses[self.done] = validation_loss
        if self.best_step == self.done:
            self._best = _values(self.model.all_variables)

    @property
    def best_step(self) -> int:
        """After how many steps the model validated best, the first of equals; 0 if never asked."""
        if np.isnan(self.validation_losses).all():
            return 0
        return int(np.nanargmin(self.validation_losses))

    @property
    def stale(self) -> int:
        """How many validation losses came after the best one."""
        return int(np.isfinite(self.validation_losses[self.best_step + 1 :]).sum())

    def take_best(self) -> None:
        """Give the model the weights that validated best."""
        _assign(self.model.all_variables, self._best)

    def arrays(self) -> Arrays:
        """Return everything by name."""
        return {
            "done": np.array(self.done),
            "losses": self.losses,
            "validation_losses": self.validation_losses,
            **{f"variable_{i}": value for i, value in enumerate(_values(self._variables))},
            **{f"best_{i}": value for i, value in enumerate(self._best)},
        }

    def set_arrays(self, arrays: Arrays) -> None:
        """Take over what `arrays` of such a state returned."""
        self.done = int(arrays["done"])
        self.losses = arrays["losses"]
        self.validation_losses = arrays["validation_losses"]
        _assign(self._variables, [arrays[f"variable_{i}"] for i in range(len(self._variables))])
        self._best = [arrays[f"best_{i}"] for i in range(len(self._best))]

    @property
    def _variables(self) -> tuple[Any, ...]:
        return (*self.model.all_variables, *self.adam.moments)


def _values(variables: Sequence[Any]) -> list[Array]:
    return [variable.numpy() for variable in variables]


def _assign(variables: Sequence[Any], values: Sequence[Array]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
