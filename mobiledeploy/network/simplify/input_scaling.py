"""Find how pixels become input values: the `affine` with which a graph begins."""

import dataclasses
import math
from typing import Final

import numpy as np

from mobiledeploy.network.float_graph import INPUT, FloatArray, FloatGraph, FloatNode, rewrite
from mobiledeploy.spec.config import Scaling

PIXELS: Final[Scaling] = (0.0, 1.0)
"""Input values are the pixels themselves."""
_EXACT: Final = 1e-4
"""Pixel levels by which a mean may differ from a whole number through float32 arithmetic."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScaledGraph:
    """A graph whose input is `(pixel - mean) / std`.

    Attributes:
        graph: The rest of the graph.
        scaling: Mean and std; the mean is a whole number in 0..255, which gives each pixel an int8
            code of its own.
        border: Pixel levels by which padding differs from the source: a mean between two pixels,
            such as 127.5, is no code, and what reads the input pads with the nearest one.
    """

    graph: FloatGraph
    scaling: Scaling
    border: float = 0.0


def take_input_scaling(graph: FloatGraph) -> ScaledGraph:
    """Return a graph of 8-bit pixels as one of scaled pixels, with the scaling.

    Only one factor and one offset for all channels are taken, since the int8 grid of an input has
    one scale; others stay in the graph.

    Args:
        graph: A graph whose input are pixels, 0 to 255.
    """
    readers = graph.users()[INPUT]
    first = readers[0] if len(readers) == 1 else None
    if first is None or first.op != "affine" or first.name == graph.output:
        return ScaledGraph(graph=graph, scaling=PIXELS)
    scale, offset = first.arrays["scale"], first.arrays["offset"]
    if np.ptp(scale) or np.ptp(offset) or not scale[0] > 0:
        return ScaledGraph(graph=graph, scaling=PIXELS)
    std = 1 / float(scale[0])
    if np.float32(1 / round(std, 3)) == scale[0]:
        std = round(std, 3)  # such as 127.5, whose reciprocal float32 rounds
    exact = -float(offset[0]) * std
    mean = float(min(max(math.floor(exact + 0.5 + _EXACT), 0), 255))
    rest = (mean - exact) / std
    if abs(mean - exact) <= _EXACT:
        taken = rewrite(graph, {first.name: ()}, {first.name: INPUT})
        return ScaledGraph(graph=taken, scaling=(mean, std))
    if abs(mean - exact) <= 0.5 + _EXACT:
        shifted = _shifted(graph, first, rest)
        if shifted is not None:
            return ScaledGraph(graph=shifted, scaling=(mean, std), border=mean - exact)
    left = dataclasses.replace(
        first,
        arrays={"scale": np.ones_like(scale), "offset": np.full_like(offset, rest)},
    )
    return ScaledGraph(graph=rewrite(graph, {first.name: (left,)}), scaling=(mean, std))


def _shifted(graph: FloatGraph, first: FloatNode, rest: float) -> FloatGraph | None:
    """Return a graph whose padded convolutions of the input add `rest` to it; None without any."""
    replaced: dict[str, tuple[FloatNode, ...]] = {first.name: ()}
    for reader in graph.users()[first.name]:
        if reader.op != "conv" or not any(reader.attributes["pads"]):
            return None
        kernel = reader.arrays["kernel"].astype(np.float64)
        bias: FloatArray = (reader.arrays["bias"] + rest * kernel.sum(axis=(0, 1, 2))).astype(
            np.float32
        )
        replaced[reader.name] = (
            dataclasses.replace(reader, arrays={"kernel": reader.arrays["kernel"], "bias": bias}),
        )
    return rewrite(graph, replaced, {first.name: INPUT})
