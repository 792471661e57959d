"""Adam (arXiv:1412.6980) as one fused kernel a variable.

A Keras optimiser adds some ten operations a variable to the graph of a step; MobileNet V2 has
158 variables, and every operation costs time to trace and to schedule.
"""

from collections.abc import Sequence
from typing import Any, Final

from mobiledeploy.training import session

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
        tf = session.tensorflow()
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
        tf = session.tensorflow()
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
