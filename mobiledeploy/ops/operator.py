"""What the module of an operator offers: the interface that `ops.table` lists modules of.

`ops/add.py` is an example. Everything about an operator is in its module. Code that quantises,
certifies, runs, writes or reads a graph takes the module from the table and calls it.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import (
    Any,
    Final,
    Literal,
    Protocol,
    TypeAlias,
    TypeVar,
    assert_never,
    runtime_checkable,
)

import numpy as np

from mobiledeploy.formats.model import Format
from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.formats.tflite import TfliteOperator, TfliteTensor
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.certificate import Certificate
from mobiledeploy.ops.file_form import FileForm, ScaleRatio
from mobiledeploy.ops.grid import Grid
from mobiledeploy.ops.onnx import OnnxInput
from mobiledeploy.ops.padding import Pads
from mobiledeploy.ops.ranges import Interval, Ranges
from mobiledeploy.ops.stored import StoredLayer
from mobiledeploy.ops.tensors import Codes, Float32, Int8, QTensor, Shape
from mobiledeploy.ops.tflite import Scope, TfliteInput, Version
from mobiledeploy.ops.tflite_reading import LayerSource
from mobiledeploy.ops.weights import QWeights, Weights

Kernel: TypeAlias = Literal["x86", "arm64"]
"""Of which architecture LiteRT's kernels are, where they differ."""

Cases: TypeAlias = tuple[Codes, ...]
"""What decides an output code, one array for each thing that does: of an addition the codes of
both operands, of a mean the sum of codes. All of one shape."""


class Node(Protocol):
    """An operator in an integer graph: a frozen dataclass.

    Its fields are the names of what it reads (`input` or `inputs`), `output`, for some `weights`,
    and then its options: whatever else decides what it computes.
    """

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors that it reads."""

    @property
    def output(self) -> QTensor:
        """The tensor that it writes."""

    def check(self, inputs: Sequence[QTensor]) -> None:
        """Check shapes, types and grids against the tensors that it reads.

        Raises:
            ConversionError: Names the node, says what was expected and received.
        """


@runtime_checkable
class WeightedNode(Node, Protocol):
    """A node with a kernel and a bias."""

    @property
    def weights(self) -> QWeights:
        """Kernel and bias."""

    @property
    def channel_axis(self) -> int:
        """Axis of the output channels in the kernel."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a layer costs, counted.

    Attributes:
        macs: Multiply-accumulate operations of its kernel for one image.
        parameters: As Keras counts them, batch normalisation's moving statistics included.
        int8_bytes: Of its weights: int8 kernel and int32 biases, batch norm folded in.
    """

    macs: int
    parameters: int
    int8_bytes: int


NO_WORK: Final = Work(macs=0, parameters=0, int8_bytes=0)
"""Of operators without weights."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Example:
    """A node for the tests of an operator and for the mutants.

    Attributes:
        name: For test reports, unique within the operator.
        node: The node.
        inputs: What it reads, in its order, under the names that it reads.
    """

    name: str
    node: Node
    inputs: tuple[QTensor, ...]


N = TypeVar("N", bound=Node)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """The inputs of cut-out layers of an operator, in words for messages.

    Attributes:
        layers: What the layers are: `addition`.
        cases: What their inputs are; `{cases}` and `{layers}` are replaced by how many there are.
    """

    layers: str
    cases: str


