"""From a TFLite operator to the graph's node that is the same function, or to a refusal."""

from mobiledeploy.integer.tflite_file import TfliteOperator
from mobiledeploy.ops import table
from mobiledeploy.ops.operator import Node
from mobiledeploy.ops.tflite import Scope, refusal


def read_node(operator: TfliteOperator, scope: Scope) -> Node | None:
    """Return an operator's node, or None for one that only changes a shape.

    Raises:
        ConversionError: No node is the same function.
    """
    if operator.name == "RESHAPE":
        _reshape(operator, scope)
        return None
    if operator.name not in table.tflite_names():
        raise refusal(operator, "expected it at the input or output only")
    return table.of_tflite(operator.name).read_tflite(operator, scope)


def _reshape(operator: TfliteOperator, scope: Scope) -> None:
    source, target = operator.inputs[:1], operator.outputs
    if len(source) != 1 or len(target) != 1 or min(source + target) < 0:
        raise refusal(operator, "expected an input and an output")
    read, shape = scope.read(source[0], operator), scope.tensors[target[0]].shape
    if len(read.shape) != 1 or shape != (1, *read.shape):
        raise refusal(operator, f"expected a vector to become (1, channels), received {shape}")
    scope.rename(target[0], read)
