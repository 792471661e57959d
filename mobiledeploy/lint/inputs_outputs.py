"""Find the inputs and outputs of a model, as an app sees them."""

import dataclasses
import math
from typing import Final

from mobiledeploy.formats.model import CODES, FLOATS, Dimension, Grid, Tensor
from mobiledeploy.lint.graph import Graph

COLOURS: Final = (1, 3, 4)
IMAGE_RANK: Final = 4
MOVES: Final = ("RESHAPE", "Reshape", "TRANSPOSE", "Transpose")
MOST_MOVES: Final = 4
"""Most operators that only move an input before it is quantised; a damaged graph may have
cycles."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class InputOrOutput:
    """An input or output.

    Attributes:
        name: Name in the file.
        dtype: Type of its values.
        shape: Shape with the batch; -1 or a name for a dynamic size. None if the file states none.
        layout: `NHWC`, `NCHW`, or empty if it is not an image.
        scale: Real units per code; None for floats.
        zero_point: Code of real 0; None for floats.
        low: Lowest real value that it can hold; for floats that are quantised at once, the lowest
            that is not clipped. None if there is no bound.
        high: Highest such value.
    """

    name: str
    dtype: str
    shape: tuple[Dimension, ...] | None
    layout: str
    scale: float | None
    zero_point: int | None
    low: float | None
    high: float | None


def inputs(graph: Graph) -> tuple[InputOrOutput, ...]:
    """Return the inputs of a graph."""
    return tuple(_end(graph, index, writes=False) for index in graph.model.inputs if index >= 0)


def outputs(graph: Graph) -> tuple[InputOrOutput, ...]:
    """Return the outputs of a graph."""
    return tuple(_end(graph, index, writes=True) for index in graph.model.outputs if index >= 0)


def _end(graph: Graph, index: int, *, writes: bool) -> InputOrOutput:
    tensor = graph.model.tensors[index]
    own = _per_tensor(tensor.grid, tensor.dtype)
    low: float | None = None
    high: float | None = None
    if own is not None:
        low, high = _range(*own, tensor.dtype)
    elif tensor.dtype in FLOATS:
        low, high = _written(graph, index) if writes else _read(graph, index)
    return InputOrOutput(
        name=tensor.name,
        dtype=tensor.dtype,
        shape=tensor.shape,
        layout=_layout(graph, tensor),
        scale=None if own is None else own[0],
        zero_point=None if own is None else own[1],
        low=low,
        high=high,
    )


def _read(graph: Graph, index: int) -> tuple[float | None, float | None]:
    """Return the lowest and highest float input that quantisation does not clip."""
    readers = graph.links.readers.get(index, [])
    for _ in range(MOST_MOVES):
        if len(readers) != 1 or readers[0].kind not in MOVES:
            break
        readers = graph.links.readers.get(readers[0].output(0), [])
    factor = 1.0
    if len(readers) == 1 and readers[0].kind == "Mul":
        other = graph.model.tensor(readers[0].input(1))
        number = None if other is None else other.number
        if number is None:
            return None, None
        factor = number
        readers = graph.links.readers.get(readers[0].output(0), [])
    if len(readers) != 1 or readers[0].kind not in {"QUANTIZE", "QuantizeLinear"} or not factor:
        return None, None
    codes = graph.model.tensor(readers[0].output(0))
    grid = None if codes is None else _per_tensor(codes.grid, codes.dtype)
    if codes is None or grid is None:
        return None, None
    return _range(grid[0] / factor, grid[1], codes.dtype)


def _written(graph: Graph, index: int) -> tuple[float | None, float | None]:
    """Return the lowest and highest value of a float output that is dequantised last."""
    writer = graph.links.writer.get(index)
    if writer is None or writer.kind not in {"DEQUANTIZE", "DequantizeLinear"}:
        return None, None
    codes = graph.model.tensor(writer.input(0))
    grid = None if codes is None else _per_tensor(codes.grid, codes.dtype)
    return (None, None) if codes is None or grid is None else _range(*grid, codes.dtype)


def _per_tensor(grid: Grid | None, dtype: str) -> tuple[float, int] | None:
    if grid is None or grid.scale.size != 1 or dtype not in CODES:
        return None
    scale = float(grid.scale[0])
    return (scale, int(grid.zero_point[0])) if math.isfinite(scale) else None


def _range(scale: float, zero_point: int, dtype: str) -> tuple[float | None, float | None]:
    low, high = ((code - zero_point) * scale for code in CODES[dtype])
    return (low, high) if math.isfinite(low) and math.isfinite(high) else (None, None)


def _layout(graph: Graph, tensor: Tensor) -> str:
    shape = tensor.shape
    if shape is None or len(shape) != IMAGE_RANK:
        return ""
    if graph.model.format == "tflite" or shape[3] in COLOURS:
        return "NHWC"
    return "NCHW" if shape[1] in COLOURS else ""