class Operator(Protocol[N]):
    """A module of `ops` for one operator, or the `EachCodeOperator` in it."""

    @property
    def NODE(self) -> type[N]:
        """Its node in an integer graph."""

    @property
    def LAYERS(self) -> tuple[str, ...]:
        """What it is called in an `Architecture`."""

    @property
    def TFLITE(self) -> Mapping[str, FileForm]:
        """Its forms in a `.tflite` of any tool, by names in the schema's `BuiltinOperator`."""

    @property
    def ONNX(self) -> Mapping[str, FileForm]:
        """Its forms in an `.onnx` of any tool, by operator names.

        Also forms that we neither write nor compute.
        """

    @property
    def FIXED_RANGE(self) -> Interval | None:
        """The range of every output, where it does not depend on what is computed."""

    @property
    def IMAGES(self) -> bool:
        """Whether it reads images, so that a vector in a file is an image of one pixel to it."""

    @property
    def SYMMETRIC(self) -> bool:
        """Whether it has two operands that may change places."""

    @property
    def LITERT_KERNELS(self) -> tuple[Kernel, ...]:
        """The architectures for which `litert_codes` computes different codes.

        Only one of them if all kernels compute alike.
        """

    @property
    def TRIALS(self) -> Trials | None:
        """What `trials` are; None if there are none."""

    def kernel_shape(self, layer: Layer) -> Shape:
        """Return the kernel's shape in Keras's order; empty for operators without weights."""

    def output_shape(self, layer: Layer, inputs: Sequence[Shape]) -> Shape:
        """Return the output's shape.

        Args:
            layer: With its parameters.
            inputs: Shapes of its inputs.

        Raises:
            RequestError: Names the layer; their number, ranks or sizes are none it can take.
        """

    def work(self, layer: Layer, inputs: Sequence[Shape]) -> Work:
        """Return what a layer costs."""

    def operand_ranges(self, layer: Layer, ranges: Ranges) -> Ranges:
        """Return what its inputs' ranges must become so that LiteRT's kernel takes the layer.

        Args:
            layer: The layer.
            ranges: Of all tensors.

        Returns:
            Of its inputs; nothing for those that may stay.
        """

    def output_range(
        self, layer: Layer, ranges: Ranges, inputs: Sequence[Shape], weights: Weights | None
    ) -> Interval:
        """Return what its output's range must become, likewise.

        Args:
            layer: The layer.
            ranges: Of all tensors.
            inputs: Shapes of its inputs.
            weights: Kernel and bias, if it has them.
        """

    def scale_ratios(self, inputs: Sequence[float], output: float) -> tuple[ScaleRatio, ...]:
        """Return the ratios of scales that LiteRT's kernel has bounds for.

        Args:
            inputs: Scales of its inputs; NaN where one is not known.
            output: Scale of its output.
        """

    def quantise(
        self, layer: Layer, inputs: Sequence[Grid], output: QTensor, weights: Weights | None
    ) -> N:
        """Return the node of a layer.

        Args:
            layer: The layer.
            inputs: Grids of its inputs, before scales are rounded to float32.
            output: What it writes.
            weights: Kernel and bias, if it has them.
        """

    def float_layer(self, node: N, inputs: Sequence[QTensor]) -> Layer:
        """Return the layer of a node, under the names of its tensors."""

    def litert_codes(
        self, node: N, inputs: Sequence[QTensor], codes: Sequence[Int8], *, kernel: Kernel
    ) -> Int8:
        """Return what LiteRT with XNNPACK computes, bit for bit.

        Args:
            node: What to compute.
            inputs: Grids of its inputs.
            codes: The inputs, shape (batch, ...).
            kernel: Of which architecture.
        """

    def float_values(
        self, node: N, inputs: Sequence[Float32], weights: tuple[Float32, Float32] | None
    ) -> Float32:
        """Return what a node computes from real values if nothing is rounded or clipped.

        Args:
            node: What to compute.
            inputs: Real values, shape (batch, ...).
            weights: Kernel, in the node's order, and bias as real values, if it has them.
        """

    def tflite_version(self, node: N, inputs: Sequence[QTensor]) -> Version:
        """Return the operator's version in a `.tflite`."""

    def write_tflite(
        self, model: TfliteWriter, node: N, inputs: Sequence[TfliteInput], output: int
    ) -> None:
        """Add the operator, and the constants that it needs.

        Args:
            model: To add them to.
            node: What to write.
            inputs: The activations that it reads.
            output: Index of the one that it writes.
        """

    def read_tflite(self, operator: TfliteOperator, scope: Scope) -> Node:
        """Return the node that is the same function as an operator of a `.tflite`.

        Raises:
            ConversionError: There is none.
        """

    def layer_of_tflite(self, source: LayerSource) -> StoredLayer | None:
        """Return an operator of a `.tflite` of any tool as a layer.

        Args:
            source: The operator, one of `TFLITE`.

        Returns:
            A layer with faults where the file says what cannot be held; one that is `unknown`
            where that leaves nothing to compare; None where it is another operator's after all.
        """

    def given_shape(self, layer: StoredLayer, shapes: Sequence[Shape]) -> Shape | None:
        """Return the shape that a layer of a file gives; None where that is not known.

        Args:
            layer: Of one of the kinds in `LAYERS`.
            shapes: Of what it reads, of one image; a vector may stand for an image of one pixel.
        """

    def write_onnx(
        self,
        model: OnnxWriter,
        node: N,
        inputs: Sequence[OnnxInput],
        output: str,
        certificate: Certificate | None,
    ) -> None:
        """Add ONNX nodes that ONNX Runtime computes as LiteRT computes the operator.

        Args:
            model: To add them to.
            node: What to write.
            inputs: The codes that it reads.
            output: Name of the tensor with the output's codes.
            certificate: Of an operator that is `Certified`; None of others.
        """

    def node_of(self, layer: StoredLayer, inputs: Sequence[QTensor], output: QTensor) -> N:
        """Return the node that computes what a layer of a file does, before its clamp.

        Args:
            layer: Of one of the kinds in `LAYERS`.
            inputs: What it reads, on the grids by which it does, images where `IMAGES` says so.
            output: What it writes.

        Raises:
            ConversionError: There is none.
        """

    def trials(self, layer: StoredLayer, shapes: Sequence[Shape]) -> tuple[tuple[Int8, ...], int]:
        """Return codes that drive a layer to its limits, and how many cases they are.

        Args:
            layer: Of a file.
            shapes: Of what it reads, (height, width, channels) or (channels,).

        Returns:
            For each input shape (batch, ...).

        Raises:
            ConversionError: Its weights do not fit what it reads, or there are no such codes.
        """

    def examples(self) -> Iterator[Example]:
        """Yield nodes to try the operator with."""


