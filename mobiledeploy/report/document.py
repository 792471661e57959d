"""The document `report.json`, which holds everything that `report.html` shows.

Its schema is docs/schemas/report.schema.json. Shares are fractions, 0..1; sizes are bytes; times
are milliseconds.
"""

import dataclasses
from typing import Final, Literal, TypeAlias

from mobiledeploy._version import __version__
from mobiledeploy.lint.rule import Finding
from mobiledeploy.spec.manifest import Manifest
from mobiledeploy.verify.report import VerifyReport

FORMAT: Final = 1
"""Version of the document's format."""

ReferenceKind: TypeAlias = Literal["float network", "int8 weights in float"]
"""Which float network the int8 activations are compared with: the trained one, so that the
rounding of weights counts too, or the file's own int8 weights without rounding of activations."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """Statistics of a tensor of the int8 graph on images.

    Attributes:
        name: Name of the tensor: that of the layer that writes it, or of the input.
        operator: The operator that writes it, such as `conv`; `input` for the input.
        shape: Shape for one image.
        scale: Real units per code.
        zero_point: The code of real 0.
        counts: How often each code -128..127 occurred, 256 numbers.
        lowest: Lowest code that occurred.
        highest: Highest code that occurred.
        at_lowest: Share of elements at code -128: clipped, or real 0 after a ReLU.
        at_highest: Share of elements at code 127.
        unused: Number of the 256 codes that never occurred.
        real_low: Lowest value in the float reference.
        real_high: Highest value in the float reference.
        sqnr: Signal to quantisation noise ratio in dB, of the codes' real values against the
            reference, over all images; None where there is no noise or no signal.
        sqnr_worst: The same ratio of the image where it is lowest.
        worst: Name of that image; empty if there is none.
    """

    name: str
    operator: str
    shape: tuple[int, ...]
    scale: float
    zero_point: int
    counts: tuple[int, ...]
    lowest: int
    highest: int
    at_lowest: float
    at_highest: float
    unused: int
    real_low: float
    real_high: float
    sqnr: float | None
    sqnr_worst: float | None
    worst: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Activations:
    """Statistics of all tensors of the `.tflite`'s graph, computed by the NumPy oracle.

    Attributes:
        file: The file whose graph it is.
        inputs: Name of the set of images.
        images: Number of images.
        reference: The float network that the codes are compared with.
        tensors: The input, then the output of every layer in running order.
    """

    file: str
    inputs: str
    images: int
    reference: ReferenceKind
    tensors: tuple[Activation, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """How often images of one class were classified as another, or correctly.

    Attributes:
        label: The true class.
        predicted: The predicted class.
        images: Number of images; there is no entry for 0.
    """

    label: int
    predicted: int
    images: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """How the first file classifies labelled images.

    Attributes:
        file: The file.
        inputs: Name of the set of images.
        images: Number of images.
        correct: Number of correctly classified images.
        classes: Number of classes.
        class_names: Names of the classes, by label; empty if they are not known.
        confusion: The confusion matrix, by label, then by predicted class.
    """

    file: str
    inputs: str
    images: int
    correct: int
    classes: int
    class_names: tuple[str, ...]
    confusion: tuple[Confusion, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ExampleImage:
    """An image that the report shows.

    Attributes:
        name: Name of the image.
        inputs: Name of the set that it belongs to.
        why: `mistake`: it is classified wrongly. `difference`: two runtimes differ most on it.
            `divergence`: it shows the first diverging layer best.
        label: The true class; None if it is not known.
        predicted: The class that the first file predicts.
        confidence: The softmax value of the predicted class.
        difference: Largest difference in LSB, of the logits of `first` and `second` or of the
            codes of the diverging layer; 0 for a mistake.
        first: A participant; empty unless `why` is `difference`.
        second: The participant that it differs from; empty unless `why` is `difference`.
        exact: Whether the compared values must be equal.
        png: The image at the network's size, a PNG file in base64.
    """

    name: str
    inputs: str
    why: Literal["mistake", "difference", "divergence"]
    label: int | None
    predicted: int
    confidence: float
    difference: float
    first: str
    second: str
    exact: bool
    png: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FileCheck:
    """The result of `mobiledeploy inspect` for a file.

    Attributes:
        file: Name of the file.
        format: `tflite` or `onnx`.
        size: Bytes of the file.
        sha256: Hexadecimal digest of the bytes.
        kind: The arithmetic of the model, such as int8.
        runtime: The oldest release of a runtime that runs it.
        producer: The program that wrote the file, as the file states it; may be empty.
        weight_bytes: Bytes of all stored values.
        findings: The rules that it breaks, errors first.
    """

    file: str
    format: str
    size: int
    sha256: str
    kind: str
    runtime: str
    producer: str
    weight_bytes: int
    findings: tuple[Finding, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CostLine:
    """The cost of a layer for one image.

    Attributes:
        layer: Name of the layer.
        operator: Its operator, such as `conv`.
        shape: Shape of its output.
        macs: Multiply-accumulate operations.
        weights: Number of values in kernel and bias.
        weight_bytes: Bytes of the int8 kernel and the int32 bias.
        live_bytes: Bytes of all int8 activations that are in memory while it runs.
    """

    layer: str
    operator: str
    shape: tuple[int, ...]
    macs: int
    weights: int
    weight_bytes: int
    live_bytes: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GraphCost:
    """The cost of the `.tflite`'s graph for one image, counted from its layers.

    Attributes:
        macs: Multiply-accumulate operations of convolutions and dense layers.
        weights: Number of values in kernels and biases, batch norm folded in.
        weight_bytes: Bytes of int8 kernels and int32 biases.
        peak_bytes: Most bytes of int8 activations that are in memory at a time.
        peak_layer: The layer that runs at that time.
        layers: The cost of each layer, in running order.
    """

    macs: int
    weights: int
    weight_bytes: int
    peak_bytes: int
    peak_layer: str
    layers: tuple[CostLine, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LatencyLine:
    """The latency of a file for one image, in the runtime that apps use.

    Attributes:
        file: Name of the file.
        runtime: The runtime with its version.
        median: Median time in milliseconds.
        p90: 90th percentile of the times in milliseconds.
    """

    file: str
    runtime: str
    median: float
    p90: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """The latency of both files on this machine, with one image and one thread.

    Attributes:
        cpu: Name of this machine's CPU.
        runs: Number of timed runs of each file.
        lines: One latency for each file.
    """

    cpu: str
    runs: int
    lines: tuple[LatencyLine, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result of a verification, with measurements and checks of the two files.

    Attributes:
        format: Version of the document's format.
        mobiledeploy: Version of mobiledeploy that made it.
        created: Time in UTC, ISO 8601.
        title: Name of the build or of the two files.
        verdict: The verdict of `verify`, in a sentence.
        verify: The result of `verify`.
        classification: How labelled images are classified; None without labels.
        shown: Images that the page shows.
        activations: Statistics of the activations; None where no file has an int8 graph of
            supported layers.
        activations_missing: Why `activations` is None; empty if it is not.
        cost: Cost of the int8 graph; None where no file has one of supported layers.
        latency: Latency of both files.
        checks: The result of `inspect` for each file.
        manifest: The build's manifest; None for two files without a build.
    """

    format: int = FORMAT
    mobiledeploy: str = __version__
    created: str
    title: str
    verdict: str
    verify: VerifyReport
    classification: Classification | None
    shown: tuple[ExampleImage, ...]
    activations: Activations | None
    activations_missing: str
    cost: GraphCost | None
    latency: Latency
    checks: tuple[FileCheck, ...]
    manifest: Manifest | None
