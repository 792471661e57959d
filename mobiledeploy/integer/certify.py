"""Prove that every layer of a graph is the same function in LiteRT and in ONNX Runtime.

Operators that are not `Certified` have no certificate; their modules say why. Convolutions and
dense layers need none: both runtimes use the same arithmetic. The softmax cannot have one:
TFLite's own kernels differ by one code between CPUs.

Not every range can be certified: `exact_ranges` widens a range slightly until both runtimes round
alike. TFLite also runs a layer whose scales differ too much in another kernel, which rounds
differently. Such a layer is dead or nearly constant (a channel that training switched off, a
residual branch that starts at zero), and a wider range costs it nothing.
"""

from typing import Final

import numpy as np

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.network.network import Network
from mobiledeploy.ops import table
from mobiledeploy.ops.architecture import Architecture, Layer
from mobiledeploy.ops.capabilities import Certified, SeveralForms
from mobiledeploy.ops.certificate import Certificate
from mobiledeploy.ops.grid import activation_grid
from mobiledeploy.ops.ranges import Interval, Ranges
from mobiledeploy.ops.tensors import QTensor, Shape

STEP: Final = 2.0**-14
MOST_STEPS: Final = 48
"""Most steps, of 0.006 % each and 0.3 % in all, by which a range is widened. One or two are
enough, except for a sum whose range is much narrower than its operands'."""

MOST_ROUNDS: Final = 64
"""Most times that ranges are widened together. Two rounds are enough unless tensors on one grid
have several sums among them."""


def certify(graph: IntegerGraph) -> dict[str, Certificate]:
    """Return a certificate for every operator that is `Certified`, by the name of its output.

    Raises:
        ConversionError: The runtimes do not compute a layer alike; the message names it.
    """
    tensors = graph.tensors()
    certificates = {}
    for node in graph.nodes:
        operator = table.of_node(node)
        if isinstance(operator, Certified):
            inputs = [tensors[name] for name in node.inputs]
            certificates[node.output.name] = operator.certify(node, inputs)
    return certificates


def exact_ranges(network: Network, ranges: Ranges) -> Ranges:
    """Widen ranges slightly until both runtimes round alike; return what `quantise` uses.

    Ranges of tensors that hardly vary are widened to what the kernels accept, and those of some
    additions, products and means by less than half a percent, so that every layer can be
    certified. Applied to its own result, the function changes nothing.

    Args:
        network: The network whose layers and kernels decide which ranges are exact.
        ranges: Ranges of `INPUT` and of every layer whose range is not fixed.

    Raises:
        ConversionError: A range is not finite or does not hold 0, or a layer cannot be
            certified; the message names it.
    """
    fixed = fixed_ranges(network.architecture)
    wide = _ranges_kernels_take(network, {**ranges, **fixed}, fixed)
    for _ in range(MOST_ROUNDS):
        exact = _certifiable_ranges(network.architecture, wide)
        # A sum that is joined with other tensors is on one grid with them, which it moves.
        wide = _ranges_kernels_take(network, exact, fixed)
        if wide == exact:
            return {name: interval for name, interval in exact.items() if name not in fixed}
    raise ConversionError(
        f"`{network.architecture.name}`: no ranges with which all layers can be certified, after "
        f"{MOST_ROUNDS} rounds",
        hint="calibrate with other images, which moves the scales",
    )


def fixed_ranges(architecture: Architecture) -> Ranges:
    """Return the ranges of layers whose operator fixes the output scale, such as a softmax."""
    ranges = {}
    for layer in architecture.layers:
        interval = layer.operator.FIXED_RANGE
        if interval is not None:
            ranges[layer.name] = interval
    return ranges


def _ranges_kernels_take(network: Network, ranges: Ranges, fixed: Ranges) -> Ranges:
    """Widen the ranges of tensors that hardly vary to what XNNPACK's kernels accept."""
    before, after = dict(ranges), _widen_once(network, ranges, fixed)
    # A wider sum may need wider operands in turn.
    while after != before:
        before, after = after, _widen_once(network, after, fixed)
    return after


def _widen_once(network: Network, ranges: Ranges, fixed: Ranges) -> dict[str, Interval]:
    result = dict(ranges)
    layers, shapes = network.architecture.layers, network.architecture.shapes()
    # From the end, because the operands that an addition widens may be additions themselves.
    for layer in reversed(layers):
        result |= layer.operator.operand_ranges(layer, result)
        result |= fixed
    for layer in layers:
        inputs = [shapes[name] for name in layer.inputs]
        weights = network.weights.get(layer.name)
        result[layer.name] = layer.operator.output_range(layer, result, inputs, weights)
        result |= fixed
    return result


def _certifiable_ranges(architecture: Architecture, ranges: Ranges) -> Ranges:
    """Return ranges, slightly widened, with which each `Certified` layer has a certificate.

    About one addition in thirty has two opposite sums that are exactly halfway between two codes.
    XNNPACK rounds both up, which no choice of ONNX scales can imitate; a slightly wider range
    avoids such sums.
    """
    result = dict(ranges)
    shapes = architecture.shapes()
    for layer in architecture.layers:
        if isinstance(layer.operator, Certified):
            inputs = [_tensor(name, shapes[name], result[name]) for name in layer.inputs]
            result[layer.name] = _certifiable(
                layer, inputs, shapes[layer.name], result[layer.name]
            )
    return result


def _certifiable(
    layer: Layer, inputs: list[QTensor], shape: Shape, interval: Interval
) -> Interval:
    for steps in range(MOST_STEPS + 1):
        wider = _widened(interval, steps)
        try:
            _certify(layer, inputs, shape, wider, fast=True)
        except ConversionError:
            continue
        return wider
    # Some operators have a form that needs no other range.
    _certify(layer, inputs, shape, interval, fast=False)
    return interval


def _widened(interval: Interval, steps: int) -> Interval:
    low, high = interval
    return low * (1 + steps * STEP), high * (1 + steps * STEP)


def _certify(
    layer: Layer, inputs: list[QTensor], shape: Shape, interval: Interval, *, fast: bool
) -> None:
    operator: object = layer.operator
    if not isinstance(operator, Certified):
        return
    output = _tensor(layer.name, shape, interval)
    node = layer.operator.quantise(layer, [], output, None)
    if fast and isinstance(operator, SeveralForms):
        operator.certify_fast(node, inputs)
    else:
        operator.certify(node, inputs)


def _tensor(name: str, shape: Shape, interval: Interval) -> QTensor:
    grid = activation_grid(name, *interval)
    return QTensor(
        name=name, shape=shape, scale=np.float32(grid.scale), zero_point=grid.zero_point
    )
