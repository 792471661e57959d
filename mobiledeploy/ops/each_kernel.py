"""The codes that a node gives, once for each kernel that a runtime may choose for it."""

from collections.abc import Iterator, Sequence
from typing import Any, assert_never

import numpy as np

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.formats.model import Format
from mobiledeploy.ops.capabilities import Cases, Certified, OwnKernel
from mobiledeploy.ops.operator import Kernel, Operator
from mobiledeploy.ops.tensors import Codes, Int8, QTensor


def by_each_kernel(
    operator: Certified,
    file: Format,
    node: Any,
    inputs: Sequence[QTensor],
    cases: Cases,
    form: str,
) -> tuple[Codes, ...]:
    """Return the output codes of cases, once for each kernel of what apps use of a format.

    Args:
        operator: The node's.
        file: The format.
        node: What to compute.
        inputs: Grids of its inputs.
        cases: To compute.
        form: The operator's name in the file.
    """
    match file:
        case "tflite":
            return operator.litert_cases(node, inputs, cases, form)
        case "onnx":
            return operator.ort_cases(node, inputs, cases, form)
        case _:
            assert_never(file)


def by_own_kernel(
    operator: object, file: Format, node: Any, inputs: Sequence[QTensor], cases: Cases
) -> tuple[Codes, ...]:
    """Return the output codes of cases by the kernel that takes a node with `limits`.

    Args:
        operator: The node's.
        file: The format.
        node: What to compute.
        inputs: Grids of its inputs.
        cases: To compute.

    Returns:
        Nothing where that kernel is not known.
    """
    if file != "tflite" or not isinstance(operator, OwnKernel):
        return ()
    try:
        return (operator.litert_own(node, inputs, cases),)
    except ConversionError:
        return ()


def computes_unsigned(file: Format, dtype: str) -> bool:
    """Whether a runtime computes the codes of a file's tensor as uint8; see `QTensor.unsigned`."""
    return file == "tflite" and dtype == "uint8"


def limits(
    operator: Certified, file: Format, node: Any, inputs: Sequence[QTensor], form: str
) -> tuple[str, ...]:
    """Return why what apps use of a format runs an operator by kernels of other arithmetic."""
    match file:
        case "tflite":
            return tuple(operator.litert_limits(node, inputs, form))
        case "onnx":
            return tuple(operator.ort_limits(node, inputs, form))
        case _:
            assert_never(file)


def architectures(operator: Operator[Any], file: Format) -> tuple[Kernel, ...]:
    """Return the architectures on which the runtime that apps use computes different codes.

    Only one if all compute alike, as for every `.onnx`, whose kernels compute in float32.
    """
    return operator.LITERT_KERNELS if file == "tflite" else ("x86",)


def codes_by_each_kernel(
    operator: Operator[Any],
    file: Format,
    node: Any,
    inputs: Sequence[QTensor],
    codes: Sequence[Int8],
    form: str,
) -> Iterator[Codes]:
    """Yield a node's output, once for each kernel that what apps use of a format may choose.

    Args:
        operator: The node's.
        file: The format.
        node: What to compute.
        inputs: Grids of its inputs.
        codes: The inputs, shape (batch, ...).
        form: The operator's name in the file. A `.tflite` may be run by the kernels of any form.
    """
    module: object = operator
    if isinstance(module, Certified):
        cases = module.cases_of(node, inputs, codes)
        for name in operator.TFLITE if file == "tflite" else (form,):
            yield from by_each_kernel(module, file, node, inputs, cases, name)
        return
    for kernel in architectures(operator, file):
        computed = operator.litert_codes(node, inputs, codes, kernel=kernel)
        yield computed.astype(np.int64)
