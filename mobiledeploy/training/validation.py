"""Keep the weights that validate best, and stop when more training no longer helps."""

import dataclasses
from collections.abc import Callable


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """When to score, and when to stop.

    Attributes:
        every: Steps between two scores; the first state and the last are scored in any case.
        patience: Stop after so many scores in a row that were not better than the best.
        loss: Mean loss of held-back examples with the model as it is now; lower is better. It
            decides rather than top-1, which moves in coarse steps on few examples.
    """

    every: int
    patience: int
    loss: Callable[[], float]

    def due(self, done: int, steps: int) -> bool:
        """Return whether to score after `done` of `steps` steps."""
        return done % self.every == 0 or done == steps
