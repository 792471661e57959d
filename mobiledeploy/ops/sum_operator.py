"""`SumOperator`: the sum or the difference of two tensors as an operator.

It is an `operator.Operator` that is `Certified`; `add` and `sub` each make one.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar, Final, Generic, TypeVar

import numpy as np

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.formats.onnx import OnnxOperator
from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.formats.tflite import TfliteOperator
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops import (
    constant_operand,
    each_pair,
    onnx,
    stored,
    sums,
    tflite,
    without_weights,
)
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.capabilities import Cases
from mobiledeploy.ops.certificate import REACH, Certificate, required
from mobiledeploy.ops.each_pair import all_pairs, pairs_of_shapes
from mobiledeploy.ops.file_form import FileForm, ScaleRatio
from mobiledeploy.ops.grid import Grid, is_flat
from mobiledeploy.ops.node import TwoEqualInputs
from mobiledeploy.ops.onnx import OnnxInput
from mobiledeploy.ops.onnx_reader import OnnxReader
from mobiledeploy.ops.onnx_values import OnnxActivation
from mobiledeploy.ops.operator import Example, Kernel, Trials, layer_of
from mobiledeploy.ops.ranges import Interval, Ranges, step, wide_enough
from mobiledeploy.ops.stored import Fault, StoredLayer
from mobiledeploy.ops.sums import (
    NARROWEST,
    SHIFT,
    WIDEST,
    Operands,
    Scales,
    SumKernel,
    Zeros,
    certify_kernels,
    codes_of_all_pairs,
    integer_form,
    one,
    write_integers,
    xnnpack,
)
from mobiledeploy.ops.tensors import (
    QMAX,
    QMIN,
    Codes,
    Float32,
    Int8,
    QTensor,
    Shape,
    expect,
    tensors,
)
from mobiledeploy.ops.tflite import Scope, TfliteInput
from mobiledeploy.ops.tflite_reading import LayerSource
from mobiledeploy.ops.weights import Weights

T = TypeVar("T", bound=TwoEqualInputs)

FINEST_SUM: Final = 32.0
"""Most times that a sum's step may be smaller than an operand's: beyond, the sum mostly shows the
operand's rounding. Kernels take finer ones, but such sums can hardly be certified."""


def operand_ranges(layer: Layer, ranges: Ranges) -> Ranges:
    """Return ranges of the operands whose steps are not too small for the sum's."""
    total, widened = step(ranges, layer.name), dict(ranges)
    for operand in layer.inputs:
        if is_flat(*widened[operand]):
            widened[operand] = (0.0, (QMAX - QMIN) * total)
        widened[operand] = wide_enough(total * NARROWEST, operand, widened[operand])
    return {operand: widened[operand] for operand in layer.inputs}


def output_range(
    layer: Layer, ranges: Ranges, inputs: Sequence[Shape], weights: Weights | None
) -> Interval:
    """Return a range of the sum whose step is not too small for the operands'."""
    del inputs, weights
    limit = max(step(ranges, operand) for operand in layer.inputs) / FINEST_SUM
    return wide_enough(limit, layer.name, ranges[layer.name])


