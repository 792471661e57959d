"""Find each tensor's grid, its scale plus zero point, which an `.onnx` states in operators."""

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.formats.model import FLOATS, Grid, Operator, Tensor

CARRIERS: Final = {
    "Clip", "Concat", "DepthToSpace", "Expand", "Flatten", "Identity", "Max", "MaxPool", "Min",
    "NhwcMaxPool", "Pad", "ReduceMax", "ReduceMin", "Reshape", "Slice", "SpaceToDepth", "Split",
    "Squeeze", "Tile", "Transpose", "Unsqueeze",
}  # fmt: skip
"""Operators whose output has the scale and zero point of their input."""

JOINS: Final = {"Concat", "Max", "Min"}
"""Those of `CARRIERS` of which all inputs are codes, not the first one only."""

ScalePlaces: TypeAlias = tuple[tuple[tuple[int, int], ...], int]
"""Places of each input of codes and of its scale, and the place of the output's scale."""

QLINEAR: Final[dict[str, ScalePlaces]] = {
    "QLinearConv": (((0, 1), (3, 4)), 6),
    "QLinearMatMul": (((0, 1), (3, 4)), 6),
    "QLinearAdd": (((0, 1), (3, 4)), 6),
    "QLinearMul": (((0, 1), (3, 4)), 6),
    "QLinearGlobalAveragePool": (((0, 1),), 3),
    "QLinearAveragePool": (((0, 1),), 3),
    "QLinearLeakyRelu": (((0, 1),), 3),
    "QLinearReduceMean": (((0, 1),), 3),
    "QLinearSigmoid": (((0, 1),), 3),
    "QLinearSoftmax": (((0, 1),), 3),
    "QLinearWhere": (((1, 2), (4, 5)), 7),
    "QGemm": (((0, 1), (3, 4)), 7),
    # As many inputs as it has: see `scale_places`.
    "QLinearConcat": ((), 0),
}
"""By operator on codes: positions of the scales among its inputs. The zero point follows the
scale. All but two are ONNX Runtime's own operators."""


GridAndType: TypeAlias = tuple[Grid, str]
"""A grid and the type of its zero point, which is the type of the codes."""


def with_grids(tensors: tuple[Tensor, ...], operators: tuple[Operator, ...]) -> tuple[Tensor, ...]:
    """Return the tensors with grids, from the operators that write or read their codes.

    Raises:
        CorruptFileError: A scale and its zero point differ in shape.
    """
    written: dict[int, GridAndType] = {}
    read: dict[int, GridAndType] = {}
    for operator in operators:
        for index, stated, writes in _stated_grids(operator, tensors):
            (written if writes else read).setdefault(index, stated)
    grids = {**read, **written}
    for chain in (operators, operators[::-1]):
        for operator in chain:
            if operator.kind in CARRIERS and operator.inputs and operator.outputs:
                sources = operator.inputs if operator.kind in JOINS else operator.inputs[:1]
                for ends in itertools.product(sources, operator.outputs):
                    for known, other in (ends, ends[::-1]):
                        if other >= 0 and known in grids and grids[known][0].scale.size == 1:
                            grids.setdefault(other, grids[known])
    return tuple(
        dataclasses.replace(tensor, grid=grids[index][0], dtype=tensor.dtype or grids[index][1])
        if index in grids and tensor.dtype not in FLOATS
        else tensor
        for index, tensor in enumerate(tensors)
    )


def scale_places(operator: Operator) -> ScalePlaces:
    """Return where scales stand among the inputs of an operator of `QLINEAR`."""
    inputs, output = QLINEAR[operator.kind]
    if not inputs:
        # Behind the output's grid, each input is followed by its own.
        inputs = tuple((place, place + 1) for place in range(2, len(operator.inputs), 3))
    return inputs, output


def grid_of(operator: Operator, tensors: tuple[Tensor, ...], scale: int) -> Grid | None:
    """Return a grid from an operator's inputs: a scale, followed by its zero point.

    Args:
        operator: The operator.
        tensors: The graph's tensors.
        scale: Position of the scale among the inputs.

    Raises:
        CorruptFileError: Scale and zero point differ in shape.
    """
    values = _constant(operator, tensors, scale)
    if values is None or values.ndim > 1 or not values.size:
        return None
    zeros = _constant(operator, tensors, scale + 1)
    if zeros is not None and zeros.size != values.size:
        raise CorruptFileError(
            f"{operator.kind}: received {values.size} scales but {zeros.size} zero points"
        )
    return Grid(
        scale=values.astype(np.float32).ravel(),
        zero_point=np.zeros(values.size, np.int64)
        if zeros is None
        else zeros.astype(np.int64).ravel(),
        axis=int(operator.number("axis", 1)),
        rank=values.ndim,
    )


def _stated_grids(
    operator: Operator, tensors: tuple[Tensor, ...]
) -> Iterator[tuple[int, GridAndType, bool]]:
    """Yield each tensor whose grid an operator states, and whether the operator writes it."""
    places: list[tuple[int, int, bool]] = []
    if operator.kind == "QuantizeLinear" and operator.outputs:
        places = [(operator.outputs[0], 1, True)]
    elif operator.kind == "DequantizeLinear":
        places = [(operator.input(0), 1, False)]
    elif operator.kind in QLINEAR and operator.outputs:
        inputs, output = scale_places(operator)
        places = [(operator.input(place), scale, False) for place, scale in inputs]
        places.append((operator.outputs[0], output, True))
    for index, scale, writes in places:
        grid = grid_of(operator, tensors, scale)
        zero = operator.input(scale + 1)
        if index >= 0 and grid is not None:
            yield index, (grid, tensors[zero].dtype if zero >= 0 else "uint8"), writes


def _constant(
    operator: Operator, tensors: tuple[Tensor, ...], place: int
) -> npt.NDArray[Any] | None:
    index = operator.input(place)
    return tensors[index].data if index >= 0 else None
