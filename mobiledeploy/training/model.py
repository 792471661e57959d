"""What the loop trains: variables, and how logits come from them."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from mobiledeploy.training.graph import Tensor


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Model:
    """Something that can be trained.

    Attributes:
        variables: The `tf.Variable`s that gradients change.
        statistics: Those that the forward pass itself changes: batch norm's moving averages.
        logits: From a batch of inputs to float32 logits, as computed while training.
    """

    variables: Sequence[Any]
    logits: Callable[[Tensor], Tensor]
    statistics: Sequence[Any] = ()

    @property
    def all_variables(self) -> tuple[Any, ...]:
        """What must be kept to have the model again."""
        return (*self.variables, *self.statistics)
