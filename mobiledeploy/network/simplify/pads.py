"""Fold padding into the convolution or the pool that reads it."""

import dataclasses
import math

from mobiledeploy.network.float_graph import FloatGraph, FloatNode, rewrite


def fold_pads(graph: FloatGraph) -> FloatGraph:
    """Return the graph with every `pad` folded into its readers where that computes the same.

    A convolution takes padding with zeros; a maximum takes padding with minus infinity, or with
    zeros if nothing it reads is negative. Afterwards a `pad` has a reader that cannot take it, or
    none, and no average counts padding: that is a `pad` before it.
    """
    graph = _split_averages(graph)
    nonnegative = graph.nonnegative()
    replaced: dict[str, tuple[FloatNode, ...]] = {}
    renamed: dict[str, str] = {}
    users = graph.users()
    for node in graph.nodes:
        if node.op != "pad" or node.name == graph.output:
            continue
        readers = [
            _with_pads(replaced.get(reader.name, (reader,))[0], node, nonnegative)
            for reader in users[node.name]
        ]
        taken = [reader for reader in readers if reader is not None]
        if taken and len(taken) == len(readers):
            replaced[node.name] = ()
            renamed[node.name] = node.inputs[0]
            replaced.update((reader.name, (reader,)) for reader in taken)
    return rewrite(graph, replaced, renamed)


def _with_pads(reader: FloatNode, pad: FloatNode, nonnegative: frozenset[str]) -> FloatNode | None:
    """Return a reader that pads its input itself; None if it cannot."""
    value, more = pad.attributes["value"], pad.attributes["pads"]
    own = reader.attributes.get("pads", (0, 0, 0, 0))
    changed = dict(reader.attributes)
    match reader.op:
        case "conv" if value == 0:
            pass
        case "max_pool" if value == -math.inf:
            pass
        case "max_pool" if value == 0 and pad.inputs[0] in nonnegative:
            pass
        case _:
            return None
    changed["pads"] = tuple(a + b for a, b in zip(own, more, strict=True))
    if reader.op == "max_pool":
        height, width = reader.attributes["window"]
        top, bottom, left, right = changed["pads"]
        if max(top, bottom) >= height or max(left, right) >= width:
            return None  # a window of nothing but padding would give minus infinity
    return dataclasses.replace(reader, attributes=changed)


def _split_averages(graph: FloatGraph) -> FloatGraph:
    replaced: dict[str, tuple[FloatNode, ...]] = {}
    for node in graph.nodes:
        if node.op == "average_pool" and node.attributes["count_pads"]:
            pads = node.attributes["pads"]
            pad = dataclasses.replace(
                node, name=f"{node.name}/pad", op="pad", attributes={"pads": pads, "value": 0.0}
            )
            average = dataclasses.replace(
                node,
                inputs=(pad.name,) if any(pads) else node.inputs,
                attributes={**node.attributes, "pads": (0, 0, 0, 0), "count_pads": False},
            )
            replaced[node.name] = (pad, average) if any(pads) else (average,)
    return rewrite(graph, replaced)
