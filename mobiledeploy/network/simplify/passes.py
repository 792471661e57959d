"""Run the passes that simplify an imported graph, in their order."""

import dataclasses
from collections.abc import Callable
from typing import Final, TypeAlias

from mobiledeploy.network.float_graph import FloatGraph
from mobiledeploy.network.simplify.activations import fuse_activations
from mobiledeploy.network.simplify.affine import fold_affine
from mobiledeploy.network.simplify.clips import merge_clips
from mobiledeploy.network.simplify.constant_operands import fold_constant_operands
from mobiledeploy.network.simplify.global_pools import recognise_global_pools
from mobiledeploy.network.simplify.hard_activations import recognise_hard_activations
from mobiledeploy.network.simplify.input_scaling import (
    PIXELS,
    ScaledGraph,
    take_input_scaling,
)
from mobiledeploy.network.simplify.other_activations import write_other_activations
from mobiledeploy.network.simplify.pads import fold_pads
from mobiledeploy.network.simplify.reshapes import remove_reshapes
from mobiledeploy.network.simplify.unused import remove_unused

Pass: TypeAlias = Callable[[FloatGraph], FloatGraph]

BEFORE_SCALING: Final[tuple[Pass, ...]] = (
    remove_unused,
    fold_constant_operands,
    remove_unused,  # the constants
    merge_clips,
    recognise_hard_activations,  # before factors are folded away
    recognise_global_pools,
    remove_reshapes,
    fold_pads,  # before an affine is kept from a convolution by padding that is not its own
)
"""Passes before the scaling of pixels is taken from the graph; one runs twice."""
AFTER_SCALING: Final[tuple[Pass, ...]] = (
    write_other_activations,  # with factors that are folded
    fold_affine,
    fuse_activations,
)
"""Passes after that, which would fold the scaling into the first layer."""
PASSES: Final = BEFORE_SCALING + AFTER_SCALING


def simplify(graph: FloatGraph, *, pixels: bool = False) -> ScaledGraph:
    """Return a graph that computes the same within float rounding, with fewer kinds of nodes.

    Args:
        graph: The graph.
        pixels: Whether its input are 8-bit pixels, so that their scaling is taken from it.

    Raises:
        ConversionError: The graph does not fit together, or holds an unsupported node.
    """
    graph = _run(BEFORE_SCALING, graph)
    scaled = take_input_scaling(graph) if pixels else ScaledGraph(graph=graph, scaling=PIXELS)
    return dataclasses.replace(scaled, graph=_run(AFTER_SCALING, scaled.graph))


def _run(passes: tuple[Pass, ...], graph: FloatGraph) -> FloatGraph:
    shape = graph.shapes()[graph.output]
    for simplified in passes:
        graph = simplified(graph)
        received = graph.shapes()[graph.output]
        if received != shape:
            raise AssertionError(f"{simplified.__name__} gives {received} instead of {shape}")
    return graph
