"""What operators share that compute each output code from one code alone: `EachCode`.

There are 256 codes, so all are tried. An `.onnx` holds a float operator between the
quantise/dequantise pair where every kernel rounds its results as LiteRT does, else a table.

Sources: XNNPACK's reference/unary-elementwise.cc (`unary_ukernel`, from which its subgraph makes a
table of 256 codes) and TFLite's internal/common.h (`LUTPopulate`).
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import RequestError
from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.ops import onnx, without_weights
from mobiledeploy.ops.architecture import INPUT, Layer
from mobiledeploy.ops.capabilities import Cases
from mobiledeploy.ops.certificate import REACH, Certificate, all_codes, neighbours, required
from mobiledeploy.ops.grid import activation_grid
from mobiledeploy.ops.node import OneInput
from mobiledeploy.ops.onnx import OnnxInput
from mobiledeploy.ops.onnx_reader import OnnxReader, ReadOnnx
from mobiledeploy.ops.onnx_values import OnnxActivation
from mobiledeploy.ops.ranges import Ranges
from mobiledeploy.ops.tensors import (
    QMAX,
    QMIN,
    UINT8_OFFSET,
    Codes,
    Float32,
    Int8,
    QTensor,
    Shape,
    expect,
)

STEP: Final = 2.0**-14
MOST_STEPS: Final = 16
"""Most steps, of 0.006 % each, by which a range is widened to do without a table."""

FUSED_OR_NOT: Final = (
    "XNNPACK's table and ONNX Runtime's kernel (whether or not a compiler fuses multiply and add)"
)
"""The kernels of functions that ONNX Runtime computes by `rational`, in words for messages."""

Function: TypeAlias = Callable[[Float32], Float32]
"""Of real values, in float32 as a kernel computes it."""

Exact: TypeAlias = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EachCode(OneInput):
    """A function of each element."""

    def check(self, inputs: Sequence[QTensor]) -> None:
        """Check that the shape stays; see `node.Node.check`."""
        (source,) = inputs
        expect(self.output.name, "output shape", self.output.shape, source.shape)


def output_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """Return the input's shape; see `operator.Operator.output_shape`.

    Raises:
        RequestError: It has another number of inputs, or parameters.
    """
    return checked_shape(layer, inputs)


def checked_shape(layer: Layer, inputs: Sequence[Shape], *parameters: str) -> Shape:
    """Return the input's shape.

    Args:
        layer: The layer.
        inputs: Shapes of its inputs.
        parameters: Names of the parameters that it must have.

    Raises:
        RequestError: It has another number of inputs, or other parameters.
    """
    without_weights.expect_inputs(layer, inputs, 1)
    if set(layer.parameters) != set(parameters):
        raise RequestError(
            f"layer `{layer.name}` ({layer.op}) expects "
            f"{' and '.join(parameters) or 'no parameters'}, received "
            f"{', '.join(sorted(layer.parameters)) or 'no parameters'}"
        )
    return inputs[0]


def all_cases(node: EachCode, inputs: Sequence[QTensor]) -> Cases:
    """Return all codes."""
    del node, inputs
    return (all_codes(),)


def cases_of(node: EachCode, inputs: Sequence[QTensor], codes: Sequence[Int8]) -> Cases:
    """Return the codes of a tensor."""
    del node, inputs
    return (codes[0].astype(np.int64),)


def look_up(table: Codes, codes: Int8) -> Int8:
    """Return the output codes of a tensor.

    Args:
        table: The output code of each code, ascending.
        codes: Any shape.
    """
    return table.astype(np.int8)[codes.astype(np.int64) - QMIN]


def xnnpack(function: Function, codes: Codes, source: QTensor, out: QTensor) -> Codes:
    """Return the codes of XNNPACK's table: halves to even, after the zero point is added."""
    real = (codes.astype(np.float32) - np.float32(source.zero_point)) * source.scale
    inverse = np.float32(1) / out.scale
    # The zero point takes part in the rounding to float32.
    offset = UINT8_OFFSET if out.unsigned else 0
    with np.errstate(all="ignore"):
        steps = function(real) * inverse + np.float32(out.zero_point + offset)
    return _clip(np.rint(steps) - offset)


def tflite_table(function: Function, codes: Codes, source: QTensor, out: QTensor) -> Codes:
    """Return the codes of TFLite's own table: halves away from 0, then the zero point."""
    real = source.scale * (codes - source.zero_point).astype(np.float32)
    inverse = np.float32(1) / out.scale
    with np.errstate(all="ignore"):
        steps = function(real) * inverse
        away = np.trunc(np.abs(steps) + np.float32(0.5)) * np.sign(steps)
    return _clip(away + out.zero_point)


def ort(
    function: Function, codes: Codes, source: QTensor, out: QTensor, scale: np.float32
) -> Codes:
    """Return the codes of ONNX Runtime's operator between a quantise/dequantise pair.

    Args:
        function: The operator.
        codes: Codes of the input.
        source: Grid of the input.
        out: Grid of the output.
        scale: The input's, as the `.onnx` states it.
    """
    real = (codes - source.zero_point).astype(np.float32) * scale
    with np.errstate(all="ignore"):
        return _clip(np.rint(function(real) / out.scale) + np.float32(out.zero_point))


