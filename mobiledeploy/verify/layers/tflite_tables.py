"""Give a `.tflite` tables in place of unread operators that compute each element alone.

Converters leave operators in float32 that they have no int8 kernel for: ELU, NEG, a leaky ReLU
between DEQUANTIZE and QUANTIZE. Between two tensors of 8-bit codes they are a function of one code
and its channel, and so are int8 operators that no reader knows: ABS, RSQRT, a comparison. LiteRT
gives all of its results, and a table of these stands for the operators.

An operator that only moves or compares values, such as REDUCE_MAX, computes with the codes, and
DEQUANTIZE comes behind it.
"""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ConversionError, CorruptFileError, RuntimeDiedError
from mobiledeploy.formats.model_file import ModelFile
from mobiledeploy.formats.tflite import TfliteModel, TfliteOperator, TfliteTensor
from mobiledeploy.formats.tflite import edit as tflite_edit
from mobiledeploy.ops import lookup
from mobiledeploy.ops.tensors import QMIN, UINT8_OFFSET, Int8
from mobiledeploy.runtimes import table as runtimes
from mobiledeploy.runtimes.child import Children
from mobiledeploy.verify.layers.functions_of_codes import Functions, Part, Run, axis_of, kept

_QUANTISE, _DEQUANTISE = "QUANTIZE", "DEQUANTIZE"
_ELEMENTS: Final = frozenset(
    {
        "ABS", "ADD", "CAST", "CEIL", "COS", "DIV", "ELU", "EQUAL", "EXP", "FLOOR", "GELU",
        "GREATER", "GREATER_EQUAL", "HARD_SWISH", "LEAKY_RELU", "LESS", "LESS_EQUAL", "LOG",
        "LOGICAL_AND", "LOGICAL_NOT", "LOGICAL_OR", "LOGISTIC", "MAXIMUM", "MINIMUM", "MUL", "NEG",
        "NOT_EQUAL", "POW", "PRELU", "RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1", "ROUND",
        "RSQRT", "SELECT", "SELECT_V2", "SIGN", "SIN", "SQRT", "SQUARE", "SQUARED_DIFFERENCE",
        "SUB", "TANH", _QUANTISE, _DEQUANTISE,
    }
)  # fmt: skip
"""Operators that compute each element alone."""
_MOVES: Final = frozenset(
    {
        "BATCH_TO_SPACE_ND", "DEPTH_TO_SPACE", "EXPAND_DIMS", "MAX_POOL_2D", "PAD", "REDUCE_MAX",
        "REDUCE_MIN", "RESHAPE", "RESIZE_NEAREST_NEIGHBOR", "SLICE", "SPACE_TO_BATCH_ND",
        "SPACE_TO_DEPTH", "SQUEEZE", "STRIDED_SLICE", "TRANSPOSE",
    }
)  # fmt: skip
"""Operators on one tensor that give some of its values, or real 0."""
_TYPES: Final = frozenset({"int8", "uint8"})
_TIMES: Final = 3
"""How often each code is tried at least, each time at another place of its tensor."""
_STEP: Final = 37


def with_tables(
    file: ModelFile, unread: Collection[str], run: Run | None = None
) -> tuple[ModelFile, Mapping[str, str]]:
    """Return a `.tflite` whose parsed model has tables, and the operators that they stand for.

    Args:
        file: The file.
        unread: Unique names of what operators write that no reader knows.
        run: See `tables_of_elements.with_tables`.

    Returns:
        The file with another parsed model, the file itself if no operators were replaced; and by
        the name of what a table writes the operator.
    """
    model = _on_codes(file.tflite)
    if model is file.tflite and not unread:
        return file, {}
    if run is not None:
        graph = _Graph(model, unread, run)
        changed = graph.replaced()
    else:
        with Children() as children:

            def run_in_child(data: bytes, codes: npt.NDArray[Any]) -> npt.NDArray[Any]:
                (results,) = children.once(runtimes.primary("tflite"), data, [codes])
                return results

            graph = _Graph(model, unread, run_in_child)
            changed = graph.replaced()
    if not graph.tables and changed is model:
        return file, {}
    return dataclasses.replace(file, parsed=changed), graph.tables


