"""One step of training as a graph."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any
from mobiledeploy.training.tensorflow_graph import TfTensor
from collections.abc import Sequence
from typing import Any, Final
from mobiledeploy.training import tensorflow_setup
from collections.abc import Callable
from typing import Any, TypeAlias
import numpy as np
import numpy.typing as npt
from mobiledeploy.training.tensorflow_graph import traced

@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainableModel:
    """Something that can be trained.

    Attributes:
        variables: The `tf.Variable`s that gradients change.
        statistics: Those that the forward pass itself changes: batch norm's moving averages.
        logits: From a batch of inputs to float32 logits, as computed while training.
    """

    variables: Sequence[Any]
    logits: Callable[[TfTensor], TfTensor]
    statistics: Sequence[Any] = ()

    @property
    def all_variables(self) -> tuple[Any, ...]:
        """What must be kept to have the model again."""
        return (*self.variables, *self.statistics)


BETA_1: Final = 0.9
BETA_2: Final = 0.999
EPSILON: Final = 1e-7


class Adam:
    """The optimiser's state: two moments for each variable.

    Attributes:
        variables: What is optimised, `tf.Variable`s.
        moments: First moments, then second moments, each in the order of `variables`.
    """

    def __init__(self, variables: Sequence[Any]) -> None:
        tf = tensorflow_setup.tensorflow()
        self.variables = tuple(variables)
        self.moments = tuple(
            tf.Variable(tf.zeros_like(variable), trainable=False)
            for _ in range(2)
            for variable in self.variables
        )

    def apply(self, gradients: Sequence[Any], *, rate: Any, step: Any) -> None:
        """Change the variables, inside a graph.

        Args:
            gradients: One for each variable, summed over all replicas.
            rate: Learning rate, a float32 scalar.
            step: How many steps were made before this one, a float32 scalar.
        """
        tf = tensorflow_setup.tensorflow()
        beta_1_power, beta_2_power = BETA_1 ** (step + 1), BETA_2 ** (step + 1)
        first, second = self.moments[: len(self.variables)], self.moments[len(self.variables) :]
        for variable, m, v, gradient in zip(self.variables, first, second, gradients, strict=True):
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=m.handle,
                v=v.handle,
                beta1_power=beta_1_power,
                beta2_power=beta_2_power,
                lr=rate,
                beta1=BETA_1,
                beta2=BETA_2,
                epsilon=EPSILON,
                grad=gradient,
            )


Examples: TypeAlias = npt.NDArray[Any]
Labels: TypeAlias = npt.NDArray[np.int64]
Prepare: TypeAlias = Callable[[TfTensor, TfTensor], TfTensor]
"""From a batch of examples and the step's number to the model's input, inside the graph."""
Loss: TypeAlias = Callable[[TfTensor, TfTensor], TfTensor]
"""From labels and logits to one loss an example, inside the graph."""
StepFunction: TypeAlias = Callable[[Examples, Labels, int, float], float]
"""From a batch, its labels, the step's number (from 0) and the learning rate to the loss."""


def build_step(
    model: TrainableModel,
    adam: Adam,
    examples: Examples,
    batch_size: int,
    *,
    prepare: Prepare,
    loss: Loss,
) -> StepFunction:
    """Return a function that makes one step.

    The loss is the sum over the batch divided by `batch_size`, the global batch: a replica that
    sees a part of it has a part of the loss, and gradients add up.

    Args:
        model: Changed by every step.
        adam: Its optimiser.
        examples: What batches are taken from; its shape and type are what counts.
        batch_size: Examples a step.
        prepare: From examples to inputs.
        loss: One loss an example.
    """
    tf = tensorflow_setup.tensorflow()
    variables = list(model.variables)

    def step(rows: TfTensor, labels: TfTensor, number: TfTensor, rate: TfTensor) -> TfTensor:
        inputs = prepare(rows, number)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            total = tf.reduce_sum(loss(labels, model.logits(inputs))) / batch_size
        gradients = tape.gradient(total, variables)
        adam.apply(gradients, rate=rate, step=tf.cast(number, tf.float32))
        return total

    compiled = traced(
        step,
        tf.TensorSpec((batch_size, *examples.shape[1:]), tf.as_dtype(examples.dtype)),
        tf.TensorSpec((batch_size,), tf.int64),
        tf.TensorSpec((), tf.int32),
        tf.TensorSpec((), tf.float32),
    )

    def run(rows: Examples, labels: Labels, number: int, rate: float) -> float:
        return float(compiled(rows, labels, np.int32(number), np.float32(rate)).numpy())

    return run
