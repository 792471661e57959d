"""Quantise the float32 input of a `.tflite` by a division, as QuantizeLinear of an `.onnx` does.

LiteRT's QUANTIZE multiplies by the inverse of the scale. For a value in the middle between two
codes, which pixels often are, that gives another code. Here DIV, ROUND and MUL come before: they
move a value to the middle of its own code, from where both ways lead to it.
"""

import dataclasses
from collections import Counter
from typing import Final

import numpy as np

from mobiledeploy.formats.tflite import TfliteModel, TfliteOperator
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops.tensors import QTensor

_BEFORE: Final = ("DIV", "ROUND", "MUL")
"""The operators, in their order."""


def is_needed(tensor: QTensor) -> bool:
    """Whether a division gives other codes than a multiplication: not by a power of two."""
    return bool(np.frexp(tensor.scale)[0] != np.float32(0.5))


def write(model: TfliteWriter, source: int, tensor: QTensor) -> int:
    """Add the operators before QUANTIZE; return the index of what it reads.

    Args:
        model: To add them to.
        source: Index of the float32 input.
        tensor: The input's shape and grid.
    """
    step = model.constant(f"{tensor.name}/step", np.array(tensor.scale))
    for name in _BEFORE:
        target = model.activation(
            model.free(f"{tensor.name}/{name.lower()}"), np.float32, (1, *tensor.shape)
        )
        if name == "ROUND":
            model.operator(name, 1, [source], target)
        else:
            model.operator(name, 1, [source, step], target, f"{name.capitalize()}Options")
        source = target
    return source


def undivided(
    model: TfliteModel, operators: tuple[TfliteOperator, ...]
) -> tuple[TfliteOperator, ...]:
    """Return a file's operators without the division of its input; QUANTIZE reads that itself.

    Args:
        model: The file.
        operators: Its operators.
    """
    *before, quantise = operators[: len(_BEFORE) + 1] or [None]
    names = tuple(operator.builtin for operator in before if operator is not None)
    if quantise is None or names != _BEFORE or quantise.builtin != "QUANTIZE":
        return operators
    readers = Counter(index for operator in operators for index in operator.inputs)
    source = model.inputs[0] if model.inputs else -1
    for operator in (*before, quantise):
        if operator is None or operator.input(0) != source or readers[source] != 1:
            return operators
        source = operator.output(0)
    grid = model.tensors[quantise.output(0)].scale if quantise.output(0) >= 0 else np.empty(0)
    for operator in (before[0], before[2]):
        index = -1 if operator is None else operator.input(1)
        step = None if index < 0 else model.tensors[index].data
        plain = operator is not None and operator.activation == "none"
        if not plain or step is None or step.size != 1 or not np.array_equal(step.ravel(), grid):
            return operators
    first = dataclasses.replace(quantise, inputs=(model.inputs[0],))
    return (first, *operators[len(_BEFORE) + 1 :])


def is_divided(model: TfliteModel) -> bool:
    """Whether a file divides its float32 input."""
    return undivided(model, model.operators) is not model.operators
