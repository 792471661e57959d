"""Keep the latest weights that validate as well as any, and stop when none do any more."""

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """When to score, and when to stop.

    Attributes:
        every: Steps between two scores; the first state and the last are scored in any case.
        patience: Stop after so many scores in a row that were worse than the best.
        losses: Gives the loss of each held-back example with the model as it is now. Losses
            decide rather than top-1, which moves in coarse steps on few examples.
        from_start: Whether the model as it came may be what is kept. Not where it gives the same
            answer to everything: of a few held-back examples that could be the least wrong one.
    """

    every: int
    patience: int
    losses: Callable[[], npt.NDArray[np.float64]]
    from_start: bool = True

    def due(self, done: int, steps: int) -> bool:
        """Return whether to score after `done` of `steps` steps."""
        return done % self.every == 0 or done == steps


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ValidationScore:
    """How well a model validates.

    Attributes:
        loss: Mean loss of the held-back examples; lower is better.
        error: Standard error of the mean: a few dozen examples leave it uncertain, and a single
            one that is confidently wrong can move it by more than an epoch of training does.
    """

    loss: float
    error: float

    @classmethod
    def of(cls, losses: npt.NDArray[np.float64]) -> "Score":
        """Return the score of examples' losses, shape (examples,)."""
        return cls(loss=float(losses.mean()), error=float(losses.std() / np.sqrt(losses.size)))

    def as_good_as(self, best: "Score") -> bool:
        """Return whether this is better than `best`, or worse by no more than its error."""
        return self.loss <= best.loss + best.error