def rational(
    values: Float32, numerator: Sequence[float], denominator: Sequence[float], *, fused: bool
) -> Float32:
    """Return an odd rational function, as ONNX Runtime computes it in float32.

    Args:
        values: Where.
        numerator: Coefficients of the odd powers, the highest first.
        denominator: Coefficients of the even powers, likewise.
        fused: Whether the compiler fuses multiplications with the additions that follow.
    """
    squares = values * values

    def polynomial(coefficients: Sequence[float]) -> Float32:
        first, *others = (np.float32(each) for each in coefficients)
        total: Float32 = np.full(values.shape, first, np.float32)
        for each in others:
            if fused:
                # A product of two float32 is exact in float64, so one rounding remains.
                total = (total.astype(np.float64) * squares + each).astype(np.float32)
            else:
                total = total * squares + each
        return total

    return polynomial(numerator) * values / polynomial(denominator)


def exact(
    function: Callable[[Exact], Exact], source: QTensor, out: QTensor, scale: np.float32
) -> Exact:
    """Return the exact results of all codes, in steps, zero point included."""
    real = (all_codes() - source.zero_point).astype(np.float64) * float(scale)
    with np.errstate(over="ignore"):
        steps: Exact = function(real) / float(out.scale) + out.zero_point
    return steps


def certify(
    node: EachCode,
    source: QTensor,
    expected: Codes,
    function: Callable[[Exact], Exact],
    rounding: float,
) -> Certificate:
    """Return a certificate of the float form, or of a table, which is always exact.

    The float form may read its input with a scale that is a few units in the last place off, by
    which no result lies so close to a half that a kernel's error decides.

    Args:
        node: The node.
        source: Its input.
        expected: LiteRT's codes of all codes.
        function: The operator on exact numbers.
        rounding: More than the error of any float kernel, in steps of the output.
    """
    steps = np.arange(2 * REACH + 1)
    # 0, 1, -1, 2, -2 ...: the nearest first.
    tried = neighbours(source.scale, (steps + 1) // 2 * np.where(steps % 2, 1, -1))
    before = 0
    for number, scale in enumerate(tried):
        results = exact(function, source, node.output, scale)
        ends = [_clip(np.rint(results + moved)) for moved in (-rounding, rounding)]
        differing = int((np.stack(ends) != expected).any(axis=0).sum())
        before = differing if number == 0 else before
        if not differing:
            return _certificate(node, scale, before, table=False)
    return _certificate(node, source.scale, before, table=True)


def ranges_without_table(
    layer: Layer, ranges: Ranges, certify: Callable[[QTensor], Certificate]
) -> Ranges:
    """Return a range of the input, slightly widened, with which no table is needed.

    Args:
        layer: A layer whose output's grid is fixed, so that its input's decides.
        ranges: Of all tensors.
        certify: Returns the certificate of an input.
    """
    (source,) = layer.inputs
    low, high = ranges[source]
    if source == INPUT:
        return {}
    for steps in range(MOST_STEPS):
        wider = low * (1 + steps * STEP), high * (1 + steps * STEP)
        grid = activation_grid(source, *wider)
        scale, zero_point = np.float32(grid.scale), grid.zero_point
        tensor = QTensor(name=source, shape=(1,), scale=scale, zero_point=zero_point)
        if not certify(tensor).table:
            return {source: wider}
    return {}


def certify_table(
    node: EachCode, source: QTensor, expected: Codes, others: Sequence[Codes]
) -> Certificate:
    """Return the certificate of a table, which is always exact.

    Args:
        node: The node.
        source: Its input.
        expected: LiteRT's codes of all codes.
        others: Those of the float form, by each kernel.
    """
    differing = int((np.stack(others) != expected).any(axis=0).sum())
    return _certificate(node, source.scale, differing, table=True)


def _certificate(node: EachCode, scale: np.float32, before: int, *, table: bool) -> Certificate:
    return Certificate(
        name=node.output.name,
        scales=(scale,),
        cases=all_codes().size,
        differing_before=before,
        differing_after=0,
        table=table,
    )


def _clip(codes: npt.NDArray[Any]) -> Codes:
    clipped: Codes = np.clip(codes, QMIN, QMAX).astype(np.int64)
    return clipped


def write_onnx(
    model: OnnxWriter,
    node: EachCode,
    inputs: Sequence[OnnxInput],
    output: str,
    proof: Certificate | None,
    *,
    table: Codes,
    operator: str = "",
) -> None:
    """Add a float operator, or a table of all codes where the certificate asks for one.

    Args:
        model: To add it to.
        node: The node.
        inputs: What it reads.
        output: Name of the tensor with the output's codes.
        proof: The node's certificate.
        table: LiteRT's codes of all codes.
        operator: Name of the float operator.
    """
    certificate = required(node.output.name, proof)
    if certificate.table or not operator:
        onnx.look_up(model, node.output.name, inputs[0], table, output)
        return
    real = model.node(operator, onnx.dequantise(model, inputs, certificate.scales))
    onnx.quantise(model, real, node.output, output)


Parameters: TypeAlias = tuple[tuple[str, float | int | str], ...]
"""As in `StoredLayer`."""


def reader(kind: str, parameters: Callable[[OnnxOperator], Parameters] = lambda _: ()) -> ReadOnnx:
    """Return how the float operator of an `.onnx` is read.

    Args:
        kind: Of the layer.
        parameters: Returns the layer's parameters from the node's attributes.
    """

    def read(source: OnnxReader, node: OnnxOperator) -> OnnxActivation | None:
        value = source.value(node, 0)
        if not isinstance(value, OnnxActivation) or not value.real:
            return None
        return source.add_layer(node, kind, [value], value, parameters=parameters(node))

    return read
