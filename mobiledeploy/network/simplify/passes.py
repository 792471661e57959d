"""Run the passes that simplify an imported graph, in their order."""

from collections.abc import Callable
from typing import Final

from mobiledeploy.network.float_graph import FloatGraph
from mobiledeploy.network.simplify.activations import fuse_activations
from mobiledeploy.network.simplify.affine import fold_affine
from mobiledeploy.network.simplify.clips import merge_clips
from mobiledeploy.network.simplify.constant_operands import fold_constant_operands
from mobiledeploy.network.simplify.global_pools import recognise_global_pools
from mobiledeploy.network.simplify.hard_activations import recognise_hard_activations
from mobiledeploy.network.simplify.pads import fold_pads
from mobiledeploy.network.simplify.reshapes import remove_reshapes
from mobiledeploy.network.simplify.unused import remove_unused

PASSES: Final[tuple[Callable[[FloatGraph], FloatGraph], ...]] = (
    remove_unused,
    fold_constant_operands,
    remove_unused,  # the constants
    merge_clips,
    recognise_hard_activations,  # before factors are folded away
    recognise_global_pools,
    remove_reshapes,
    fold_pads,  # before an affine is kept from a convolution by padding that is not its own
    fold_affine,
    fuse_activations,
)
"""The passes; some run twice."""


def simplify(graph: FloatGraph) -> FloatGraph:
    """Return a graph that computes the same within float rounding, with fewer kinds of nodes.

    Raises:
        ConversionError: The graph does not fit together, or holds an unsupported node.
    """
    shape = graph.shapes()[graph.output]
    for simplified in PASSES:
        graph = simplified(graph)
        received = graph.shapes()[graph.output]
        if received != shape:
            raise AssertionError(f"{simplified.__name__} gives {received} instead of {shape}")
    return graph
