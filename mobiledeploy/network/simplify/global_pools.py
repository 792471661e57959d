"""Replace a pool whose window is the whole image by a reduction over height and width."""

from typing import Final

from mobiledeploy.network.float_graph import FloatGraph, FloatNode, rewrite

_REDUCTIONS: Final = {"average_pool": "mean", "max_pool": "reduce_max"}


def recognise_global_pools(graph: FloatGraph) -> FloatGraph:
    """Return the graph in which no pool's window, without padding, covers the whole image."""
    shapes = graph.shapes()
    replaced: dict[str, tuple[FloatNode, ...]] = {}
    for node in graph.nodes:
        if node.op not in _REDUCTIONS or node.name not in shapes:
            continue
        if tuple(node.attributes["window"]) == shapes[node.inputs[0]][:2] and not any(
            node.attributes["pads"]
        ):
            reduction = FloatNode(
                name=node.name, op=_REDUCTIONS[node.op], inputs=node.inputs, kind=node.kind,
                attributes={"keep_dims": True},
            )  # fmt: skip
            replaced[node.name] = (reduction,)
    return rewrite(graph, replaced)
