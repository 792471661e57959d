"""What an operator's module offers: the interface of the rows of `ops.table`.

`ops/add.py` is an example. Everything about an operator is in its module. Code that quantises,
certifies, runs, writes or reads a graph takes the module from the table and calls it.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, Protocol, TypeAlias, TypeVar

from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.formats.tflite import TfliteOperator
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.certificate import Certificate
from mobiledeploy.ops.file_form import FileForm, ScaleRatio
from mobiledeploy.ops.grid import Grid
from mobiledeploy.ops.node import Node
from mobiledeploy.ops.onnx import OnnxInput
from mobiledeploy.ops.ranges import Interval, Ranges
from mobiledeploy.ops.stored import StoredLayer
from mobiledeploy.ops.tensors import Float32, Int8, QTensor, Shape
from mobiledeploy.ops.tflite import Scope, TfliteInput, Version
from mobiledeploy.ops.tflite_reading import LayerSource
from mobiledeploy.ops.weights import Weights

N = TypeVar("N", bound=Node)

Kernel: TypeAlias = Literal["x86", "arm64"]
"""Of which architecture LiteRT's kernels are, where they differ."""


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
    """A module of `ops` for one operator, or the `OPERATOR` in it."""

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
