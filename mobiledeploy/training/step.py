"""One step of training as a graph."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.training import session
from mobiledeploy.training.adam import Adam
from mobiledeploy.training.graph import Tensor, traced
from mobiledeploy.training.model import Model

Examples: TypeAlias = npt.NDArray[Any]
Labels: TypeAlias = npt.NDArray[np.int64]
Prepare: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""From a batch of examples and the step's number to the model's input, inside the graph."""
Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""From labels and logits to one loss an example, inside the graph."""
Step: TypeAlias = Callable[[Examples, Labels, int, float], float]
"""From a batch, its labels, the step's number (from 0) and the learning rate to the loss."""


def build(
    model: Model,
    adam: Adam,
    examples: Examples,
    batch_size: int,
    *,
    prepare: Prepare,
    loss: Loss,
) -> Step:
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
    tf = session.tensorflow()
    variables = list(model.variables)

    def step(rows: Tensor, labels: Tensor, number: Tensor, rate: Tensor) -> Tensor:
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