def _on_codes(model: TfliteModel) -> TfliteModel:
    """Return a file that moves codes where it moves real values between DEQUANTIZE and QUANTIZE.

    The file itself if it has no DEQUANTIZE but of its outputs.
    """
    tensors, operators = list(model.tensors), list[TfliteOperator]()
    dequantised: dict[int, TfliteOperator] = {}
    for original in model.operators:
        before, operator = dequantised.get(original.input(0)), original
        if before is not None and _only_moves(original, tensors):
            read, target, codes = tensors[before.input(0)], original.output(0), len(tensors)
            name = f"{tensors[target].unique_name}/codes"
            tensors.append(
                dataclasses.replace(
                    tensors[target], dtype=read.dtype, grid=read.grid, unique_name=name
                )
            )
            inputs = before.input(0), *original.inputs[1:]
            operators.append(dataclasses.replace(original, inputs=inputs, outputs=(codes,)))
            operator = dataclasses.replace(before, inputs=(codes,), outputs=original.outputs)
        source, real = operator.input(0), operator.output(0)
        known = operator.builtin == _DEQUANTISE and min(source, real) >= 0
        if known and _holds_codes(tensors[source]):
            dequantised[real] = operator
        operators.append(operator)
    if set(dequantised) <= set(model.outputs):
        return model
    return dataclasses.replace(model, tensors=tuple(tensors), operators=tuple(operators))


def _only_moves(operator: TfliteOperator, tensors: Sequence[TfliteTensor]) -> bool:
    """Whether an operator gives values of the tensor that it reads, or real 0."""
    constant = all(tensors[index].constant for index in operator.inputs[1:] if index >= 0)
    one = len(operator.outputs) == 1 and operator.output(0) >= 0
    plain = operator.activation == "none" and one
    return operator.builtin in _MOVES and plain and constant


def _holds_codes(tensor: TfliteTensor) -> bool:
    return tensor.dtype in _TYPES and tensor.scale.size == 1 and not tensor.constant


