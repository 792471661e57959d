"""`VerifyReport`: all results of a verification, as plain data.

Its JSON is described by docs/schemas/verify.schema.json and certificate.schema.json.

An LSB is a step of the grid of the first file's logits (or scores). Where both files have the same
grid, all differences are whole numbers.
"""

import dataclasses
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from mobiledeploy.base.codec import OMIT, UNWRITTEN
from mobiledeploy.base.errors import DEATHS, CorruptFileError, RuntimeDiedError
from mobiledeploy.compare.difference import Cause, StructureReport
from mobiledeploy.formats.onnx.external_data import ExternalFile
from mobiledeploy.spec.results import Accuracy, ClassRecall, InputChoice

FailureKind: TypeAlias = Literal["signal", "time", "memory", "nonsense", "refusal"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeFailure:
    """How a runtime crashed on a file or refused it.

    Attributes:
        kind: `signal`: a signal killed it. `time`, `memory`: it exceeded its limit. `nonsense`:
            its process sent an invalid reply. `refusal`: it reported that it cannot run the file.
        detail: The signal's name, the limit, or the runtime's own message.
        inputs: The set of images that it crashed on; empty if it did not get that far.
        images: How many images of that set it was to run.
        number: Which of those crashes it when run alone, from 1; None if that is not known.
        image: Name of that image; empty if it is not known.
    """

    kind: FailureKind
    detail: str
    inputs: str = ""
    images: int = 0
    number: int | None = None
    image: str = ""

    @property
    def words(self) -> str:
        """What happened and on which images, to follow the runtime's name in a sentence."""
        return self.how if self.kind == "refusal" else f"{self.how} {self.place}"

    @property
    def how(self) -> str:
        """How the runtime failed."""
        if self.kind == "refusal":
            return f"refused the file ({self.detail})"
        return DEATHS[self.kind].format(self.detail)

    @property
    def place(self) -> str:
        """On which images the runtime crashed."""
        if not self.inputs:
            return "while it loaded the file"
        if self.number is None:
            return f"on {self.images} {self.inputs}"
        return f"on image {self.number} of {self.images} {self.inputs}, `{self.image}`"


def failure_of(
    error: RuntimeDiedError | CorruptFileError,
    *,
    inputs: str = "",
    images: int = 0,
    number: int | None = None,
    image: str = "",
) -> RuntimeFailure:
    """Return an error of a session as a failure; see `RuntimeFailure` for the other arguments."""
    if isinstance(error, CorruptFileError):
        return RuntimeFailure(kind="refusal", detail=str(error))
    return RuntimeFailure(
        kind=error.death,
        detail=error.detail,
        inputs=inputs,
        images=images,
        number=number,
        image=image,
    )


Status: TypeAlias = Literal["proven", "sampled", "not proven"]

Method: TypeAlias = Literal["structure", "enumeration", "samples", "none"]
"""`structure`: both files hold the same integers, and both kernels do the same operations with
them. `enumeration`: both kernels' arithmetic was computed for every possible input."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Accumulator:
    """Range of the int32 sums of a layer with weights, over every possible input.

    Attributes:
        lowest: Lowest sum of any channel, bias included.
        highest: Highest sum of any channel, bias included.
        exact: Whether all sums are at most 2**24, so that float32 holds them exactly. Larger ones
            are rounded when they are converted, alike in both runtimes.
    """

    lowest: int
    highest: int
    exact: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LayerProof:
    """The proof of a layer of the `.tflite` and its counterpart in the `.onnx`.

    Attributes:
        layer: Name in the `.tflite`; empty where only the `.onnx` has it.
        counterpart: Name in the `.onnx`; empty where there is none.
        kind: What it computes, such as `conv`.
        status: Whether it is proven, only sampled, or not proven.
        method: How it was proven or sampled.
        cases: Number of inputs enumerated or sampled; 0 for a proof by structure.
        statement: What was found, in words.
        reasons: Why it is not proven; empty if it is.
        accumulator: Range of the sums of a proven layer with weights.
    """

    layer: str
    counterpart: str
    kind: str
    status: Status
    method: Method
    cases: int = 0
    statement: str = ""
    reasons: tuple[str, ...] = ()
    accumulator: Accumulator | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunCheck:
    """A check that was run on samples, on this machine.

    Attributes:
        name: Name of the check.
        holds: Whether it passed.
        cases: How many images, pairs or sums of codes, inputs of layers, or ways of running it
            covered.
        statement: What was done, in words.
        reasons: What went wrong; empty if it holds.
    """

    name: str
    holds: bool
    cases: int
    statement: str
    reasons: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedFile:
    """A file to which the certificate applies: these bytes only.

    Attributes:
        format: `tflite` or `onnx`.
        size: Bytes.
        sha256: Hexadecimal digest of the bytes.
        runtime: Name and version of the runtime that ran it.
        external_data: The files beside it that hold its values; absent from the JSON if there are
            none.
        input_choice: How the input range of a file without a grid was tried: on labelled images by
            their labels, on others by the other file's answers. Absent from the JSON if it was
            not.
    """

    format: str
    size: int
    sha256: str
    runtime: str
    external_data: tuple[ExternalFile, ...] = dataclasses.field(default=(), metadata=OMIT)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FilesCertificate:
    """The certificate of two files; its JSON is described by docs/schemas/certificate.schema.json.

    Attributes:
        version: Version of the certificate's format.
        holds: Whether every layer before the softmax is proven, and every sample passed.
        verdict: The result in a sentence.
        files: The `.tflite`, then the `.onnx`.
        layers: A proof for each layer, in the running order of the `.tflite`.
        checks: The checks that were run on this machine.
        sampled: What was only sampled, in words.
        cpu: The CPU on which the samples ran.
        machine: The CPU's architecture.
    """

    version: int
    holds: bool
    verdict: str
    files: tuple[CertifiedFile, ...]
    layers: tuple[LayerProof, ...]
    checks: tuple[RunCheck, ...]
    sampled: tuple[str, ...]
    cpu: str
    machine: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LayerRow:
    """How a layer's codes differ between the two files, over the images that were searched.

    Attributes:
        layer: Its name.
        operator: `CONV_2D`, `ADD` and so on.
        max_lsb: Largest difference between the two files run end to end: errors of earlier layers
            included.
        differing: Share of elements that differ, 0..1, end to end.
        first_error: Largest difference between the output of the first file's runtime and the
            NumPy oracle, which computes the layer with that file's integers from the codes that
            really reached it: errors of earlier layers excluded. None where the oracle does not
            cover the layer.
        second_error: The same for the second file, its runtime and its integers.
        alone_max_lsb: Largest difference between the layer cut out of the first file and out of
            the second, each in its runtime, on the codes that reached it in the first file:
            errors of earlier layers excluded. Where the inputs' grids differ, the codes are first
            requantised to the second file's. None where it cannot be cut out.
        alone_differing: Share of elements that differ between the cut-outs, 0..1.
    """

    layer: str
    operator: str
    max_lsb: int
    differing: float
    first_error: int | None
    second_error: int | None
    alone_max_lsb: int | None
    alone_differing: float | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HotChannel:
    """A channel of the diverging layer with large differences.

    Attributes:
        channel: Its index.
        max_lsb: Largest difference in it.
        differing: Share of its elements that differ, 0..1.
    """

    channel: int
    max_lsb: int
    differing: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """The first layer that diverges.

    Attributes:
        layer: Its name in the first file.
        other: Its name in the second file.
        operator: `CONV_2D`, `ADD` and so on; `INPUT` where the codes of the input differ.
        position: 1 for the first layer after the input; 0 for the input.
        layers: How many layers the first file has.
        image: Name of the image with the largest difference.
        images: How many images were searched.
        blamed: Name of the participant that does not compute what its own file's integers say.
            Empty where both do (then the files' integers differ) or where that is not known.
        histogram: Difference (second minus first) in LSB, and how many elements differ by it, on
            the image with the largest difference.
        channels: The channels with the largest differences, worst first, at most eight.
        cause: Why the layer diverges, in a sentence.
        reason: `cause`, clause by clause; not in JSON.
    """

    layer: str
    other: str
    operator: str
    position: int
    layers: int
    image: str
    images: int
    blamed: str
    histogram: tuple[tuple[int, int], ...]
    channels: tuple[HotChannel, ...]
    cause: str
    reason: Cause = dataclasses.field(default=Cause(), compare=False, metadata=UNWRITTEN)

    @property
    def headline(self) -> str:
        """The most informative clause of the cause; the whole cause if its clauses are unknown."""
        return self.reason.headline or self.cause


Level: TypeAlias = Literal["quick", "full"]
RECORD: Final = "record"
"""Name of a participant: the outputs recorded in a build."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """A file that was verified.

    Attributes:
        name: `model.tflite`, or as the user named it.
        format: `tflite` or `onnx`.
        size: Bytes.
        sha256: Hexadecimal digest of the bytes.
        input: Type, layout, shape and grid of the input, in words.
        output: The same of the logits, and whether a softmax follows.
        fed: How pixels were converted to its input, in words.
        external_data: The files beside it that hold its values; absent from the JSON if there are
            none.
        input_choice: How the input range of a file without a grid was tried: on labelled images by
            their labels, on others by the other file's answers. Absent from the JSON if it was
            not.
    """

    name: str
    format: str
    size: int
    sha256: str
    input: str
    output: str
    fed: str
    external_data: tuple[ExternalFile, ...] = dataclasses.field(default=(), metadata=OMIT)
    input_choice: InputChoice | None = dataclasses.field(default=None, metadata=OMIT)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class InputFacts:
    """A set of images that went through the files.

    Attributes:
        name: What the images are, in the plural.
        images: How many images it has.
        labelled: Whether their classes are known.
        distinct: How many different vectors of logits the first file gave: 1 would prove nothing.
    """

    name: str
    images: int
    labelled: bool
    distinct: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """A file in a runtime: a row and a column of the matrix.

    Attributes:
        name: Short and unique: the runtime's title, with the file where that is ambiguous.
        file: Name of the file; empty for the float network.
        runtime: Name and version of the runtime.
        images: How many images it ran: slow runtimes run only a part of each set.
        exact: Whether it has to equal the first participant, logit by logit. The others round
            differently by design and are only reported.
        failure: How the runtime failed on the file; None, and absent from the JSON, if it did
            not. After a failure, `images` counts those that it ran before.
    """

    name: str
    file: str
    runtime: str
    images: int
    exact: bool
    failure: RuntimeFailure | None = dataclasses.field(default=None, metadata=OMIT)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How two participants' answers to the same images differ.

    Attributes:
        inputs: What the images were; `all` for all sets together.
        first: Name of a participant.
        second: Name of another one; `record` for the outputs recorded in a build.
        images: How many images both ran.
        exact_logits: Images on which every logit is equal.
        max_logits_lsb: Largest difference of a logit, in LSB.
        mean_logits_lsb: Mean absolute difference over all logits of all images, in LSB.
        max_scores_lsb: Largest difference of a score, in steps of 1/256; None where one of the
            two has no softmax.
        mean_scores_lsb: Mean absolute difference over all scores, or None.
        same_top1: Images on which the highest logit is the same class; among equal logits the
            first class counts.
        same_by_scores: Images on which the first one's highest score, which is what its file
            gives, is of the class of the second one's highest logit; of equal scores, which are
            multiples of 1/256, the first class counts. None, and absent from the JSON, unless the
            first has scores and the second has none: the float network.
        same_top5: Images on which the five highest logits are the same classes in any order;
            None with five classes or fewer.
        worst: Name of the image with the largest difference; empty if there is none.
    """

    inputs: str
    first: str
    second: str
    images: int
    exact_logits: int
    max_logits_lsb: float
    mean_logits_lsb: float
    max_scores_lsb: float | None
    mean_scores_lsb: float | None
    same_top1: int
    same_top5: int | None
    worst: str
    same_by_scores: int | None = dataclasses.field(default=None, metadata=OMIT)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FloatComparison:
    """How two float files' outputs differ on a set of images.

    Attributes:
        inputs: What the images were.
        images: How many images were compared.
        max_difference: Largest difference of an output, relative to the largest output.
        same_top1: Images on which the highest output is the same class.
        worst: Name of the image with the largest difference.
    """

    inputs: str
    images: int
    max_difference: float
    same_top1: int
    worst: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FileScore:
    """The accuracy of the float network or of a file on labelled images.

    Attributes:
        file: `float`, or the file's name.
        runtime: Name and version of the runtime that ran it.
        labels: How often the highest logit is that of the true class.
        interval: 95 % Wilson interval of `labels.top1`, 0..1: where the accuracy on all images
            of this kind probably lies.
        float_model: How often the highest logit is that of the float network's class; None
            without a float network.
        balanced: Mean recall of the classes, 0..1: each counts alike, however few its images.
        recalls: The recall of each class that has images.
    """

    file: str
    runtime: str
    labels: Accuracy
    interval: tuple[float, float]
    float_model: Accuracy | None
    balanced: float | None = dataclasses.field(default=None, metadata=OMIT)
    recalls: tuple[ClassRecall, ...] = dataclasses.field(default=(), metadata=OMIT)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PairedTest:
    """Whether one of two classifiers is better: McNemar's exact test on the same images.

    Attributes:
        first: `float`, or a file's name.
        second: A file's name.
        images: How many images both ran.
        only_first: Images on which only the first is right.
        only_second: Images on which only the second is right.
        p: Two-sided p-value: how likely a difference at least as large is by chance alone.
        words: The finding in a sentence.
    """

    first: str
    second: str
    images: int
    only_first: int
    only_second: int
    p: float
    words: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """The result of a verification.

    Attributes:
        holds: Whether every requirement was met.
        failures: Requirements that were not met, a sentence each, the most important first.
        warnings: What a user should know although it fails nothing, a sentence each.
        level: The level of verification that was asked for.
        files: The two files.
        assumptions: What was assumed about the images, a sentence each.
        inputs: The sets of images.
        participants: Rows and columns of the matrix; the first two have to be equal.
        matrix: Every pair of participants over all sets, first participant first; int8 files only.
        comparisons: The first two participants on each set, and the first against recorded
            outputs of a build.
        float_comparisons: The two files on each set, if they are float files.
        scores: Accuracy of the float network and of each file on labelled images; may be empty.
        paired: Float network against file, or file against file, on labelled images.
        structure: In what the files' integers differ, whether or not an image shows it; None
            for float files.
        layers: A row for each layer, if the first diverging layer was searched for, or if the
            rows were asked for.
        layer_images: On how many images `layers` were measured.
        divergence: The first layer that diverges, or None.
        same_grid: Whether the ONNX file is, byte for byte, what this version writes from the
            integers of the `.tflite`, with every ADD and MEAN certified over all inputs. None for
            float files and where the question does not apply.
        proven: What holds for every possible input, a sentence each.
        sampled: What holds on the images of this verification only, a sentence each.
        certificate: With the level `full`, for a `.tflite` and an `.onnx`: what is proven of
            every layer, by which method, for these bytes.
        cpu: The processor that this was found on.
        runtimes: Names and versions of the runtimes.
        unreadable: Photos that could not be decoded and were left out, with the reasons.
        ignored: Number of files among the photos that are no images, by suffix.
        by_integers: The failure that repeats the finding of `structure`; empty if there is none.
            Not in JSON.
    """

    holds: bool
    failures: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    level: Level = "quick"
    files: tuple[FileFacts, ...] = ()
    assumptions: tuple[str, ...] = ()
    inputs: tuple[InputFacts, ...] = ()
    participants: tuple[Participant, ...] = ()
    matrix: tuple[Comparison, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    float_comparisons: tuple[FloatComparison, ...] = ()
    scores: tuple[FileScore, ...] = ()
    paired: tuple[PairedTest, ...] = ()
    structure: StructureReport | None = None
    layers: tuple[LayerRow, ...] = ()
    layer_images: int = 0
    divergence: Divergence | None = None
    same_grid: bool | None = None
    proven: tuple[str, ...] = ()
    sampled: tuple[str, ...] = ()
    certificate: FilesCertificate | None = None
    cpu: str
    runtimes: tuple[str, ...]
    unreadable: tuple[str, ...] = dataclasses.field(default=(), metadata=OMIT)
    ignored: Mapping[str, int] = dataclasses.field(default_factory=dict, metadata=OMIT)
    by_integers: str = dataclasses.field(default="", compare=False, metadata=UNWRITTEN)

    @property
    def verdict(self) -> str:
        """The verdict and the finding in a sentence."""
        return f"{'holds' if self.holds else 'does not hold'}: {self.finding}"

    @property
    def finding(self) -> str:
        """What was found, in a sentence."""
        if not self.holds:
            return self.failures[0]
        if self.float_comparisons:
            worst = max(c.max_difference for c in self.float_comparisons)
            return f"float outputs agree within {worst:.1e} of the largest"
        files = [c for c in self.comparisons if c.first != RECORD]
        exact = sum(c.exact_logits for c in files)
        total = sum(c.images for c in files)
        scores = [c.max_scores_lsb for c in self.comparisons if c.max_scores_lsb is not None]
        within = f", scores within {max(scores):g} LSB" if scores else ""
        return f"logits equal on {exact} of {total} inputs{within}"
