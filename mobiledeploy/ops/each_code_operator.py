"""`EachCodeOperator`: an operator made of one function, which it computes of each code.

It is an `operator.Operator` that is `Certified`. A module such as `elu` makes one from the
kernels, names and options that are its own.
"""

import dataclasses
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

import numpy as np

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.formats.tflite import TfliteOperator
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops import each_code, stored, tflite, without_weights
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.capabilities import Cases
from mobiledeploy.ops.certificate import Certificate, all_codes, batches_of_all_codes, no_limits
from mobiledeploy.ops.each_code import EachCode
from mobiledeploy.ops.file_form import FileForm
from mobiledeploy.ops.grid import Grid
from mobiledeploy.ops.onnx import OnnxInput
from mobiledeploy.ops.operator import Example, Kernel, Trials, layer_of
from mobiledeploy.ops.ranges import Interval, Ranges
from mobiledeploy.ops.stored import StoredLayer
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
from mobiledeploy.ops.tflite import Scope, TfliteInput, Version
from mobiledeploy.ops.tflite_reading import LayerSource
from mobiledeploy.ops.weights import Weights

E = TypeVar("E", bound=EachCode)

CodesKernel: TypeAlias = Callable[[Codes, QTensor, QTensor], Codes]
"""From codes, the grid that they are read on and that of the output to the output's codes."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FloatForm:
    """A float operator of an `.onnx`, exact wherever no result lies too close to a half.

    Attributes:
        operator: Its name.
        exact: The function on exact numbers.
        rounding: More than the error of any float kernel, in steps of the output.
    """

    operator: str
    exact: Callable[[each_code.Exact], each_code.Exact]
    rounding: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ScaleLimits(Generic[E]):
    """Which scales LiteRT's kernel takes, so that ranges are widened until it does.

    Attributes:
        reasons: Yields why the kernel does not take a node that reads a tensor.
        operand_ranges: As in `operator.Operator`.
        output_range: Likewise.
    """

    reasons: Callable[[E, QTensor], Iterator[str]]
    operand_ranges: Callable[[Layer, Ranges], Ranges]
    output_range: Callable[[Layer, Ranges], Interval]


Tried: TypeAlias = tuple[str, Shape, tuple[float, float], tuple[int, int], Mapping[str, Any]]
"""Name of an example, shape, scales of input and output, their zero points, and options."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EachCodeOperator(Generic[E]):
    """An operator that computes each output code from one code alone.

    Names in capitals are those of `operator.Operator` and `Certified`.

    Attributes:
        NODE: Its node, whose fields after `input` and `output` are the `options`.
        LAYERS: Its only name.
        TFLITE: Its only form in a `.tflite`.
        ONNX: Its forms in an `.onnx`.
        layers: What its layers are, in words for messages.
        KERNELS: The kernels that compute the cases, in words.
        SCORES: As in `capabilities.GivesScores`; empty for those that make no scores.
        version: Of int8 in a `.tflite`.
        options_table: Name of its options in the schema of `.tflite` files; empty if it has none.
        options: How each of the node's options is made from what a layer or file states under that
            name.
        only: The only value of parameters that a file may state and the node has no option for.
        litert: Returns LiteRT's kernel for a node.
        ort: Returns the functions by which ONNX Runtime may compute its float operator for a node.
        real: Returns the function of real values for a node, in float32.
        float_form: Of the `.onnx`; None if it always needs a table.
        grid: Scale and zero point of every output, where a kernel writes on no other; else None.
        limits: Which scales LiteRT's kernel takes; None if it takes all.
        check_layer: Raises a `RequestError` for a layer whose parameters it cannot take.
        tried: Examples.
    """

    NODE: type[E]
    LAYERS: tuple[str]
    TFLITE: Mapping[str, FileForm]
    ONNX: Mapping[str, FileForm]
    layers: str
    KERNELS: str
    SCORES: str = ""

    IMAGES: ClassVar[bool] = False
    SYMMETRIC: ClassVar[bool] = False
    LITERT_KERNELS: ClassVar[tuple[Kernel, ...]] = ("x86",)
    CASE: ClassVar[str] = "code"
    CASES: ClassVar[str] = "codes"
    ONE_CODE: ClassVar[bool] = True

    version: Version
    options_table: str = ""
    options: Mapping[str, Callable[[Any], Hashable]] = dataclasses.field(default_factory=dict)
    only: Mapping[str, Hashable] = dataclasses.field(default_factory=dict)
    litert: Callable[[E], CodesKernel]
    ort: Callable[[E], Sequence[each_code.Function]]
    real: Callable[[E], each_code.Function]
    float_form: FloatForm | None = None
    grid: tuple[np.float32, int] | None = None
    limits: ScaleLimits[E] | None = None
    check_layer: Callable[[Layer], None] = lambda _: None
    tried: Sequence[Tried]

    kernel_shape = staticmethod(without_weights.kernel_shape)
    work = staticmethod(without_weights.work)
    scale_ratios = staticmethod(without_weights.scale_ratios)
    all_cases = staticmethod(each_code.all_cases)
    cases_of = staticmethod(each_code.cases_of)
    trials = staticmethod(batches_of_all_codes)
    ort_limits = staticmethod(no_limits)
    given_shape = staticmethod(stored.same_shape)

    @property
    def TRIALS(self) -> Trials:  # noqa: N802
        """What `trials` are."""
        cases = "{cases} codes, every one that there is in {layers}"
        return Trials(layers=self.layers, cases=cases)

    @property
    def FIXED_RANGE(self) -> Interval | None:  # noqa: N802
        """The range of every output, where its grid is fixed."""
        if self.grid is None:
            return None
        scale, zero_point = self.grid
        return float(scale) * (QMIN - zero_point), float(scale) * (QMAX - zero_point)

    def node(self, source: str, output: QTensor, stated: Callable[[str], Any]) -> E:
        """Return a node.

        Args:
            source: Name of what it reads.
            output: What it writes.
            stated: Returns what a layer or file states under the name of an option.
        """
        options = {name: value(stated(name)) for name, value in self.options.items()}
        return self.NODE(input=source, output=output, **options)

    def output_shape(self, layer: Layer, inputs: Sequence[Shape]) -> Shape:
        """Return the input's shape.

        Raises:
            RequestError: It has another number of inputs, or other parameters.
        """
        shape = each_code.checked_shape(layer, inputs, *self.options)
        self.check_layer(layer)
        return shape

    def operand_ranges(self, layer: Layer, ranges: Ranges) -> Ranges:
        """Return a range of the input for which LiteRT's kernel, or no table, is needed."""
        if self.limits is not None:
            return self.limits.operand_ranges(layer, ranges)
        if self.grid is None:
            return {}
        scale, zero_point = self.grid
        out = QTensor(name=layer.name, shape=(1,), scale=scale, zero_point=zero_point)
        node = self.quantise(layer, [], out, None)
        return each_code.ranges_without_table(
            layer, ranges, lambda source: self.certify(node, [source])
        )

    def output_range(
        self, layer: Layer, ranges: Ranges, inputs: Sequence[Shape], weights: Weights | None
    ) -> Interval:
        """Return a range of the output for which LiteRT's kernel takes the layer."""
        if self.limits is not None:
            return self.limits.output_range(layer, ranges)
        return without_weights.output_range(layer, ranges, inputs, weights)

    def quantise(
        self, layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
    ) -> E:
        """Return the node of a layer."""
        del inputs, weights
        return self.node(layer.inputs[0], output, layer.parameters.__getitem__)

    def float_layer(self, node: E, inputs: Sequence[QTensor]) -> Layer:
        """Return the layer of a node."""
        options = {name: getattr(node, name) for name in self.options}
        return layer_of(self.LAYERS[0], node, inputs, **options)

    def certify(self, node: E, inputs: Sequence[QTensor]) -> Certificate:
        """Return the certificate of the float operator, or of a table, which is always exact.

        Raises:
            ConversionError: LiteRT's kernel does not take the scales.
        """
        for reason in [] if self.limits is None else self.limits.reasons(node, inputs[0]):
            raise ConversionError(
                f"`{node.output.name}`: {reason}",
                hint="its input is all but constant: train or calibrate again",
            )
        (source,), form = inputs, self.float_form
        expected = self._table(node, source)
        if form is None:
            others = self.ort_cases(node, inputs, (all_codes(),))
            return each_code.certify_table(node, source, expected, others)
        return each_code.certify(node, source, expected, form.exact, form.rounding)

    def litert_cases(
        self, node: E, inputs: Sequence[QTensor], cases: Cases, form: str = ""
    ) -> tuple[Codes, ...]:
        """Return LiteRT's codes."""
        del form
        return (self.litert(node)(cases[0], inputs[0], node.output),)

    def ort_cases(
        self, node: E, inputs: Sequence[QTensor], cases: Cases, form: str = ""
    ) -> tuple[Codes, ...]:
        """Return the codes of the float operator in ONNX Runtime."""
        del form
        (source,), out = inputs, node.output
        return tuple(
            each_code.ort(function, cases[0], source, out, source.scale)
            for function in self.ort(node)
        )

    def litert_limits(self, node: E, inputs: Sequence[QTensor], form: str) -> Iterator[str]:
        """Yield why LiteRT refuses a grid, or computes by another kernel."""
        del form
        if self.limits is not None:
            yield from self.limits.reasons(node, inputs[0])
        out = node.output
        if self.grid is not None and (out.scale, out.zero_point) != self.grid:
            scale, zero_point = self.grid
            stated = f"1/{1 / scale:.0f} and {zero_point}"
            yield f"its output's grid is {out.scale} and {out.zero_point}, not {stated}"

    def node_of(self, layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor) -> E:
        """Return the node of a layer in a file.

        Raises:
            ConversionError: It has another number of inputs, or parameters that the node has not.
        """
        for name, value in self.only.items():
            expect(output.name, name, dict(layer.parameters).get(name, value), value)
        expect(output.name, "number of inputs", len(inputs), 1)
        return self.node(inputs[0].name, output, layer.parameter)

    def _table(self, node: E, source: QTensor) -> Codes:
        """Return LiteRT's codes of all codes, ascending."""
        (table,) = self.litert_cases(node, [source], (all_codes(),))
        return table

    def litert_codes(
        self, node: E, inputs: Sequence[QTensor], codes: Sequence[Int8], *, kernel: Kernel
    ) -> Int8:
        """Return LiteRT's codes, on every architecture."""
        del kernel
        return each_code.look_up(self._table(node, inputs[0]), codes[0])

    def float_values(
        self, node: E, inputs: Sequence[Float32], weights: tuple[Float32, Float32] | None
    ) -> Float32:
        """Return the function of real values."""
        del weights
        return self.real(node)(inputs[0])

    def tflite_version(self, node: E, inputs: Sequence[QTensor]) -> Version:
        """Return the version of int8."""
        del node, inputs
        return self.version

    def write_tflite(
        self, model: TfliteWriter, node: E, inputs: Sequence[TfliteInput], output: int
    ) -> None:
        """Add the operator."""
        (builtin,) = self.TFLITE
        options = {name.capitalize(): getattr(node, name) for name in self.options}
        indices = tflite.indices(inputs)
        model.operator(
            builtin, self.version.number, indices, output, self.options_table, **options
        )

    def read_tflite(self, operator: TfliteOperator, scope: Scope) -> E:
        """Return the node of an operator."""
        source, target = tflite.ends(operator, inputs=1)
        read = scope.read(source, operator).name
        return self.node(read, scope.write(target), operator.option)

    def write_onnx(
        self,
        model: OnnxWriter,
        node: E,
        inputs: Sequence[OnnxInput],
        output: str,
        certificate: Certificate | None,
    ) -> None:
        """Add the float operator, or a table of all codes where the certificate asks for one."""
        each_code.write_onnx(
            model,
            node,
            inputs,
            output,
            certificate,
            table=self._table(node, inputs[0].tensor),
            operator="" if self.float_form is None else self.float_form.operator,
        )

    def layer_of_tflite(self, source: LayerSource) -> StoredLayer:
        """Return the layer."""
        parameters = tuple(
            (name, value(source.operator.option(name))) for name, value in self.options.items()
        )
        return dataclasses.replace(source.layer, kind=self.LAYERS[0], parameters=parameters)

    def examples(self) -> Iterator[Example]:
        """Yield nodes to try the operator with."""
        for name, shape, scales, zeros, options in self.tried:
            source, out = tensors(("image", "result"), shape, scales, zeros)
            node = self.node("image", out, options.__getitem__)
            yield Example(name=name, node=node, inputs=(source,))