class _Graph:
    """The operators of a file, while some are replaced.

    Attributes:
        tables: The operator that each table stands for, by what it writes.
    """

    def __init__(self, model: TfliteModel, unread: Collection[str], run: Run) -> None:
        self.tables = dict[str, str]()
        self._model, self._unread, self._run = model, unread, run
        self._names = [tensor.unique_name for tensor in model.tensors]
        self._indices = {name: index for index, name in enumerate(self._names)}
        self._added: dict[int, TfliteOperator] = {}
        self._functions = Functions()
        for number, operator in enumerate(model.operators):
            self._follow(number, operator)

    def replaced(self) -> TfliteModel:
        """Return the file with tables in place of operators."""
        model, names = self._model, self._names
        writers = {
            names[index]: number
            for number, operator in enumerate(model.operators)
            for index in operator.outputs
            if index >= 0
        }
        inputs = [
            [names[index] for index in operator.inputs if index >= 0]
            for operator in model.operators
        ]

        def table(name: str) -> str | None:
            made = self._table(name, writers[name])
            if made is None:
                return None
            root, self._added[writers[name]] = made
            return root

        needed = kept([names[index] for index in model.outputs], writers, inputs, table)
        operators = (
            self._added.get(number, operator)
            for number, operator in enumerate(model.operators)
            if number in needed or number in self._added
        )
        return dataclasses.replace(model, operators=tuple(operators)) if self._added else model

    def _follow(self, number: int, operator: TfliteOperator) -> None:
        one = len(operator.outputs) == 1 and operator.output(0) >= 0
        if operator.builtin not in _ELEMENTS or not one:
            return
        tensors = self._model.tensors
        operands = [
            index for index in operator.inputs if index >= 0 and not tensors[index].constant
        ]
        shape = tensors[operator.output(0)].fixed_shape
        if any(tensors[index].fixed_shape != shape for index in operands):
            return
        self._functions.follow(
            number,
            self._names[operator.output(0)],
            [self._names[index] for index in operands],
            [self._names[index] for index in operands if _holds_codes(tensors[index])],
        )

    def _table(self, name: str, number: int) -> tuple[str, TfliteOperator] | None:
        """Return what an operator in place of others reads, and the operator; None without one."""
        model = self._model
        target = self._indices[name]
        part = (
            self._functions.part(name, self._of) if _holds_codes(model.tensors[target]) else None
        )
        results = None if part is None else self._results(part, target)
        if part is None or results is None:
            return None
        source = self._indices[part.root]
        before, after = model.tensors[source], model.tensors[target]
        last = model.operators[number]
        grids = [(each.dtype, each.scale[0], each.zero_point[0]) for each in (before, after)]
        codes = np.arange(QMIN, QMIN + lookup.CODES)
        if grids[0] == grids[1] and np.array_equal(results, codes):
            # A reader takes such a QUANTIZE for nothing.
            same = dataclasses.replace(last, kind=_QUANTISE, builtin=_QUANTISE, inputs=(source,))
            return part.root, same
        self.tables[name] = model.operators[part.node].builtin
        return part.root, lookup.joined_operator(last, source, results)

    def _of(self, nodes: Collection[int]) -> int | None:
        """Return the first of some operators that no reader knows; None if there is none."""
        model = self._model
        unread = [
            number
            for number in sorted(nodes)
            if self._names[model.operators[number].output(0)] in self._unread
            or model.operators[number].builtin == _DEQUANTISE
        ]
        real = (
            number
            for number in sorted(nodes)
            if unread and model.operators[number].builtin not in {_QUANTISE, _DEQUANTISE}
        )
        return next(real, unread[0] if unread else None)

    def _results(self, part: Part, target: int) -> Int8 | None:
        """Return all codes that a tensor has, shape (256,), or (channels, 256).

        None if LiteRT refuses the operators, or gives one code several results.
        """
        model, root = self._model, self._model.tensors[self._indices[part.root]]
        shape = root.fixed_shape
        constants = [
            model.tensors[index].fixed_shape
            for number in part.nodes
            for index in model.operators[number].inputs
            if index >= 0 and model.tensors[index].constant
        ]
        axis = axis_of(constants, len(shape))
        if axis is None or axis[0] not in {0, len(shape) - 1} or len(shape) < _LEAST_RANK:
            return None
        pixels = int(np.prod(shape[1:-1]))
        batch = -(-_TIMES * lookup.CODES // pixels)
        places = np.arange(batch * pixels)
        codes = (places + places // lookup.CODES * _STEP) % lookup.CODES
        given = np.broadcast_to(codes[:, np.newaxis], (codes.size, shape[-1]))
        values = _of_type(given.reshape(batch, *shape[1:]), root.dtype)
        try:
            data = tflite_edit.cut(model, [part.root], self._names[target])
            results = self._run(data, values)
        except (ConversionError, CorruptFileError, RuntimeDiedError):
            return None
        if results.shape != values.shape or results.dtype.name not in _TYPES:
            return None
        offset = 0 if results.dtype == np.int8 else UINT8_OFFSET
        rows = results.reshape(codes.size, shape[-1]).astype(np.int16) - offset
        order = np.empty(lookup.CODES, np.int64)
        order[codes] = places
        every = rows[order]
        if not np.array_equal(rows, every[codes]):
            return None
        return np.ascontiguousarray(
            every[:, 0] if (every == every[:, :1]).all() else every.T, np.int8
        )


_LEAST_RANK: Final = 2


def _of_type(codes: npt.NDArray[np.int64], dtype: str) -> npt.NDArray[np.integer]:
    """Return codes from 0 to 255 as those of a type, ascending."""
    if dtype == "uint8":
        return np.ascontiguousarray(codes, np.uint8)
    return np.ascontiguousarray(codes + QMIN, np.int8)
