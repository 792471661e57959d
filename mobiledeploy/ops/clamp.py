"""ReLU or ReLU6 of each code, where no layer before it can take it over: RELU, RELU6.

On its input's grid it clips codes. The `.tflite` then has a MAX_POOL_2D with a window of 1x1 and
the activation fused into it, which XNNPACK runs as a clamp; RELU it leaves to TFLite's kernel,
which takes 150 times as long. The `.onnx` has a Clip of codes.

Other tools' files may also put the result on another grid. TFLite's kernel then rounds twice,
which only a table reproduces.

Sources: LiteRT's tflite/delegates/xnnpack/xnnpack_delegate.cc (`VisitMaxPool2DNode`); TFLite's
tflite/kernels/activations.cc (`QuantizedReluX`).
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.formats.tflite import TfliteOperator, TfliteTensor
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops import each_code, onnx, stored, tflite, without_weights
from mobiledeploy.ops.activation import clamp
from mobiledeploy.ops.architecture import Activation, Layer
from mobiledeploy.ops.capabilities import Cases
from mobiledeploy.ops.certificate import (
    Certificate,
    all_codes,
    batches_of_all_codes,
    no_limits,
    required,
)
from mobiledeploy.ops.each_code import EachCode
from mobiledeploy.ops.file_form import FileForm
from mobiledeploy.ops.fixed_point import FixedPoint
from mobiledeploy.ops.grid import Grid
from mobiledeploy.ops.onnx import IMAGE_AXES, OnnxInput
from mobiledeploy.ops.operator import Example, Kernel, Trials, layer_of
from mobiledeploy.ops.ranges import Interval, Ranges
from mobiledeploy.ops.stored import StoredLayer
from mobiledeploy.ops.tensors import Codes, Float32, Int8, QTensor, Shape, expect, tensors
from mobiledeploy.ops.tflite import Scope, TfliteInput, Version
from mobiledeploy.ops.tflite_reading import LayerSource, clamped
from mobiledeploy.ops.weights import Weights

LAYERS: tuple[str, ...] = ("clamp",)
TFLITE: Mapping[str, FileForm] = {
    "RELU": FileForm(versions={"int8": 2, "int16": 3}, litert_own=True, computed=True),
    "RELU6": FileForm(versions={"int8": 2, "int16": 3}, litert_own=True, computed=True),
}
ONNX: Mapping[str, FileForm] = {}
POOL: Final = "MAX_POOL_2D"
SPECIAL_IN_TFLITE: frozenset[str] = frozenset({POOL})
SPECIAL_IN_ONNX: frozenset[str] = frozenset({"Clip", "Relu"})
FIXED_RANGE: Interval | None = None
IMAGES: bool = False
SYMMETRIC: bool = False
LITERT_KERNELS: tuple[Kernel, ...] = ("x86",)
TRIALS: Trials | None = Trials(
    layers="separate activation", cases="{cases} codes, every one that there is in {layers}"
)

KERNELS: str = "the kernel of {form} and ONNX Runtime's"
CASE: str = "code"
CASES: str = "codes"
ONE_CODE: bool = True

_SIX: Final = np.float32(6)
_OPERATORS: Final[Mapping[Activation, str]] = {"relu": "RELU", "relu6": "RELU6"}
_ACTIVATIONS: Final[Mapping[str, Activation]] = {"RELU": "relu", "RELU6": "relu6"}
_NUMBERS: Final[Mapping[Activation, int]] = {"none": 0, "relu": 1, "relu6": 3}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clamp(EachCode):
    """An activation of each element."""

    activation: Activation


NODE: type[Clamp] = Clamp
kernel_shape = without_weights.kernel_shape
work = without_weights.work
scale_ratios = without_weights.scale_ratios
operand_ranges = without_weights.operand_ranges
output_shape = each_code.output_shape
all_cases = each_code.all_cases
cases_of = each_code.cases_of
trials = batches_of_all_codes
ort_limits = no_limits
given_shape = stored.same_shape


def output_range(
    layer: Layer, ranges: Ranges, inputs: Sequence[Shape], weights: Weights | None
) -> Interval:
    """Return the input's range: on its grid only codes are clipped."""
    del inputs, weights
    return ranges[layer.inputs[0]]


def quantise(
    layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
) -> Clamp:
    """Return the node of a layer."""
    del inputs, weights
    return Clamp(input=layer.inputs[0], output=output, activation=layer.activation)


