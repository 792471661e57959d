"""`requantised`: the codes of all codes on another grid, by the arithmetic of each runtime.

A QUANTIZE between two grids, a DequantizeLinear with a QuantizeLinear, and a part of a
concatenation that is on a grid of its own are such functions of 256 codes.
"""

import dataclasses
import math
from typing import Final

import numpy as np

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.formats.model import Format
from mobiledeploy.ops import each_code
from mobiledeploy.ops.certificate import all_codes
from mobiledeploy.ops.fixed_point import FixedPoint
from mobiledeploy.ops.stored import StoredLayer, StoredTensor
from mobiledeploy.ops.tensors import QMAX, QMIN, UINT8_OFFSET, Codes, QTensor

_NARROWEST, _WIDEST = 2.0**-8, 2.0**7
"""Between these lies input scale / output scale of XNNPACK's QUANTIZE."""


def requantised(layer: StoredLayer, source: StoredTensor, file: Format) -> Codes:
    """Return the codes of all codes on another grid, by a layer of the kind `quantize`.

    Args:
        layer: The layer.
        source: The tensor that it reads.
        file: Format of the file.

    Sources: XNNPACK's qs8-vcvt for LiteRT, whose multiplier has 8 bits behind the point; between
    int8 and uint8 TFLite's tflite/kernels/quantize.cc; ONNX Runtime computes in float32.

    Raises:
        ConversionError: A grid is not known, or XNNPACK does not take it.
    """
    (read,) = layer.reads
    out = _on_grid(layer.name, (1,), layer.output)
    before = _on_grid(
        "input", (1,), dataclasses.replace(source, scale=read.scale, zero_point=read.zero_point)
    )
    if file == "onnx":
        return by_floats(before, out)
    if {source.dtype, layer.output.dtype} == {"int8", "uint8"}:
        return _with_other_type(before, out, math.prod(source.shape))
    ratio = before.scale / out.scale
    if source.dtype != layer.output.dtype or not _NARROWEST <= ratio <= _WIDEST:
        raise ConversionError(
            f"the arithmetic of {layer.op} from {source.dtype} to {layer.output.dtype} by {ratio} "
            "is not known"
        )
    factor = int(np.rint(np.float32(256) * ratio))
    sums = (all_codes() - before.zero_point) * factor + (out.zero_point << 8) + 128
    codes: Codes = np.clip(sums >> 8, QMIN, QMAX)
    return codes


def by_floats(source: QTensor, out: QTensor) -> Codes:
    """Return the codes of all codes on another grid, as ONNX Runtime computes them."""
    return each_code.ort(lambda real: real, all_codes(), source, out, source.scale)


def _with_other_type(source: QTensor, out: QTensor, size: int) -> Codes:
    """Return the codes of all codes on another grid, as QUANTIZE from int8 to uint8 or back.

    TFLite computes 16 at a time by vector instructions, and those that are left over otherwise.

    Args:
        source: Grid of what it reads.
        out: Grid of what it writes.
        size: How many codes the tensor has.

    Raises:
        ConversionError: A code becomes another one at the tensor's end than before.
    """
    factor = FixedPoint.of(float(source.scale) / float(out.scale))
    left = all_codes() - source.zero_point
    vector, scalar = (
        np.clip(factor.times(left, halves_up=up) + out.zero_point, QMIN, QMAX)
        for up in (True, False)
    )
    rest = size % _LANES
    if rest and size > _LANES and not np.array_equal(vector, scalar):
        raise ConversionError(f"LiteRT rounds the last {rest} of its {size} codes otherwise")
    return scalar if size < _LANES else vector


_LANES: Final = 16
"""Codes that TFLite's QUANTIZE converts at a time."""


def joined_by_tflite(source: QTensor, out: QTensor) -> Codes:
    """Return the codes of all codes on another grid, as CONCATENATION of uint8 computes them.

    Source: TFLite's tflite/kernels/internal/reference/concatenation.h.
    """
    scale = source.scale * (np.float32(1) / out.scale)
    unsigned = (all_codes() + UINT8_OFFSET).astype(np.float32)
    steps = unsigned * scale + np.float32(-(source.zero_point + UINT8_OFFSET)) * scale
    away = np.trunc(np.abs(steps) + np.float32(0.5)) * np.sign(steps)
    codes: Codes = np.clip(away.astype(np.int64) + out.zero_point, QMIN, QMAX)
    return codes


def _on_grid(name: str, shape: tuple[int, ...], grid: StoredTensor) -> QTensor:
    if grid.scale is None or grid.zero_point is None:
        raise ConversionError(f"`{name}` holds {grid.dtype}, not codes of 8 bits")
    return QTensor(name=name, shape=shape, scale=grid.scale, zero_point=grid.zero_point)