@runtime_checkable
class Certified(Protocol):
    """A module whose operator can be tried out on every input there is, and is.

    The cases are computed by LiteRT's arithmetic and, apart from it, by ONNX Runtime's.
    """

    @property
    def KERNELS(self) -> str:
        """The kernels that compute the cases, in words for messages.

        `{form}` is replaced by the operator's name in the `.tflite`.
        """

    @property
    def CASE(self) -> str:
        """What a case is, in words for messages: `pair of codes`."""

    @property
    def CASES(self) -> str:
        """Several of them."""

    @property
    def ONE_CODE(self) -> bool:
        """Whether a case is one code, if of one channel.

        A table of all of them is then the same operator.
        """

    def certify(self, node: Any, inputs: Sequence[QTensor]) -> Certificate:
        """Return the proof that every runtime gives one code for every input.

        Raises:
            ConversionError: Some runtime does not take the node, or they cannot be brought to
                agree; the message names it.
        """

    def all_cases(self, node: Any, inputs: Sequence[QTensor]) -> Cases:
        """Return all cases there are.

        Raises:
            ConversionError: There are too many.
        """

    def cases_of(self, node: Any, inputs: Sequence[QTensor], codes: Sequence[Int8]) -> Cases:
        """Return the cases in tensors of shape (batch, ...), in the shape of the output."""

    def litert_cases(
        self, node: Any, inputs: Sequence[QTensor], cases: Cases, form: str = ""
    ) -> tuple[Codes, ...]:
        """Return the output codes of cases, once for each kernel that LiteRT may choose.

        Args:
            node: What to compute.
            inputs: Grids of its inputs.
            cases: To compute.
            form: Its name in the file, if it is another than the first of `TFLITE`.
        """

    def ort_cases(
        self, node: Any, inputs: Sequence[QTensor], cases: Cases, form: str = ""
    ) -> tuple[Codes, ...]:
        """Return the output codes of cases, once for each kernel that ONNX Runtime may choose.

        They are those of the form with the inputs' own scales; a certificate may ask for others.

        Args:
            node: What to compute.
            inputs: Grids of its inputs.
            cases: To compute.
            form: Its name in the file, if it is another than `write_onnx` gives it.
        """

    def litert_limits(self, node: Any, inputs: Sequence[QTensor], form: str) -> Iterator[str]:
        """Yield why kernels of other arithmetic than `litert_cases` run an operator of a file."""

    def ort_limits(self, node: Any, inputs: Sequence[QTensor], form: str) -> Iterator[str]:
        """Yield why kernels of other arithmetic than `ort_cases` run an operator of a file."""


@runtime_checkable
class SeveralForms(Protocol):
    """A `Certified` module whose operator is exact in a fast form of the `.onnx`, or a slow one.

    Ranges are widened slightly where that makes the fast form exact.
    """

    def certify_fast(self, node: Any, inputs: Sequence[QTensor]) -> Certificate:
        """Return the proof for the fast form.

        Raises:
            ConversionError: It cannot be brought to agree.
        """