def float_layer(node: Clamp, inputs: Sequence[QTensor]) -> Layer:
    """Return the layer of a node."""
    return dataclasses.replace(layer_of("clamp", node, inputs), activation=node.activation)


def _is_on_one_grid(source: QTensor, out: QTensor) -> bool:
    return (source.scale, source.zero_point) == (out.scale, out.zero_point)


def _is_pool(node: Clamp, source: QTensor) -> bool:
    return _is_on_one_grid(source, node.output) and len(source.shape) == IMAGE_AXES


def certify(node: Clamp, inputs: Sequence[QTensor]) -> Certificate:
    """Return the certificate of codes that are clipped, or of a table."""
    cases = (all_codes(),)
    (expected,), others = litert_cases(node, inputs, cases), ort_cases(node, inputs, cases)
    proof = each_code.certify_table(node, inputs[0], expected, others)
    return dataclasses.replace(proof, table=not _is_on_one_grid(inputs[0], node.output))


def litert_cases(
    node: Clamp, inputs: Sequence[QTensor], cases: Cases, form: str = ""
) -> tuple[Codes, ...]:
    """Return the codes of the fused clamp, or of TFLite's kernel of RELU."""
    del form
    (source,), out = inputs, node.output
    values = cases[0]
    if not _is_on_one_grid(source, out):
        factor = FixedPoint.of(float(source.scale / out.scale))
        values = factor.times(values - source.zero_point) + out.zero_point
    return (np.clip(values, *_ends(node)),)


def _ends(node: Clamp) -> tuple[int, int]:
    low, high = clamp(node.activation, node.output)
    return low, max(low, high)


def ort_cases(
    node: Clamp, inputs: Sequence[QTensor], cases: Cases, form: str = ""
) -> tuple[Codes, ...]:
    """Return ONNX Runtime's codes: clipped ones, or quantised again."""
    del form
    (source,), out = inputs, node.output
    values = cases[0]
    if not _is_on_one_grid(source, out):
        values = each_code.ort(lambda real: real, values, source, out, source.scale)
    return (np.clip(values, *_ends(node)),)


def litert_limits(node: Clamp, inputs: Sequence[QTensor], form: str) -> Iterator[str]:
    """Yield why a kernel clips elsewhere, or takes only one grid."""
    (source,), out = inputs, node.output
    if form == POOL and not _is_on_one_grid(source, out):
        yield "a pool with two grids"
    steps = _SIX / out.scale
    if form == "RELU6" and np.rint(steps) != np.floor(steps + np.float32(0.5)):
        yield "6 lies halfway between two codes, which TFLite rounds up"


def node_of(layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor) -> Clamp:
    """Return the node of a layer in a file, before its clamp.

    Raises:
        ConversionError: It has another number of inputs.
    """
    del layer
    expect(output.name, "number of inputs", len(inputs), 1)
    return Clamp(input=inputs[0].name, output=output, activation="none")


def multiplier_of(layer: StoredLayer) -> np.float32 | None:
    """Return what codes are multiplied by: 1 if they are only clipped; see `StatesMultiplier`."""
    if layer.multiplier is not None or len(layer.reads) != 1:
        return layer.multiplier
    source, out = layer.reads[0].scale, layer.output.scale
    return None if source is None or out is None else source / out


def by_multiplier(layer: StoredLayer) -> StoredLayer:
    """Return a layer on scales that give its multiplier; see `capabilities.StatesMultiplier`."""
    if layer.multiplier is None or len(layer.reads) != 1:
        return layer
    (read,), out, one = layer.reads, layer.output, np.float32(1)
    # Codes that are only clipped are the same whichever of them is 0.
    stated = read.zero_point if out.zero_point is None else out.zero_point
    zero_point = 0 if stated is None else stated
    return dataclasses.replace(
        layer,
        reads=(dataclasses.replace(read, scale=layer.multiplier, zero_point=zero_point),),
        output=dataclasses.replace(out, scale=one, zero_point=zero_point),
        multiplier=None,
    )


def litert_codes(
    node: Clamp, inputs: Sequence[QTensor], codes: Sequence[Int8], *, kernel: Kernel
) -> Int8:
    """Return the codes that LiteRT computes, on every architecture."""
    del kernel
    (table,) = litert_cases(node, inputs, (all_codes(),))
    return each_code.look_up(table, codes[0])


