"""Remove nodes on which the output does not depend."""

from mobiledeploy.network.float_graph import FloatGraph, rewrite


def remove_unused(graph: FloatGraph) -> FloatGraph:
    """Return the graph without nodes on which the output does not depend.

    Afterwards every node is needed.
    """
    needed = graph.needed()
    return rewrite(graph, {node.name: () for node in graph.nodes if node.name not in needed})
