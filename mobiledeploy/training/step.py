"""One training step as a TensorFlow graph: forward, backward, Adam.

Adam (arXiv:1412.6980) is one fused kernel per variable. A Keras optimiser adds some ten operations
per variable to the graph of a step; MobileNet V2 has 158 variables, and every operation costs
time to trace and to schedule.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.training import tensorflow_setup
from mobiledeploy.training.tensorflow_graph import TfTensor, traced

Examples: TypeAlias = npt.NDArray[Any]
Labels: TypeAlias = npt.NDArray[np.int64]
Prepare: TypeAlias = Callable[[TfTensor, TfTensor], TfTensor]
"""(batch of examples, step number) -> the model's input, inside the graph."""
Loss: TypeAlias = Callable[[TfTensor, TfTensor], TfTensor]
"""(labels, logits) -> one loss per example, inside the graph."""
StepFunction: TypeAlias = Callable[[Examples, Labels, int, float], float]
"""(batch, its labels, step number from 0, learning rate) -> the loss."""

BETA_1: Final = 0.9
BETA_2: Final = 0.999
EPSILON: Final = 1e-7


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainableModel:
    """A model as the training loop sees it: its variables, and how it computes logits.

    Attributes:
        variables: The `tf.Variable`s that gradients change.
        logits: From a batch of inputs to float32 logits, as computed in training.
        statistics: The `tf.Variable`s that the forward pass itself changes: moving averages.
    """

    variables: Sequence[Any]
    logits: Callable[[TfTensor], TfTensor]
    statistics: Sequence[Any] = ()

    @property
    def all_variables(self) -> tuple[Any, ...]:
        """All variables that define the state of the model."""
        return (*self.variables, *self.statistics)


class Adam:
    """The Adam optimiser: two moments for each variable.

    Attributes:
        variables: The `tf.Variable`s that it changes.
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
        """Apply one update to the variables, inside a graph.

        Args:
            gradients: One for each variable, summed over all replicas.
            rate: Learning rate, a float32 scalar.
            step: Number of steps before this one, a float32 scalar.
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


def build_step(
    model: TrainableModel,
    adam: Adam,
    examples: Examples,
    batch_size: int,
    *,
    prepare: Prepare,
    loss: Loss,
) -> StepFunction:
    """Return a function that makes one training step.

    The loss is the sum over the rows divided by `batch_size`, the size of the global batch: the
    losses, hence the gradients, of replicas with a part of the rows each add up to the whole.

    Args:
        model: Changed by every step.
        adam: Its optimiser.
        examples: The array that batches are taken from; only its shape and dtype are used.
        batch_size: Examples per step, over all replicas.
        prepare: From examples to inputs.
        loss: Returns one loss per example.
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