def float_values(
    node: Clamp, inputs: Sequence[Float32], weights: tuple[Float32, Float32] | None
) -> Float32:
    """Return the activation of real values."""
    del weights
    highest = _SIX if node.activation == "relu6" else np.float32(np.inf)
    lowest = np.float32(-np.inf if node.activation == "none" else 0)
    clipped: Float32 = np.clip(inputs[0], lowest, highest)
    return clipped


def tflite_version(node: Clamp, inputs: Sequence[QTensor]) -> Version:
    """Return the version of int8, of RELU or of MAX_POOL_2D."""
    if node.activation == "relu" and not _is_pool(node, inputs[0]):
        return Version(number=2, runtime="2.1.0")
    return Version(number=2, runtime="1.14.0")


def write_tflite(
    model: TfliteWriter, node: Clamp, inputs: Sequence[TfliteInput], output: int
) -> None:
    """Add a pool of single pixels, or a RELU where the grid or the shape does not allow it.

    Raises:
        ConversionError: It is no activation.
    """
    source, places = inputs[0].tensor, tflite.indices(inputs)
    version = tflite_version(node, [source]).number
    if node.activation not in _OPERATORS:
        raise ConversionError(
            f"`{node.output.name}`: expected ReLU or ReLU6, received {node.activation}"
        )
    if not _is_pool(node, source):
        model.operator(_OPERATORS[node.activation], version, places, output)
        return
    model.operator(
        POOL,
        version,
        places,
        output,
        "Pool2DOptions",
        StrideW=1,
        StrideH=1,
        FilterWidth=1,
        FilterHeight=1,
        FusedActivationFunction=_NUMBERS[node.activation],
    )


def is_in_tflite(operator: TfliteOperator, tensors: Sequence[TfliteTensor]) -> bool:
    """Whether a pool is one of single pixels with an activation; see `SpecialCase`."""
    del tensors
    sizes = (operator.option(name) for name in _ONE)
    return operator.activation in _OPERATORS and set(sizes) == {1}


_ONE: Final = ("stride_w", "stride_h", "filter_width", "filter_height")


def read_tflite(operator: TfliteOperator, scope: Scope) -> Clamp:
    """Return the node of an operator."""
    source, target = tflite.ends(operator, inputs=1)
    activation = _ACTIVATIONS.get(operator.builtin, tflite.activation_of(operator))
    if activation is None:
        raise tflite.refusal(operator, "expected ReLU or ReLU6")
    read = scope.read(source, operator).name
    return Clamp(input=read, output=scope.write(target), activation=activation)


def write_onnx(
    model: OnnxWriter,
    node: Clamp,
    inputs: Sequence[OnnxInput],
    output: str,
    certificate: Certificate | None,
) -> None:
    """Add a Clip of codes, or a table of all codes where the certificate asks for one."""
    if required(node.output.name, certificate).table:
        (table,) = litert_cases(node, [inputs[0].tensor], (all_codes(),))
        onnx.look_up(model, node.output.name, inputs[0], table, output)
        return
    bounds = (model.scalar(np.uint8(code + onnx.OFFSET)) for code in _ends(node))
    model.node("Clip", [inputs[0].codes, *bounds], output)


def layer_of_tflite(source: LayerSource) -> StoredLayer:
    """Return a clamp."""
    layer = dataclasses.replace(source.layer, kind="clamp")
    operator = source.operator
    return clamped(layer, _ACTIVATIONS.get(operator.builtin, operator.activation))


def examples() -> Iterator[Example]:
    """Yield both activations on one grid and on two, of an image and of a vector."""
    grids = {"one": ((0.0511, 0.0511), (-30, -30)), "two": ((0.0511, 0.0317), (-30, -128))}
    for name, shape, grid, activation in _EXAMPLES:
        source, out = tensors(("image", "result"), shape, *grids[grid])
        node = Clamp(input="image", output=out, activation=activation)
        yield Example(name=name, node=node, inputs=(source,))


_EXAMPLES: Final[tuple[tuple[str, Shape, str, Activation], ...]] = (
    ("ReLU", (4, 6, 3), "one", "relu"),
    ("ReLU6", (4, 6, 3), "one", "relu6"),
    ("ReLU of a vector", (50,), "one", "relu"),
    ("ReLU on another grid", (4, 6, 3), "two", "relu"),
    ("ReLU6 on another grid", (4, 6, 3), "two", "relu6"),
)
