"""The table of operators: one row each.

A row is an operator's module, or the `OPERATOR` in it: `ops.operator` says what either offers. A
name that is not in the table is an error: there is no default.
"""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar

from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.formats.model import Operator as FileOperator
from mobiledeploy.formats.tflite import TfliteOperator, TfliteTensor
from mobiledeploy.ops import (
    add,
    average_pool,
    clamp,
    concatenation,
    conv,
    dense,
    elu,
    exp,
    gelu,
    hard_sigmoid,
    hard_swish,
    leaky_relu,
    logistic,
    lookup,
    max_pool,
    maximum,
    mean,
    mul,
    pad,
    prelu,
    reduce_max,
    reshape,
    resize_nearest,
    softmax,
    strided_slice,
    sub,
    tanh,
    transpose,
)
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.capabilities import Certified, SpecialCase
from mobiledeploy.ops.file_form import FileForm
from mobiledeploy.ops.node import Node
from mobiledeploy.ops.onnx_reader import ReadOnnx
from mobiledeploy.ops.operator import Operator

OPERATORS: Final[tuple[Operator[Any], ...]] = (
    conv,
    dense,
    add.OPERATOR,
    mul,
    clamp,
    hard_swish,
    average_pool,
    hard_sigmoid,
    logistic.OPERATOR,
    tanh.OPERATOR,
    leaky_relu.OPERATOR,
    prelu,
    gelu.OPERATOR,
    elu.OPERATOR,
    exp.OPERATOR,
    mean,
    softmax,
    max_pool,
    pad,
    reduce_max,
    concatenation,
    strided_slice,
    reshape,
    transpose,
    maximum,
    resize_nearest,
    sub.OPERATOR,
    lookup,
)
"""Where two of them know a name in files, the first one reads it."""

ONLY_IN_FILES: Final = frozenset(
    {
        "dequantize",
        "quantize",
        "table",
        "unknown",
    }
)
"""Kinds of layers in files that integer graphs have no operator for."""

AnyOperator = TypeVar("AnyOperator", bound=FileOperator)

_BY_LAYER: Final = {name: module for module in OPERATORS for name in module.LAYERS}
_BY_NODE: Final = {module.NODE: module for module in OPERATORS}
_BY_TFLITE: Final[dict[str, Operator[Any]]] = {
    name: module for module in reversed(OPERATORS) for name in module.TFLITE
}
_BY_FORM: Final[dict[str, Operator[Any]]] = {
    name: module for module in reversed(OPERATORS) for name in (*module.TFLITE, *module.ONNX)
}
_FORMS: Final[dict[str, FileForm]] = {
    name: form
    for module in reversed(OPERATORS)
    for forms in (module.TFLITE, module.ONNX)
    for name, form in forms.items()
}

_MODULES: Final[tuple[tuple[Operator[Any], object], ...]] = tuple(
    (module, module) for module in OPERATORS
)
_SPECIAL_CASES: Final = tuple(
    (module, special) for module, special in _MODULES if isinstance(special, SpecialCase)
)
"""Asked once: `isinstance` of a Protocol is slow, and files have hundreds of operators."""


def of_layer(layer: Layer) -> Operator[Any]:
    """Return the operator of a float layer.

    Raises:
        RequestError: There is none of that name.
    """
    if layer.op not in _BY_LAYER:
        raise RequestError(
            f"layer `{layer.name}`: there is no operator `{layer.op}`, only "
            f"{', '.join(sorted(_BY_LAYER))}"
        )
    return _BY_LAYER[layer.op]


def of_kind(kind: str) -> Operator[Any] | None:
    """Return the operator of a layer in a file, by what it is called in an `Architecture`.

    None for what only files hold; see `ONLY_IN_FILES`.

    Raises:
        ConversionError: Layers of that kind are unknown.
    """
    if kind not in _BY_LAYER and kind not in ONLY_IN_FILES:
        raise ConversionError(f"`{kind}` is no kind of layer")
    return _BY_LAYER.get(kind)


