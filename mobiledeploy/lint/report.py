"""The result of an inspection, whose JSON follows docs/schemas/inspect.schema.json."""

import dataclasses
from typing import Literal, TypeAlias

from mobiledeploy.base.codec import OMIT
from mobiledeploy.formats.model import Dimension
from mobiledeploy.formats.tflite.metadata import ArchivedFile, ModelMetadata
from mobiledeploy.lint.inputs_outputs import InputOrOutput
from mobiledeploy.lint.mediapipe import Refusal
from mobiledeploy.lint.required_runtime import RequiredRuntime
from mobiledeploy.lint.rule import Finding
from mobiledeploy.network.importers.imported import Layout, Notice
from mobiledeploy.ops.tensors import Shape
from mobiledeploy.spec.channel_scaling import ChannelScaling
from mobiledeploy.spec.config import Task

Head: TypeAlias = Literal["softmax", "sigmoid", "log_softmax", "none", "unknown"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OperatorLine:
    """How often an operator occurs in the file.

    Attributes:
        kind: The operator's name.
        domain: Empty for the format's own operators.
        version: TFLite's version, or the ONNX operator set that defined it; 0 if unknown.
        count: How often it occurs in all graphs.
    """

    kind: str
    domain: str
    version: int
    count: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TensorLine:
    """A tensor of the main graph.

    Attributes:
        name: Name in the file.
        dtype: Type of its values; empty if the file does not say.
        shape: Shape with the batch; None if the file does not say.
        scales: Number of scales; 0 if it is not quantised.
        scale: Lowest and highest scale; None if it is not quantised.
        zero_point: Lowest and highest zero point; None if it is not quantised.
        axis: The quantised dimension if there are several scales.
        stored: Size of a constant in bytes.
    """

    name: str
    dtype: str
    shape: tuple[Dimension, ...] | None
    scales: int
    scale: tuple[float, float] | None
    zero_point: tuple[int, int] | None
    axis: int | None
    stored: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """The contents and findings of a file.

    Attributes:
        file: Path of the file, as given.
        format: `tflite` or `onnx`.
        size: Size of the file in bytes.
        sha256: Hexadecimal digest of the bytes.
        kind: Type that it computes in: `int8`, `uint8`, `float32`, `mixed` ...
        description: The description that the file states; may be empty.
        producer: Program that wrote it, as the file states it; may be empty.
        ir_version: ONNX IR version; 0 for TFLite.
        opsets: ONNX operator sets: version by domain; empty for TFLite.
        graphs: Number of graphs; tensors are those of the first.
        macs: Multiply-accumulates for one image with the file's kernels; None if not known.
        weight_bytes: Bytes of all stored values.
        runtime: The oldest runtime that runs it.
        inputs: The inputs.
        outputs: The outputs.
        operators: Its operators, most frequent first.
        tensors: Its tensors, in the file's order.
        metadata: By name: a text, or a size.
        signatures: TFLite signatures: by key, the names and tensors of inputs and outputs.
        findings: Rules that it breaks, errors first.
        described: What the metadata of a `.tflite` say; None, and absent from the JSON, for none.
        archived: Files behind a `.tflite`; absent from the JSON if there are none.
        labels: Names of the classes in them; absent from the JSON if there are none.
        mediapipe: Why the ImageClassifier of MediaPipe refuses a `.tflite` of images; empty if it
            takes it. None, and absent from the JSON, for other files.
    """

    file: str
    format: str
    size: int
    sha256: str
    kind: str
    description: str
    producer: str
    ir_version: int
    opsets: dict[str, int]
    graphs: int
    macs: int | None
    weight_bytes: int
    runtime: RequiredRuntime
    inputs: tuple[InputOrOutput, ...]
    outputs: tuple[InputOrOutput, ...]
    operators: tuple[OperatorLine, ...]
    tensors: tuple[TensorLine, ...]
    metadata: dict[str, str]
    signatures: dict[str, dict[str, dict[str, str]]]
    findings: tuple[Finding, ...]
    described: ModelMetadata | None = dataclasses.field(default=None, metadata=OMIT)
    archived: tuple[ArchivedFile, ...] = dataclasses.field(default=(), metadata=OMIT)
    labels: tuple[str, ...] = dataclasses.field(default=(), metadata=OMIT)
    mediapipe: tuple[Refusal, ...] | None = dataclasses.field(default=None, metadata=OMIT)

    def count(self, severity: str) -> int:
        """Return how many rules of a severity it breaks."""
        return sum(finding.severity == severity for finding in self.findings)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ComparedFact:
    """A fact on which the files of a build should agree.

    Attributes:
        what: The fact in words.
        same: Whether the files agree.
        values: The fact for each file.
    """

    what: str
    same: bool
    values: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class KerasLayer:
    """A layer of a Keras model, or one of the operators that it consists of.

    Attributes:
        name: Name in the file, with a suffix where one layer becomes several operators.
        kind: Its class.
        operator: What it computes, as `network.float_graph.OPERATORS` names it.
        shape: Shape of its output without the batch, the channels last; None if it is not known.
        weights: Number of its constants; a batch normalisation has two a channel.
        layer: The layer's name in the file, behind those of the models around it.
    """

    name: str
    kind: str
    operator: str
    shape: Shape | None
    weights: int
    layer: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class KerasReport:
    """The contents of a whole Keras model.

    Attributes:
        file: Path of the file, as given.
        size: Size of the file in bytes.
        sha256: Hexadecimal digest of the bytes.
        producer: Version of Keras that wrote it; may be empty.
        dtypes: Floating-point types of the weights, as stored.
        input_shape: Shape of an input without the batch, the channels last.
        input_layout: Axes of the model's own input.
        output_shape: Shape of an output without the batch; None if it is not known.
        layers: Layers on which the output depends, except those that change nothing at inference,
            such as dropout.
    """

    file: str
    size: int
    sha256: str
    producer: str
    dtypes: tuple[str, ...]
    input_shape: Shape
    input_layout: Layout
    output_shape: Shape | None
    layers: tuple[KerasLayer, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RefusedLayer:
    """A layer that `mobiledeploy quantize` does not support.

    Attributes:
        name: Name in the file.
        kind: What the file calls its operator.
        reason: Why it is not supported.
    """

    name: str
    kind: str
    reason: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeReport:
    """What `mobiledeploy quantize` does with a float file.

    Attributes:
        file: Path of the file, as given.
        takes: Whether it takes the file.
        refused: Layers for which it does not.
        reason: Why else it does not; may be empty.
        hint: What to do then; may be empty.
        image: Whether the input is an image; otherwise `quantize` takes a file of values.
        scaling: How pixels become the input, as the file says it; None if it does not.
        needs_input_range: Whether a user has to say it, or labelled photos have to decide.
        head: Operator that gives the output: `softmax`, `sigmoid`, `log_softmax`, `none` of these,
            or `unknown`.
        task: What `quantize` takes the outputs for, unless a user says it; None if not known.
        classes: Number of values in the output's last axis; 0 if it is not known.
        labels: Names of the classes in the file.
        notices: What else a user should know.
    """

    file: str
    takes: bool
    refused: tuple[RefusedLayer, ...] = ()
    reason: str = ""
    hint: str = ""
    image: bool = True
    scaling: ChannelScaling | None = None
    needs_input_range: bool = False
    head: Head = "unknown"
    task: Task | None = None
    classes: int = 0
    labels: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """One file, or the files of a build and how they compare.

    Attributes:
        files: Reports of a `.tflite` and an `.onnx`, in this order; empty for a Keras model.
        across: The compared facts; empty for one file.
        keras: Report of a Keras model.
        quantize: What `quantize` does with each of the files that computes in floats.
    """

    files: tuple[FileReport, ...]
    across: tuple[ComparedFact, ...]
    keras: KerasReport | None = dataclasses.field(default=None, metadata=OMIT)
    quantize: tuple[QuantizeReport, ...] = dataclasses.field(default=(), metadata=OMIT)