@runtime_checkable
class GivesScores(Protocol):
    """A module whose operator may make scores of the logits where it is a network's last."""

    @property
    def SCORES(self) -> str:
        """What it is called, for people; empty for an operator that makes none."""


@runtime_checkable
class SpecialCase(Protocol):
    """A module whose operator also stands in files as a case of another one's.

    Attributes:
        SPECIAL_IN_TFLITE: Names in `BuiltinOperator` under which it stands in some `.tflite`.
        SPECIAL_IN_ONNX: Names of ONNX operators, likewise.
    """

    SPECIAL_IN_TFLITE: frozenset[str]
    SPECIAL_IN_ONNX: frozenset[str]

    def is_in_tflite(self, operator: TfliteOperator, tensors: Sequence[TfliteTensor]) -> bool:
        """Whether an operator of such a name is this one.

        Args:
            operator: In the file.
            tensors: Of the file.
        """


@runtime_checkable
class Sampled(Protocol):
    """A module whose operator depends on too many codes at once to try all, so that it is sampled.

    Attributes:
        SAMPLES: What samples are, in words for messages: `vectors of logits`.
        WITHIN: Steps by which a kernel may miss the exact result, correctly rounded.
    """

    SAMPLES: str
    WITHIN: int

    def same_numbers(self, a: StoredLayer, b: StoredLayer) -> bool:
        """Whether two layers of files compute one function, as exact numbers."""

    def samples(self, node: Any, inputs: Sequence[QTensor]) -> Int8:
        """Return codes on which kernels tend to differ, shape (samples, ...)."""

    def exact_codes(self, node: Any, inputs: Sequence[QTensor], codes: Int8) -> Int8:
        """Return the exact result, correctly rounded.

        Args:
            node: What to compute.
            inputs: Grids of its inputs.
            codes: Of its only input, shape (batch, ...).
        """


@runtime_checkable
class MovesCodes(Protocol):
    """A module whose operator writes codes that it reads, or that of real 0, and computes none.

    What it reads and writes is on one grid, so that no kernel has anything to round.

    Attributes:
        MOVES: What it does with codes, in words for messages: `it takes the largest code of each
            window`.
    """

    MOVES: str


@runtime_checkable
class TakesPadding(Protocol):
    """A module whose nodes have a `padding`, and can take over that of a PAD before them."""

    def pad_code(self, zero_point: int | None) -> float:
        """Return the code that it pads with.

        Args:
            zero_point: Of its input; None for floats: then the answer is a real value.
        """

    def padded(self, node: Any, source: QTensor, around: Pads) -> Node | None:
        """Return the node that reads an image without the padding around it.

        Args:
            node: Reads that image with its padding, of the code `pad_code`.
            source: The image without it.
            around: The padding; 0 to have only the node's own one in its simplest form.

        Returns:
            None where there is no such node.
        """


@runtime_checkable
class StatesMultiplier(Protocol):
    """A module whose operator an `.onnx` may describe by what it multiplies codes by.

    Such a layer reads and writes codes whose scales may be nowhere in the file. Its multiplier and
    zero points alone decide which codes it gives.
    """

    def multiplier_of(self, layer: StoredLayer) -> np.float32 | None:
        """Return the number by which a layer multiplies codes minus their zero points.

        None where the file states neither it nor all scales that it comes from.
        """

    def by_multiplier(self, layer: StoredLayer) -> StoredLayer:
        """Return a layer that gives the same codes, on scales from which its multiplier comes.

        One that states no multiplier is returned as it is.
        """


def scores_of(operator: object) -> str:
    """Return what an operator that makes scores is called, for people; else empty.

    Args:
        operator: A row of the table, or None.
    """
    return operator.SCORES if isinstance(operator, GivesScores) else ""


def has_weights(operator: Operator[Any]) -> bool:
    """Whether an operator's nodes have a kernel and a bias."""
    return any(field.name == "weights" for field in dataclasses.fields(operator.NODE))


def layer_of(op: str, node: Node, inputs: Sequence[QTensor], **parameters: Any) -> Layer:
    """Return the layer of a node without weights, under the names of its tensors.

    Args:
        op: What the operator is called in an `Architecture`.
        node: The node.
        inputs: What it reads.
        parameters: What only this operator has.
    """
    return Layer(
        name=node.output.name,
        op=op,
        inputs=node.inputs,
        in_channels=inputs[0].shape[-1],
        out_channels=node.output.shape[-1],
        parameters=parameters,
    )


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
