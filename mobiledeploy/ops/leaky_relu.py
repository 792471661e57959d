"""x where it is positive, else alpha * x, of each code: LEAKY_RELU.

XNNPACK multiplies codes by whole multiples of 1/256 on every architecture and rounds halves up.
Outside of the scales that it takes, TFLite's own kernel rounds twice. The `.onnx` has a table: of
100 random grids, QLinearLeakyRelu gives the same 256 codes on one.

Sources: XNNPACK's microparams-init.c (`xnn_init_qs8_lrelu_scalar_params`), qs8-vlrelu and
operators/unary-elementwise-nc.c for the limits; TFLite's internal/reference/leaky_relu.h; ONNX
Runtime's contrib_ops/cpu/quantization/qlinear_lookup_table.cc.
"""

import dataclasses
import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from mobiledeploy.base.errors import RequestError
from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.ops import each_code
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.each_code import EachCode
from mobiledeploy.ops.each_code_operator import CodesKernel, EachCodeOperator, ScaleLimits
from mobiledeploy.ops.file_form import FileForm
from mobiledeploy.ops.fixed_point import FixedPoint
from mobiledeploy.ops.onnx_reading import one_input
from mobiledeploy.ops.ranges import Interval, Ranges, step, wide_enough
from mobiledeploy.ops.tensors import QMAX, QMIN, Codes, QTensor
from mobiledeploy.ops.tflite import Version

QLINEAR: Final = "QLinearLeakyRelu"
"""ONNX Runtime's kernel of codes."""

NARROWEST: Final = 2.0**-8
WIDEST: Final = 2.0**7
"""Between these lies the input's scale over the output's, times alpha or not, in XNNPACK's kernel;
TFLite gives others to a kernel with another arithmetic."""

_STEEPEST: Final = float.fromhex("0x1.FFFCp+6")
"""Of a falling slope."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LeakyRelu(EachCode):
    """x where it is positive, else alpha * x, of each element."""

    alpha: float


def _check_layer(layer: Layer) -> None:
    alpha = layer.parameters["alpha"]
    if not (math.isfinite(alpha) and np.float32(alpha)):
        raise RequestError(
            f"layer `{layer.name}` expects an alpha that is not 0, received {alpha}"
        )


def _operand_ranges(layer: Layer, ranges: Ranges) -> Ranges:
    """Return a range of the input whose step is not too small for the output's."""
    (source,) = layer.inputs
    flattest = min(1.0, abs(layer.parameters["alpha"]))
    limit = step(ranges, layer.name) * NARROWEST / flattest
    return {source: wide_enough(limit, source, ranges[source])}


def _output_range(layer: Layer, ranges: Ranges) -> Interval:
    """Return a range of the output whose step is not too small for the input's."""
    steepest = max(1.0, abs(layer.parameters["alpha"]))
    limit = step(ranges, layer.inputs[0]) * steepest / WIDEST
    return wide_enough(limit, layer.name, ranges[layer.name])


def _alpha(value: float) -> float:
    """Return the number that a file holds for alpha."""
    return float(np.float32(value))


def _function(node: LeakyRelu) -> each_code.Function:
    return lambda values: np.where(values < 0, values * np.float32(node.alpha), values)


def xnnpack(codes: Codes, alpha: float, source: QTensor, out: QTensor) -> Codes:
    """Return XNNPACK's codes, on every architecture."""
    positive = source.scale / out.scale
    factors = [np.rint(np.float32(256) * each) for each in _ratios(alpha, positive)]
    centred = codes - source.zero_point
    products = centred * np.where(centred < 0, int(factors[1]), int(factors[0]))
    clipped: Codes = np.clip((products + (out.zero_point << 8) + 128) >> 8, QMIN, QMAX)
    return clipped


def tflite_own(codes: Codes, alpha: float, source: QTensor, out: QTensor) -> Codes:
    """Return the codes of TFLite's own kernel."""
    identity, flat = (
        FixedPoint.of(float(each))
        for each in (source.scale / out.scale, source.scale * np.float32(alpha) / out.scale)
    )
    centred = codes - source.zero_point
    values = np.where(centred >= 0, identity.times(centred), flat.times(centred))
    clipped: Codes = np.clip(values + out.zero_point, QMIN, QMAX)
    return clipped


def _ratios(alpha: float, positive: np.float32) -> tuple[np.float32, np.float32]:
    return positive, positive * np.float32(alpha)


def _is_for_xnnpack(alpha: float, source: QTensor, out: QTensor) -> bool:
    positive, negative = _ratios(alpha, source.scale / out.scale)
    steep = negative >= -_STEEPEST and negative <= WIDEST
    return bool(NARROWEST <= positive <= WIDEST and steep and abs(negative) >= NARROWEST)


def _litert(node: LeakyRelu) -> CodesKernel:
    """Return XNNPACK's kernel, or TFLite's own where XNNPACK does not take the scales."""

    def codes_of(codes: Codes, source: QTensor, out: QTensor) -> Codes:
        kernel = xnnpack if _is_for_xnnpack(node.alpha, source, out) else tflite_own
        return kernel(codes, node.alpha, source, out)

    return codes_of


def _reasons(node: LeakyRelu, source: QTensor) -> Iterator[str]:
    """Yield the ratio that XNNPACK does not accept."""
    out = node.output
    if not _is_for_xnnpack(node.alpha, source, out):
        ratio = float(source.scale) / float(out.scale)
        yield f"its scales' ratio {ratio:.3g} and alpha {node.alpha:.3g} are not for XNNPACK"


def _parameters(node: OnnxOperator) -> each_code.Parameters:
    return (("alpha", _alpha(node.number("alpha", 0.01))),)


_read: Final = each_code.reader("leaky_relu", _parameters)

OPERATOR: Final = EachCodeOperator(
    NODE=LeakyRelu,
    LAYERS=("leaky_relu",),
    TFLITE={"LEAKY_RELU": FileForm(versions={"int8": 2, "int16": 2}, computed=True)},
    ONNX={
        "LeakyRelu": FileForm(read=_read, computed=True, ort_kernel=QLINEAR),
        QLINEAR: FileForm(read=one_input(_read), computed=True, ort_kernel=QLINEAR),
    },
    KERNELS="XNNPACK's kernel and ONNX Runtime's lookup of its codes",
    layers="leaky ReLU",
    version=Version(number=2, runtime="2.3.0"),
    options_table="LeakyReluOptions",
    options={"alpha": _alpha},
    check_layer=_check_layer,
    limits=ScaleLimits(
        reasons=_reasons, operand_ranges=_operand_ranges, output_range=_output_range
    ),
    litert=_litert,
    ort=lambda node: (_function(node),),
    real=_function,
    tried=(
        ("image", (4, 6, 3), (0.0411, 0.0281), (3, -64), {"alpha": 0.3}),
        ("vector", (50,), (0.0617, 0.0393), (-11, -100), {"alpha": 0.01}),
        ("falling", (4, 6, 3), (0.13, 0.11), (-40, -70), {"alpha": -0.2}),
        ("steep", (4, 6, 3), (0.031, 0.052), (10, 9), {"alpha": 1.5}),
    ),
)
