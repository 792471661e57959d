"""What verification found: frozen, and JSON as docs/schemas/verify.schema.json says.

An LSB is a step of the grid on which the first file's logits (or scores) lie. Where both files
have the same grid all differences are whole numbers.
"""

import dataclasses
from typing import Final, Literal, TypeAlias

from mobiledeploy.base.codec import OMIT, UNWRITTEN
from mobiledeploy.compare.difference import StructureReport
from mobiledeploy.spec.results import Accuracy as Score
from mobiledeploy.verify.layer_report import Divergence, LayerRow
from mobiledeploy.verify.proof import FilesCertificate
from mobiledeploy.verify.runtime_failure import RuntimeFailure

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
    labels: Score
    interval: tuple[float, float]
    float_model: Score | None


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