def of_node(node: Node) -> Operator[Any]:
    """Return the operator of a node.

    Raises:
        ConversionError: Its type is that of no operator.
    """
    module = _BY_NODE.get(type(node))
    if module is None:
        raise ConversionError(f"`{node.output.name}`: {type(node).__name__} is no operator")
    return module


def of_tflite(name: str) -> Operator[Any]:
    """Return the operator that a `.tflite` names by a name of `BuiltinOperator`.

    Raises:
        ConversionError: No operator is written so.
    """
    if name not in _BY_TFLITE:
        raise ConversionError(
            f"{name} is no operator of an integer graph: those are {', '.join(tflite_names())}",
            hint="only int8 classifiers of the MobileNet kind can be read",
        )
    return _BY_TFLITE[name]


def special_case(
    operator: TfliteOperator, tensors: Sequence[TfliteTensor]
) -> Operator[Any] | None:
    """Return the operator that is a case of the one whose name it has in a `.tflite`, if any.

    Args:
        operator: In the file.
        tensors: Of the file.
    """
    for module, special in _SPECIAL_CASES:
        if operator.builtin in special.SPECIAL_IN_TFLITE and special.is_in_tflite(
            operator, tensors
        ):
            return module
    return None


def of_file(name: str) -> Operator[Any] | None:
    """Return the operator that a file of any tool names so; None if the table has none.

    Args:
        name: Of TFLite's `BuiltinOperator`, or of an ONNX operator.
    """
    return _BY_FORM.get(name)


def form_of(name: str) -> FileForm:
    """Return the form of an operator in files, by one of its names.

    Args:
        name: One by which `of_file` knows it.
    """
    return _FORMS[name]


def form_of_kind(kind: str, name: str) -> FileForm | None:
    """Return how a layer of a kind stands in files under a name; None if it does not.

    Args:
        kind: As for `of_kind`.
        name: Of TFLite's `BuiltinOperator`, or of an ONNX operator.
    """
    module = _BY_LAYER.get(kind)
    return None if module is None else {**module.TFLITE, **module.ONNX}.get(name)


def by_output(operators: Iterable[AnyOperator]) -> Iterator[AnyOperator]:
    """Yield the operators of a file, one with several parts once for each of its outputs.

    The number of the part is in its attribute `part`, that of all parts in `parts`.
    """
    for operator in operators:
        form = _FORMS.get(operator.kind)
        if form is None or not form.parts:
            yield operator
            continue
        for part, output in enumerate(operator.outputs):
            count = len(operator.outputs)
            attributes = {**operator.attributes, "part": part, "parts": count}
            yield dataclasses.replace(operator, outputs=(output,), attributes=attributes)


def tflite_names() -> tuple[str, ...]:
    """Return the names of all operators in `BuiltinOperator`, in alphabetical order."""
    special = (each.SPECIAL_IN_TFLITE for _, each in _SPECIAL_CASES)
    return tuple(sorted({*_BY_TFLITE, *itertools.chain(*special)}))


def reader_of_tflite(name: str) -> Operator[Any] | None:
    """Return the operator that a `.tflite` names so; None if the table has none."""
    return _BY_TFLITE.get(name)


def is_computed(operator: Certified, name: str) -> bool:
    """Whether the cases of a `Certified` operator are what runtimes compute of a form.

    Args:
        operator: Its module.
        name: Of the form in a file.
    """
    special: object = operator
    if isinstance(special, SpecialCase) and name in (
        special.SPECIAL_IN_TFLITE | special.SPECIAL_IN_ONNX
    ):
        return True
    module: Any = operator
    forms = {**module.TFLITE, **module.ONNX}
    return name in forms and forms[name].computed


def onnx_readers() -> dict[str, tuple[ReadOnnx, ...]]:
    """Return how a layer is read from each ONNX operator that is one of the table's.

    The first reader that understands a node reads it.
    """
    readers: dict[str, tuple[ReadOnnx, ...]] = {}
    for module in OPERATORS:
        for name, form in module.ONNX.items():
            if form.read is not None:
                readers[name] = (*readers.get(name, ()), form.read)
    return readers
