"""Defaults for the modules of operators without weights.

A module uses such a function as its own: `kernel_shape = without_weights.kernel_shape`.
"""

from collections.abc import Sequence

from mobiledeploy.base.errors import RequestError
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.file_form import ScaleRatio
from mobiledeploy.ops.operator import NO_WORK, Work
from mobiledeploy.ops.ranges import Interval, Ranges
from mobiledeploy.ops.tensors import Shape
from mobiledeploy.ops.weights import Weights


def kernel_shape(layer: Layer) -> Shape:
    """Return the empty shape: there is no kernel."""
    del layer
    return ()


def work(layer: Layer, inputs: Sequence[Shape]) -> Work:
    """Return a cost of 0: only multiplications with weights are counted."""
    del layer, inputs
    return NO_WORK


def operand_ranges(layer: Layer, ranges: Ranges) -> Ranges:
    """Leave the inputs' ranges as they are."""
    del layer, ranges
    return {}


def output_range(
    layer: Layer, ranges: Ranges, inputs: Sequence[Shape], weights: Weights | None
) -> Interval:
    """Leave the output's range as it is."""
    del inputs, weights
    return ranges[layer.name]


def range_of_the_input(
    layer: Layer, ranges: Ranges, inputs: Sequence[Shape], weights: Weights | None
) -> Interval:
    """Return the input's range, for an operator that writes codes as it reads them."""
    del inputs, weights
    return ranges[layer.inputs[0]]


def scale_ratios(inputs: Sequence[float], output: float) -> tuple[ScaleRatio, ...]:
    """Return no ratios: the kernel takes all scales."""
    del inputs, output
    return ()


def expect_inputs(layer: Layer, inputs: Sequence[Shape], count: int) -> None:
    """Check the number of a layer's inputs.

    Raises:
        RequestError: It has another number.
    """
    if len(inputs) != count:
        raise RequestError(
            f"layer `{layer.name}` ({layer.op}) expects {count} inputs, received {len(inputs)}"
        )


def expect_image(layer: Layer, inputs: Sequence[Shape]) -> None:
    """Check that a layer reads one image.

    Raises:
        RequestError: It reads something else.
    """
    if len(inputs) != 1 or len(inputs[0]) != 3:
        raise RequestError(
            f"layer `{layer.name}` ({layer.op}) expects an image, received {list(inputs)}"
        )
