"""What operators share that write codes which they read, all on one grid."""

from collections.abc import Sequence

from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.ranges import Interval, Ranges
from mobiledeploy.ops.tensors import QTensor, Shape, expect
from mobiledeploy.ops.weights import Weights


def expect_one_grid(output: QTensor, inputs: Sequence[QTensor]) -> None:
    """Check that all inputs are on the output's grid.

    Raises:
        ConversionError: One is on another.
    """
    for source in inputs:
        expect(output.name, f"scale of `{source.name}`", source.scale, output.scale)
        expect(output.name, f"zero point of `{source.name}`", source.zero_point, output.zero_point)


def operand_ranges(layer: Layer, ranges: Ranges) -> Ranges:
    """Return for every input the range that holds those of all inputs and of the output."""
    every = [ranges[name] for name in (*layer.inputs, layer.name)]
    hull = min(low for low, _ in every), max(high for _, high in every)
    return dict.fromkeys(layer.inputs, hull)


def output_range(
    layer: Layer, ranges: Ranges, inputs: Sequence[Shape], weights: Weights | None
) -> Interval:
    """Return the range of the inputs, which `operand_ranges` made one."""
    del inputs, weights
    return ranges[layer.inputs[0]]
