"""Early stopping: keep the weights with the lowest loss on held-back examples."""

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """When to score a model, and when to stop training it.

    Attributes:
        every: Steps between two scores; the last state is always scored, the first one if
            `from_start` is set.
        patience: Stop after this many consecutive scores that are worse than the best.
        losses: Returns the loss of each held-back example for the model's present weights.
            Losses decide, not top-1 accuracy, which changes in coarse steps on few examples.
        from_start: Whether the initial weights may be kept. False where the initial model gives
            the same answer for every image: on few held-back examples such a model can have the
            lowest loss by chance.
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
    """A model's loss on the held-back examples.

    Attributes:
        loss: Mean over the examples; lower is better.
        error: Standard error of the mean. With a few dozen examples, a single confident mistake
            can change the mean by more than an epoch of training does.
    """

    loss: float
    error: float

    @classmethod
    def of(cls, losses: npt.NDArray[np.float64]) -> "ValidationScore":
        """Return the score for losses of shape (examples,)."""
        return cls(loss=float(losses.mean()), error=float(losses.std() / np.sqrt(losses.size)))

    def as_good_as(self, best: "ValidationScore") -> bool:
        """Return whether the loss is below that of `best`, or above by at most its error."""
        return self.loss <= best.loss + best.error