def scale_ratios(inputs: Sequence[float], output: float) -> tuple[ScaleRatio, ...]:
    """Return the ratios that XNNPACK checks: each operand's scale over the sum's."""
    return tuple(
        ScaleRatio(inputs=(number,), value=scale / output, lowest=NARROWEST, limit=WIDEST)
        for number, scale in enumerate(inputs)
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SumOperator(Generic[T]):
    """The sum or the difference of two tensors, each with its own grid.

    Names in capitals are those of `operator.Operator` and `Certified`.

    Attributes:
        NODE: Its node.
        LAYERS: Its only name.
        TFLITE: Its only form in a `.tflite`.
        ONNX: Its forms in an `.onnx`.
        SYMMETRIC: Whether the operands may change places.
        KERNELS: The kernels that compute the cases, in words.
        layers: What its layers are, in words for messages.
        sign: 1, or -1 where the second tensor is subtracted.
        operator: The float operator in an `.onnx`.
        kernels: By which ONNX Runtime may compute that.
        reasons: Yields why they do not take ratios of the operands' scales and the output's.
        widened: Whether ranges are widened until XNNPACK's integers are not needed.
        result: Name of the output in examples.
        tried: Names of examples, their shapes, and scales and zero points of both operands and
            the output.
    """

    NODE: type[T]
    LAYERS: tuple[str]
    TFLITE: Mapping[str, FileForm]
    ONNX: Mapping[str, FileForm]
    SYMMETRIC: bool
    KERNELS: str

    FIXED_RANGE: ClassVar[Interval | None] = None
    IMAGES: ClassVar[bool] = False
    LITERT_KERNELS: ClassVar[tuple[Kernel, ...]] = ("x86",)
    CASE: ClassVar[str] = "pair of codes"
    CASES: ClassVar[str] = "pairs of codes"
    ONE_CODE: ClassVar[bool] = False

    layers: str
    sign: int
    operator: str
    kernels: tuple[SumKernel, ...]
    reasons: Callable[[Sequence[float]], Iterator[str]] = lambda _: iter(())
    widened: bool
    result: str
    tried: Sequence[tuple[str, Shape, tuple[float, float, float], Zeros]]

    kernel_shape = staticmethod(without_weights.kernel_shape)
    work = staticmethod(without_weights.work)
    output_shape = staticmethod(each_pair.output_shape)
    operand_ranges = staticmethod(operand_ranges)
    output_range = staticmethod(output_range)
    scale_ratios = staticmethod(scale_ratios)
    all_cases = staticmethod(each_pair.all_cases)
    cases_of = staticmethod(each_pair.cases_of)
    tflite_version = staticmethod(tflite.second_version)
    given_shape = staticmethod(stored.same_shape)

    @property
    def TRIALS(self) -> Trials:  # noqa: N802
        """What `trials` are."""
        cases = "{cases} pairs of codes, every one that there is in {layers}"
        return Trials(layers=self.layers, cases=cases)

    def quantise(
        self, layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
    ) -> T:
        """Return the node of a layer."""
        del inputs, weights
        left, right = layer.inputs
        return self.NODE(inputs=(left, right), output=output)

    def float_layer(self, node: T, inputs: Sequence[QTensor]) -> Layer:
        """Return the layer of a node."""
        return layer_of(self.LAYERS[0], node, inputs)

    def _numbers(self, node: T, inputs: Sequence[QTensor]) -> tuple[Scales, Zeros]:
        (a, b), out = inputs, node.output
        scales = a.scale, np.float32(self.sign) * b.scale, out.scale
        return scales, (a.zero_point, b.zero_point, out.zero_point)

    def certify(self, node: T, inputs: Sequence[QTensor]) -> Certificate:
        """Return a certificate of other scales or of XNNPACK's integers.

        Raises:
            ConversionError: XNNPACK does not take the scales.
        """
        (a, b), out = inputs, node.output
        self._require_scales(out.name, (a.scale, b.scale), out.scale)
        return certify_kernels(out.name, *self._numbers(node, inputs), self.kernels)

    def certify_fast(self, node: T, inputs: Sequence[QTensor]) -> Certificate:
        """Return a certificate of ONNX Runtime's own kernels where ranges are widened for them.

        Raises:
            ConversionError: As in `certify_scales`.
        """
        if not self.widened:
            return self.certify(node, inputs)
        scales, zeros = self._numbers(node, inputs)
        return self.certify_scales(node.output.name, scales=scales, zeros=zeros)

    def certify_scales(self, name: str, *, scales: Scales, zeros: Zeros) -> Certificate:
        """Return a certificate of other scales.

        Args:
            name: For the error.
            scales: Of operands and output.
            zeros: Their zero points.

        Raises:
            ConversionError: XNNPACK does not take the scales, or no scales nearby make all
                kernels agree. Two opposite sums that are a half exactly cannot be mended: XNNPACK
                rounds both up, and a scale moves them apart. A wider range has none; see
                `integer.certify.exact_ranges`.
        """
        a_scale, b_scale, scale = scales
        self._require_scales(name, (a_scale, b_scale), scale)
        certificate = certify_kernels(name, scales, zeros, self.kernels)
        if certificate.integers:
            raise ConversionError(
                f"{self.layers} `{name}`: {certificate.differing_before} of its "
                f"{certificate.cases} pairs of codes differ between runtimes, and no scales "
                f"within {REACH} units in the last place of {a_scale} and {b_scale} mend it",
                hint="calibrate with other images, which moves the scales",
            )
        return certificate

    def _require_scales(
        self, name: str, scales: tuple[np.float32, np.float32], scale: np.float32
    ) -> None:
        for operand in scales:
            if not NARROWEST <= operand / scale < WIDEST:
                raise ConversionError(
                    f"{self.layers} `{name}`: expected operand scales within {NARROWEST} and "
                    f"{WIDEST} of the sum's scale {scale}, received {operand}",
                    hint=f"one operand of the {self.layers} is all but constant: "
                    "train or calibrate again",
                )

    def _by(self, kernel: SumKernel, node: T, inputs: Sequence[QTensor], cases: Cases) -> Codes:
        """Return the output codes of pairs of codes, by one kernel."""
        (left, right), (scales, zeros) = cases, self._numbers(node, inputs)
        every = all_pairs()
        if left is every[0] and right is every[1]:
            return codes_of_all_pairs(kernel, scales, zeros).astype(np.int64)
        operands = Operands(a=left.ravel(), b=right.ravel(), zeros=zeros)
        total = kernel(operands, one(scales[0]), one(scales[1]), scales[2])
        return total.reshape(left.shape)

    def litert_cases(
        self, node: T, inputs: Sequence[QTensor], cases: Cases, form: str = ""
    ) -> tuple[Codes, ...]:
        """Return XNNPACK's codes."""
        del form
        return (self._by(xnnpack, node, inputs, cases),)

    def litert_own(self, node: T, inputs: Sequence[QTensor], cases: Cases) -> Codes:
        """Return the codes of TFLite's own kernel.

        Raises:
            ConversionError: See `fixed_point.clipped`.
        """
        return self._by(sums.tflite, node, inputs, cases)

    def ort_cases(
        self, node: T, inputs: Sequence[QTensor], cases: Cases, form: str = ""
    ) -> tuple[Codes, ...]:
        """Return the codes of each kernel of ONNX Runtime; those in integers are XNNPACK's."""
        kernels = (xnnpack,) if form == SHIFT else self.kernels
        return tuple(self._by(kernel, node, inputs, cases) for kernel in kernels)

    def litert_limits(self, node: T, inputs: Sequence[QTensor], form: str) -> Iterator[str]:
        """Yield the operands whose scales XNNPACK does not take."""
        del form
        for operand in inputs:
            ratio = float(operand.scale) / float(node.output.scale)
            if not NARROWEST <= ratio < WIDEST:
                yield f"operand scale / output scale is {ratio:.3g}: not for XNNPACK"

    def ort_limits(self, node: T, inputs: Sequence[QTensor], form: str) -> Iterator[str]:
        """Yield why ONNX Runtime's kernels do not take the scales."""
        ratios = [float(operand.scale) / float(node.output.scale) for operand in inputs]
        return iter(()) if form == SHIFT else self.reasons(ratios)

    def node_of(self, layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor) -> T:
        """Return the node of a layer in a file.

        Raises:
            ConversionError: It has another number of operands.
        """
        del layer
        expect(output.name, "number of inputs", len(inputs), 2)
        return self.NODE(inputs=(inputs[0].name, inputs[1].name), output=output)

    def trials(self, layer: StoredLayer, shapes: Sequence[Shape]) -> tuple[tuple[Int8, ...], int]:
        """Return all pairs of codes.

        Raises:
            ConversionError: The operands have two shapes.
        """
        del layer
        if len(set(shapes)) != 1:
            raise ConversionError(f"its operands have the shapes {list(shapes)}")
        return pairs_of_shapes((shapes[0], shapes[0])), all_pairs()[0].size

    def litert_codes(
        self, node: T, inputs: Sequence[QTensor], codes: Sequence[Int8], *, kernel: Kernel
    ) -> Int8:
        """Return the codes that XNNPACK computes, on every architecture."""
        del kernel
        (total,) = self.litert_cases(node, inputs, self.cases_of(node, inputs, codes))
        return total.astype(np.int8)

    def float_values(
        self, node: T, inputs: Sequence[Float32], weights: tuple[Float32, Float32] | None
    ) -> Float32:
        """Return the sum or the difference of real values."""
        del node, weights
        return inputs[0] + np.float32(self.sign) * inputs[1]

    def write_tflite(
        self, model: TfliteWriter, node: T, inputs: Sequence[TfliteInput], output: int
    ) -> None:
        """Add the operator."""
        (builtin,) = self.TFLITE
        version, options = self.tflite_version(node, []).number, f"{self.operator}Options"
        model.operator(builtin, version, tflite.indices(inputs), output, options)

    def read_tflite(self, operator: TfliteOperator, scope: Scope) -> T:
        """Return the node of an operator.

        Raises:
            ConversionError: An activation would change codes.
        """
        sources, output = tflite.read_operands(operator, scope)
        return self.NODE(inputs=sources, output=output)

    def write_onnx(
        self,
        model: OnnxWriter,
        node: T,
        inputs: Sequence[OnnxInput],
        output: str,
        certificate: Certificate | None,
    ) -> None:
        """Add the operator with the certificate's scales, or XNNPACK's integers.

        ONNX Runtime fuses an Add with its scales into QLinearAdd.
        """
        proof = required(node.output.name, certificate)
        if proof.integers:
            a, b = inputs
            form = integer_form(*self._numbers(node, [a.tensor, b.tensor]))
            write_integers(model, (a.codes, b.codes), form, output)
            return
        real = model.node(self.operator, onnx.dequantise(model, inputs, proof.scales))
        onnx.quantise(model, real, node.output, output)

    def layer_of_tflite(self, source: LayerSource) -> StoredLayer:
        """Return a sum of two activations, or the table of one and a constant."""
        if len(source.inputs) != 2:
            return constant_operand.table_of(
                source, self.NODE, self.litert_limits, self.litert_cases, self.litert_own
            )
        return source.as_kind(self.LAYERS[0])

    def examples(self) -> Iterator[Example]:
        """Yield nodes to try the operator with."""
        for name, shape, scales, zeros in self.tried:
            a, b, output = tensors(("a", "b", self.result), shape, scales, zeros)
            node = self.NODE(inputs=("a", "b"), output=output)
            yield Example(name=name, node=node, inputs=(a, b))


def add_layer(
    reader: OnnxReader, node: OnnxOperator, kind: str, a: OnnxActivation, b: OnnxActivation
) -> OnnxActivation:
    """Add the layer of a node of an `.onnx`; return its output as real values.

    Args:
        reader: Of the file.
        node: The node.
        kind: `add` or `sub`.
        a: Its first operand.
        b: Its second.
    """
    faults: tuple[Fault, ...] = ()
    if a.axes != b.axes:
        detail = (
            f"an operand with axes {a.axes or 'unknown'} is added to one with {b.axes}"
            if kind == "add"
            else f"axes {b.axes or 'unknown'} are subtracted from {a.axes or 'unknown'}"
        )
        faults = (Fault(field="axis", detail=detail),)
    return reader.add_layer(node, kind, [a, b], a, faults=faults)
