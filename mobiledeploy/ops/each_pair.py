"""What operators share that compute each output code from a pair of codes.

There are 65,536 pairs, so all are tried.
"""

import functools
import math
from collections.abc import Sequence

import numpy as np

from mobiledeploy.base.errors import RequestError
from mobiledeploy.ops import without_weights
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.capabilities import Cases
from mobiledeploy.ops.certificate import all_codes
from mobiledeploy.ops.node import Node
from mobiledeploy.ops.tensors import QMAX, QMIN, Codes, Int8, QTensor, Shape


def output_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """Return the shape that both inputs have; see `operator.Operator.output_shape`."""
    without_weights.expect_inputs(layer, inputs, 2)
    if inputs[0] != inputs[1]:
        raise RequestError(
            f"layer `{layer.name}` ({layer.op}) expects two inputs of one shape, received "
            f"{inputs[0]} and {inputs[1]}"
        )
    return inputs[0]


def all_cases(node: Node, inputs: Sequence[QTensor]) -> Cases:
    """Return all pairs of codes."""
    del node, inputs
    return all_pairs()


def cases_of(node: Node, inputs: Sequence[QTensor], codes: Sequence[Int8]) -> Cases:
    """Return the pairs of codes of two tensors, shaped like the output."""
    del node, inputs
    left, right = np.broadcast_arrays(*(each.astype(np.int64) for each in codes))
    return left, right


@functools.cache
def all_pairs() -> tuple[Codes, Codes]:
    """Return all pairs of codes: the first of each, and the second."""
    codes = all_codes()
    return np.repeat(codes, codes.size), np.tile(codes, codes.size)


def pairs_of_shapes(shapes: Sequence[Shape]) -> tuple[Int8, Int8]:
    """Return two batches that hold every pair of codes, at one place or at several.

    Args:
        shapes: Shapes of both operands: the same, or one of them 1x1xC.
    """
    codes = np.arange(QMIN, QMAX + 1, dtype=np.int8)
    first, second = np.repeat(codes, codes.size), np.tile(codes, codes.size)
    sizes = [math.prod(shape) for shape in shapes]
    if sizes[0] == sizes[1]:
        images = -(-first.size // sizes[0])
        return np.resize(first, (images, *shapes[0])), np.resize(second, (images, *shapes[1]))
    smaller = int(sizes[1] < sizes[0])
    height, width, channels = shapes[1 - smaller]
    # Each channel of an image has one factor, which meets all codes within some images.
    rounds, turns = -(-codes.size // (height * width)), -(-codes.size // channels)
    factors = np.resize(codes, (turns, channels)).repeat(rounds, axis=0)
    places = np.resize(codes, (rounds, height * width))
    full = np.tile(places.reshape(rounds, height, width, 1), (turns, 1, 1, channels))
    batches = full, factors.reshape(-1, 1, 1, channels)
    return batches if smaller else batches[::-1]
