"""`Report`: everything that `report.html` shows; JSON as docs/schemas/report.schema.json says.

Shares are fractions, 0..1; sizes are bytes; times are milliseconds.
"""

import dataclasses
from typing import Final, Literal, TypeAlias

from mobiledeploy._version import __version__
from mobiledeploy.lint.rule import Finding
from mobiledeploy.spec.manifest import Manifest
from mobiledeploy.verify.report import VerifyReport

FORMAT: Final = 1

Reference: TypeAlias = Literal["float network", "int8 weights in float"]
"""`float network`: the trained weights, so that rounding weights counts too. `int8 weights in
float`: what the file's own weights give if no activation is rounded."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """A tensor of the int8 graph: what its codes were on images, and how far from real values.

    Attributes:
        name: Of the tensor; that of the layer that writes it, or of the input.
        operator: What writes it, such as `conv`; `input`.
        shape: Of one image.
        scale: Real units per code.
        zero_point: The code of real 0.
        counts: How often each code -128..127 occurred, 256 numbers.
        lowest: The lowest code that occurred.
        highest: The highest.
        at_lowest: Share of elements at code -128: clipped, or real 0 after a ReLU.
        at_highest: Share of elements at code 127.
        unused: How many of the 256 codes never occurred.
        real_low: The lowest value of the reference.
        real_high: The highest.
        sqnr: Signal to quantisation noise, in dB, of the codes' real values against the
            reference, over all images; None where there is no noise or no signal.
        sqnr_worst: Of the image where it is least.
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
    """All tensors of the `.tflite`'s graph, computed by the NumPy oracle.

    Attributes:
        file: Whose graph it is.
        inputs: What the images were.
        images: How many.
        reference: What the codes are compared with.
        tensors: The input, then every layer in running order.
    """

    file: str
    inputs: str
    images: int
    reference: Reference
    tensors: tuple[Activation, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """How often images of a class were taken for a class; zeros are left out.

    Attributes:
        label: The true class.
        predicted: What the file says.
        images: How many.
    """

    label: int
    predicted: int
    images: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """What the first file says of labelled images.

    Attributes:
        file: Which file.
        inputs: What the images were.
        images: How many.
        correct: How many it got right.
        classes: How many classes it knows.
        class_names: By label; empty if they are not known.
        confusion: By label, then by predicted class.
    """

    file: str
    inputs: str
    images: int
    correct: int
    classes: int
    class_names: tuple[str, ...]
    confusion: tuple[Confusion, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ShownImage:
    """An image worth looking at.

    Attributes:
        name: Of the image.
        inputs: The set that it is of.
        why: `mistake`: the class is wrong. `difference`: two runtimes differ most on it.
            `divergence`: it shows the first diverging layer best.
        label: The true class, or None.
        predicted: What the first file says.
        confidence: The softmax's share for that class.
        difference: Of the logits of `first` and `second`, or of the codes of the diverging
            layer, in LSB; 0 for a mistake.
        first: A participant; empty but for a difference.
        second: Another one.
        exact: Whether what is compared has to be equal.
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
    """What inspection says of a file without running it; see `mobiledeploy inspect`.

    Attributes:
        file: Its name.
        format: `tflite` or `onnx`.
        size: Bytes.
        sha256: Hexadecimal digest of the bytes.
        kind: What it computes in.
        runtime: What it needs: a runtime and its oldest release.
        producer: What the file says about who wrote it; may be empty.
        weight_bytes: Of all stored values.
        findings: Rules that it breaks, errors first.
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
    """What a layer costs for one image.

    Attributes:
        layer: Its name.
        operator: What it computes.
        shape: Of its output.
        macs: Multiply-accumulate operations.
        weights: Values in its kernel and bias.
        weight_bytes: Of int8 kernel and int32 bias.
        live_bytes: Of all int8 activations that are in memory while it runs.
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
    """What the `.tflite`'s graph costs for one image; counted, not estimated.

    Attributes:
        macs: Multiply-accumulate operations of convolutions and dense layers.
        weights: Values in kernels and biases, batch norm folded in.
        weight_bytes: Of int8 kernels and int32 biases.
        peak_bytes: Of the int8 activations that are in memory together, at most.
        peak_layer: The layer that runs then.
        layers: In running order.
    """

    macs: int
    weights: int
    weight_bytes: int
    peak_bytes: int
    peak_layer: str
    layers: tuple[CostLine, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LatencyLine:
    """How long a file takes for one image on this machine, in the runtime that apps use.

    Attributes:
        file: Its name.
        runtime: With version.
        median: Milliseconds.
        p90: Milliseconds within which nine of ten runs were done.
    """

    file: str
    runtime: str
    median: float
    p90: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Times of both files, taken in turns, one image and one thread.

    Attributes:
        cpu: Where.
        runs: Of each file.
        lines: One a file.
    """

    cpu: str
    runs: int
    lines: tuple[LatencyLine, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A verification, and what there is to say about the two files besides.

    Attributes:
        format: Version of this form.
        mobiledeploy: Version that made it.
        created: When, UTC, ISO 8601.
        title: What was verified.
        verdict: `verify`'s, in a sentence.
        verify: The proof, or what is missing from it.
        classification: On labelled images; None without labels.
        shown: Images worth looking at.
        activations: Of the `.tflite`; None where there is no int8 graph of the supported layers.
        activations_missing: Why there is none; empty if there is.
        cost: Likewise.
        latency: Of both files.
        checks: One a file.
        manifest: Of a build; None for files that came without one.
    """

    format: int = FORMAT
    mobiledeploy: str = __version__
    created: str
    title: str
    verdict: str
    verify: VerifyReport
    classification: Classification | None
    shown: tuple[ShownImage, ...]
    activations: Activations | None
    activations_missing: str
    cost: GraphCost | None
    latency: Latency
    checks: tuple[FileCheck, ...]
    manifest: Manifest | None
