"""`VerifyReport`: everything that verification finds, as plain data.

It becomes JSON as docs/schemas/verify.schema.json and certificate.schema.json say.

An LSB is a step of the grid on which the first file's logits (or scores) lie. Where both files
have the same grid all differences are whole numbers.
"""

import dataclasses
from typing import Final, Literal, TypeAlias

from mobiledeploy.base.codec import OMIT, UNWRITTEN
from mobiledeploy.base.errors import DEATHS, CorruptFileError, RuntimeDiedError
from mobiledeploy.compare.difference import Cause, StructureReport
from mobiledeploy.spec.results import Accuracy

FailureKind: TypeAlias = Literal["signal", "time", "memory", "nonsense", "refusal"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeFailure:
    """A runtime that died of a file, or refused it, where what apps use may have run it.

    Attributes:
        kind: `signal`: it was killed by one. `time`, `memory`: it took more than it may.
            `nonsense`: its process answered what is no answer. `refusal`: it said that it cannot
            run the file.
        detail: The signal's name, the limit, or what it said.
        inputs: The set of images that it died on; empty where it did not come so far.
        images: How many images of that set it was to run.
        number: Which of those it dies of on its own, from 1; None if that is not known.
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
        """What happened and where, in words that follow the runtime's name."""
        return self.how if self.kind == "refusal" else f"{self.how} {self.place}"

    @property
    def how(self) -> str:
        """How the runtime failed."""
        if self.kind == "refusal":
            return f"refused the file ({self.detail})"
        return DEATHS[self.kind].format(self.detail)

    @property
    def place(self) -> str:
        """On which images the runtime died."""
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
    """Return the facts of what a session raised; see `RuntimeFailure` for the other arguments."""
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
them. `enumeration`: both kernels' arithmetic was computed for every input that there is."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Accumulator:
    """What the int32 sums of a layer with weights can be, over all inputs that there are.

    Attributes:
        lowest: Of all channels, bias included.
        highest: Likewise.
        exact: Whether all of them are float32 values: at most 2**24. Others are rounded when they
            are converted, in both runtimes alike.
    """

    lowest: int
    highest: int
    exact: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LayerProof:
    """A layer of the `.tflite` and its counterpart in the `.onnx`.

    Attributes:
        layer: Name in the `.tflite`; empty where only the `.onnx` has it.
        counterpart: Name in the `.onnx`; empty where there is none.
        kind: What it computes, such as `conv`.
        status: What is known.
        method: How.
        cases: Inputs of the enumeration or of the samples; 0 for a proof by structure.
        statement: What was found, in words.
        reasons: Why it is not proven; empty if it is.
        accumulator: Of a layer with weights that is proven.
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
    """Something that was tried on this machine, on samples.

    Attributes:
        name: What.
        holds: Whether it came out as it must.
        cases: Images, pairs or sums of codes, inputs of single layers, or ways of running them.
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
    """A file that the certificate speaks of, and nothing but these bytes.

    Attributes:
        format: `tflite` or `onnx`.
        size: Bytes.
        sha256: Hexadecimal digest of the bytes.
        runtime: What ran it, with version.
    """

    format: str
    size: int
    sha256: str
    runtime: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FilesCertificate:
    """What is known of two files; JSON as docs/schemas/certificate.schema.json says.

    Attributes:
        version: Of this form.
        holds: Whether every layer before the softmax is proven, and every sample as it must be.
        verdict: In a sentence.
        files: The `.tflite`, then the `.onnx`.
        layers: A proof a layer, in the running order of the `.tflite`.
        checks: What was tried on this machine.
        sampled: What was only sampled, in words.
        cpu: On which the samples ran.
        machine: Its architecture.
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
    """How a layer's codes differ between the two files, over the images that localise.

    Attributes:
        layer: Its name.
        operator: `CONV_2D`, `ADD` and so on.
        max_lsb: Largest difference between the two files, end to end: errors of earlier layers
            included.
        differing: Share of elements that differ, 0..1, end to end.
        first_error: Largest difference between what the first file's runtime gives and what the
            NumPy oracle computes with that file's integers from the codes that really reached
            the layer: errors of earlier layers excluded. None where the oracle cannot judge.
        second_error: The same of the second file, its runtime and its integers.
        alone_max_lsb: Largest difference between the layer cut out of the first file and cut out
            of the second one, each in its runtime, on the codes that reached it in the first
            file: errors of earlier layers excluded. Where the files have other grids for what it
            reads, the codes are moved to the second one's first. None where it cannot be cut out.
        alone_differing: Share of elements that differ then, 0..1.
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
    """A channel of the diverging layer, worst first.

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
        layers: How many layers there are.
        image: Name of the image that shows it best: the one with the largest difference.
        images: How many images were looked at.
        blamed: Name of the participant that does not compute what its own file's integers say.
            Empty where both do, so that it is the files' integers that differ, and where that
            cannot be told.
        histogram: Difference (second minus first) in steps, and how many elements differ by it,
            on the image that shows it best.
        channels: The worst channels of the layer, at most eight.
        cause: Why, in a sentence.
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
        """The most telling clause of the cause; all of it where the clauses are not known."""
        return self.reason.headline or self.cause


Level: TypeAlias = Literal["quick", "full"]
RECORD: Final = "record"
"""Stands for a participant: the answers on record in a build."""


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
        fed: How pixels became its input, in words.
    """

    name: str
    format: str
    size: int
    sha256: str
    input: str
    output: str
    fed: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class InputFacts:
    """A set of images that went through the files.

    Attributes:
        name: What they are, in the plural.
        images: How many.
        labelled: Whether their classes are known.
        distinct: Different vectors of logits among the first file's answers: 1 would prove
            nothing.
    """

    name: str
    images: int
    labelled: bool
    distinct: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """A row and a column of the matrix: a file in a runtime.

    Attributes:
        name: Short and unique: the runtime's title, and the file where that says too little.
        file: Name of the file; empty for the float network.
        runtime: With version.
        images: How many it ran: slow ones take an evenly spread part of each set.
        exact: Whether it has to equal the first participant, logit by logit. The others round
            differently by design and are reported only.
        failure: How the runtime failed on the file; None, and absent from the JSON, if it did
            not. `images` are then those that it answered before.
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
        second: Name of another one; `record` for the answers on record in a build.
        images: How many both ran.
        exact_logits: Images on which every logit is equal.
        max_logits_lsb: Largest difference of a logit, in steps.
        mean_logits_lsb: Mean absolute difference over all logits of all images, in steps.
        max_scores_lsb: Largest difference of a score, in steps of 1/256; None where one of the
            two has no softmax.
        mean_scores_lsb: Mean absolute difference over all scores, or None.
        same_top1: Images on which the highest logit is the same class; among equal logits the
            first class counts.
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


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FloatComparison:
    """How two float files' outputs differ on a set of images.

    Attributes:
        inputs: What the images were.
        images: How many.
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
    """How the float network or a file answers labelled images.

    Attributes:
        file: `float`, or the file's name.
        runtime: What ran it, with version.
        labels: Images on which the highest logit is the label's.
        interval: 95 % Wilson interval of `labels.top1`, 0..1: where the accuracy on all images
            of this kind may lie.
        float_model: Images on which the highest logit is the float network's, or None where
            there is no float network.
    """

    file: str
    runtime: str
    labels: Accuracy
    interval: tuple[float, float]
    float_model: Accuracy | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PairedTest:
    """Is a file worse than what it was made from? McNemar's exact test on the same images.

    Attributes:
        first: `float`, or a file's name.
        second: A file's name.
        images: How many both answered.
        only_first: Images on which the first alone is right.
        only_second: Images on which the second alone is right.
        p: Two-sided p-value: how likely a difference as large is by chance alone.
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
    """The proof, or what is missing from it.

    Attributes:
        holds: Whether every requirement was met.
        failures: What was not met, a sentence each, the most telling first.
        warnings: What a user should know although it fails nothing, a sentence each.
        level: How much was asked for.
        files: The two files.
        assumptions: What was taken for granted about the images, a sentence each.
        inputs: The sets of images.
        participants: Rows and columns of the matrix; the first two have to be equal.
        matrix: Every pair of participants over all sets, first participant first; of int8 files.
        comparisons: The first two participants on each set, and against the record of a build.
        float_comparisons: The same of float files.
        scores: Of the float network and of each file on labelled images; may be empty.
        paired: Float network against file, and file against file, on labelled images.
        structure: In what the files' integers differ, whether or not an image shows it; None
            for float files.
        layers: Every layer, if the files had to be searched for the first that diverges, or if
            it was asked for.
        layer_images: On how many images `layers` were measured.
        divergence: The first layer that diverges, or None.
        same_grid: Whether the ONNX file is, byte for byte, what this version writes from the
            integers of the `.tflite`, with every ADD and MEAN certified over all inputs. None for
            float files and where it makes no sense to ask.
        proven: What holds for every input there is, a sentence each.
        sampled: What was seen to hold on the images at hand only, a sentence each.
        certificate: With the level `full`, of a `.tflite` and an `.onnx`: what is proven of
            every layer, by which method, for these bytes.
        cpu: The processor that this was found on.
        runtimes: Names and versions.
        by_integers: The one of `failures` that says what `structure` does; empty if none does.
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
