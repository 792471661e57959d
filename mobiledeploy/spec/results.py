"""The results of a build's stages, as they are written to JSON.

Paths in them are relative to the build folder, with `/`.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.base import files
from mobiledeploy.base.codec import OMIT
from mobiledeploy.base.errors import CorruptFileError


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, order=True)
class File:
    """A file of a build with its digest.

    Attributes:
        path: Path relative to the build folder, with `/`.
        size: Bytes of the file.
        sha256: Hexadecimal digest of the bytes.
    """

    path: str
    size: int
    sha256: str

    @classmethod
    def of(cls, root: Path, path: Path) -> "File":
        """Return the description of a file that lies under `root`."""
        return cls(
            path=path.relative_to(root).as_posix(),
            size=path.stat().st_size,
            sha256=files.sha256(path),
        )

    def locate(self, root: Path) -> Path:
        """Return the file's path under `root`.

        Raises:
            CorruptFileError: The path would lead out of `root`.
        """
        pure = PurePosixPath(self.path)
        unusual = "\\" in self.path or "\0" in self.path or len(self.path) > files.MOST_NAME
        if pure.is_absolute() or ".." in pure.parts or unusual or not pure.parts:
            raise CorruptFileError(
                f"`{self.path[: files.MOST_NAME]}` is not a path inside the build folder"
            )
        return root / pure

    def check(self, root: Path) -> Path:
        """Return the file's path under `root`, after checking that its bytes are unchanged.

        Raises:
            CorruptFileError: The file is missing or was changed.
        """
        path = self.locate(root)
        if not path.is_file():
            raise CorruptFileError(
                f"{path} is missing", hint="run the command that made the folder again"
            )
        if path.stat().st_size != self.size or files.sha256(path) != self.sha256:
            raise CorruptFileError(
                f"{path} is not the file that was built: its SHA-256 differs",
                hint="run the command that made the folder again",
            )
        return path


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """How many images were classified correctly.

    Attributes:
        correct: Images whose highest logit is their label's.
        total: Images that were classified.
    """

    correct: int
    total: int

    @classmethod
    def of(cls, predicted: npt.NDArray[np.int64], labels: npt.NDArray[np.int64]) -> "Accuracy":
        """Count the predicted classes that equal the labels; both have the shape (images,)."""
        return cls(correct=int((predicted == labels).sum()), total=len(labels))

    @property
    def top1(self) -> float:
        """The fraction of correct answers, 0..1."""
        return self.correct / self.total


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ClassRecall:
    """How many images of one class were classified correctly.

    Attributes:
        label: Number of the class.
        name: Its name; empty, and absent from the JSON, where names are not known.
        right: Its images, and those that are right.
    """

    label: int
    name: str = dataclasses.field(default="", metadata=OMIT)
    right: Accuracy

    @classmethod
    def of(
        cls, predicted: npt.NDArray[np.int64], labels: npt.NDArray[np.int64]
    ) -> "tuple[ClassRecall, ...]":
        """Return the recall of each class that has images; both have the shape (images,)."""
        totals, rights = np.bincount(labels), np.bincount(labels[predicted == labels])
        rights = np.pad(rights, (0, len(totals) - len(rights)))
        return tuple(
            cls(label=label, right=Accuracy(correct=int(rights[label]), total=int(totals[label])))
            for label in np.flatnonzero(totals).tolist()
        )


def balanced(recalls: Sequence[ClassRecall]) -> float:
    """Return the mean recall of the classes, 0..1: few images count as much as many."""
    return math.fsum(recall.right.top1 for recall in recalls) / len(recalls)


def named_recalls(
    recalls: Sequence[ClassRecall], class_names: Sequence[str]
) -> tuple[ClassRecall, ...]:
    """Return recalls with the names of their classes."""
    return tuple(dataclasses.replace(row, name=class_names[row.label]) for row in recalls)


FEW_PHOTOS: Final = 5
"""A class with fewer photos may well be never right by chance."""


def never_right(recalls: Sequence[ClassRecall], most: int = 5) -> str:
    """Return which classes are never right, in words; empty if there are none.

    Classes with too few photos to tell are left out, and said to be.

    Args:
        recalls: The recall of each class, with its name.
        most: Most classes that are named.
    """
    counted = [recall for recall in recalls if recall.right.total >= FEW_PHOTOS]
    never = [recall for recall in counted if not recall.right.correct]
    if not never:
        return ""
    listed = ", ".join(
        f"`{recall.name or recall.label}` (0 of {recall.right.total})" for recall in never[:most]
    )
    more = f" and {len(never) - most} more" if len(never) > most else ""
    few = len(recalls) - len(counted)
    kind = f" with {FEW_PHOTOS} photos or more ({few} have fewer)" if few else ""
    return f"never right on {len(never)} of {len(counted)} classes{kind}: {listed}{more}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DataResult:
    """Result of the stage `data`: decoded, resized images in `pixels.npy` and `index.json`.

    Attributes:
        class_names: Names of the classes, by label.
        train: Number of images to train on.
        validation: Number of images that decide between the candidates.
        test: Number of held-back images, on which accuracy is reported.
        unreadable: Names of images that could not be decoded.
    """

    class_names: tuple[str, ...]
    train: int
    validation: int
    test: int
    unreadable: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OrderCandidate:
    """Another order that a network's classes may have.

    Attributes:
        order: How the names are sorted: `text`, `numbers` or `capitals ignored`.
        right: How often the float network is right in this order.
    """

    order: str
    right: Accuracy


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ClassOrder:
    """How well a float network's answers fit the order of its classes.

    Attributes:
        given: How often it is right in the order that is assumed.
        candidates: Other orders.
        better: The order that is plainly better; empty if none is.
        permuted: How often it is right on one half of the photos in the order that the other half
            suggests, if that is plainly better; None if it is not.
        near_chance: Whether guessing may be right as often: the 95 % interval reaches that.
    """

    given: Accuracy
    candidates: tuple[OrderCandidate, ...]
    better: str
    permuted: Accuracy | None
    near_chance: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class InputCandidate:
    """A scaling of pixels that was tried on labelled photos.

    Attributes:
        name: One of `channel_scaling.CANDIDATES`.
        mean: Mean of `(pixel - mean) / std`, pixel levels: one, or one a channel.
        std: Likewise.
        right: How often the float network is right with it.
        bgr: Whether the network's channels are then blue, green, red.
    """

    name: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    right: Accuracy
    bgr: bool = dataclasses.field(default=False, metadata=OMIT)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class InputChoice:
    """How pixels become a network's input, chosen by the float network's answers.

    Attributes:
        chosen: Name of the best candidate; empty if it is not plainly better than the second.
        candidates: All candidates that were tried, the most often right first.
        p: p-value of McNemar's exact test of `best` against `second`.
        near_chance: Whether guessing may be right as often as the best one: the 95 % interval of
            its accuracy reaches that.
        best: Name of the best candidate. One in the order blue, green, red is not, if it is not
            plainly better than the others.
        second: Name of the one that the best must be plainly better than.
    """

    chosen: str
    candidates: tuple[InputCandidate, ...]
    p: float
    near_chance: bool
    best: str = dataclasses.field(default="", metadata=OMIT)
    second: str = dataclasses.field(default="", metadata=OMIT)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """Result of the stage `train`: the float network in `network.npz` and `model.keras`.

    `logits.npy` holds its logits of the held-back images.

    Attributes:
        validation: Accuracy of the float network on the validation images.
        test: Accuracy of the float network on the held-back images.
        note: Which layers were taken from weights and which are new, in a sentence; may be empty.
        class_order: Whether the answers of a head that was taken fit the order of the classes,
            before training; None if the head is new.
        input_choice: How often such a head is right with each input range, likewise.
    """

    validation: Accuracy
    test: Accuracy
    note: str
    class_order: ClassOrder | None = dataclasses.field(default=None, metadata=OMIT)
    input_choice: InputChoice | None = dataclasses.field(default=None, metadata=OMIT)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An int8 file that could be shipped: `quantise/<name>.tflite`.

    Attributes:
        name: `ptq` or `qat`.
        validation: Accuracy on the validation images, by which the candidate is chosen. Of an
            imported network that is not trained with labels: how often it answers as the float
            network.
        validation_loss: Mean loss of the validation images, which breaks a tie: what training with
            labels, with the float network's logits, or with both together makes smaller.
        test: Accuracy on the held-back images, which is reported.
    """

    name: str
    validation: Accuracy
    validation_loss: float
    test: Accuracy


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """What the logits of one quantised network gained on another's, on the same images.

    Attributes:
        sqnr: Decibels of SQNR over all images.
        mean: Decibels by which the noise of an image is less, the mean of all images; None where
            noise is not finite.
        error: Standard error of that mean, decibels; likewise.
        lost: By how many fewer answers are the float network's; negative of more.
    """

    sqnr: float
    mean: float | None
    error: float | None
    lost: int


WhyLeftOut: TypeAlias = Literal["little gain", "answers lost", "chance"]
"""Why a technique was not kept: the noise over all images is hardly less; fewer answers are the
float network's; or the noise of single images is not plainly less."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """What one technique of quantisation gave, on representative images that decided nothing.

    Attributes:
        name: The technique; `extremes` is plain post-training quantisation.
        kept: Whether it is part of the result.
        same: Number of images with the float network's answer, with all that were kept before;
            None where outputs are numbers.
        images: Number of images.
        sqnr: Of the logits, in decibels; see `accuracy.agreement`.
        seconds: Wall-clock time.
        gain: On what was kept before; None, and absent from the JSON, of the first.
        left_out: Why it was not kept; None, and absent, if it was.
    """

    name: str
    kept: bool
    same: int | None
    images: int
    sqnr: float
    seconds: float
    gain: Gain | None = dataclasses.field(default=None, metadata=OMIT)
    left_out: WhyLeftOut | None = dataclasses.field(default=None, metadata=OMIT)


WhyNotTried: TypeAlias = Literal[
    "good enough", "changes nothing", "no TensorFlow", "not trainable", "synthetic images",
    "few images", "no exact form", "every image calibrates",
]  # fmt: skip
"""Why a technique was not tried: the network answers as the float one without it; it would change
nothing; TensorFlow is not installed; a layer cannot be trained; there is nothing but synthetic
images to train with, or too few to judge it by; its ranges or weights have no form that both
runtimes round alike; or the network has no int8 form without the images that would judge."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NotTried:
    """A technique of quantisation that `--effort` includes, and that was not tried.

    Attributes:
        name: The technique.
        why: Why not.
    """

    name: str
    why: WhyNotTried


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class QuantiseResult:
    """Result of the stage `quantise`: the candidates, one of which is shipped.

    Attributes:
        candidates: The candidates, post-training quantisation first.
        chosen: Name of the shipped candidate.
        reason: Why it was chosen, in a sentence.
        unreadable: One line for each photo that was only needed here and could not be read.
        rungs: What each technique gave, in the order in which they were tried.
        not_tried: The techniques that were not tried.
    """

    candidates: tuple[Candidate, ...]
    chosen: str
    reason: str
    unreadable: tuple[str, ...] = dataclasses.field(default=(), metadata=OMIT)
    rungs: tuple[Rung, ...] = dataclasses.field(default=(), metadata=OMIT)
    not_tried: tuple[NotTried, ...] = dataclasses.field(default=(), metadata=OMIT)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ExportResult:
    """Result of the stage `export`: the two files.

    Attributes:
        files: `model.tflite` and `model.onnx`, in `export/`.
        grid: SHA-256 of the integer graph that both files hold; empty for float files.
        certified: Number of operators that were tried on all of their possible inputs.
        nudged: Number of those whose scales are slightly different in the `.onnx`, so that both
            runtimes round alike.
    """

    files: tuple[File, ...]
    grid: str
    certified: int
    nudged: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StageTime:
    """How long a stage took.

    Attributes:
        stage: Name of the stage.
        seconds: Wall-clock seconds; 0 if its earlier result was reused.
    """

    stage: str
    seconds: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ScoreLine:
    """The accuracy of one network or file on the held-back images.

    Attributes:
        name: `float`, `ptq int8`, `qat int8`, `model.tflite` or `model.onnx`.
        test: Its accuracy.
        shipped: Whether the build's files hold this network.
        balanced: Mean recall of the classes, 0..1; None, and absent from the JSON, where it was
            not measured.
    """

    name: str
    test: Accuracy
    shipped: bool
    balanced: float | None = dataclasses.field(default=None, metadata=OMIT)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LabelScore:
    """How often one network or file is right where several labels may hold for an image.

    A label is said to hold if its score is above 0.5.

    Attributes:
        name: As in `ScoreLine`.
        decisions: Of all labels of all images: those that are said as they are.
        present: Of the labels that hold: those that are said to.
        exact: Images of which every label is right.
    """

    name: str
    decisions: Accuracy
    present: Accuracy
    exact: Accuracy

    @classmethod
    def of(
        cls, name: str, said: npt.NDArray[np.bool_], true: npt.NDArray[np.bool_]
    ) -> "LabelScore":
        """Count; both arrays have the shape (images, labels)."""
        right = said == true
        return cls(
            name=name,
            decisions=Accuracy(correct=int(right.sum()), total=right.size),
            present=Accuracy(correct=int((said & true).sum()), total=int(true.sum())),
            exact=Accuracy(correct=int(right.all(axis=1).sum()), total=len(right)),
        )


Source: TypeAlias = Literal["option", "file", "neighbour", "folders", "numbers"]
"""Who says the names of the classes: a user, the model file, a file beside it, the folders of the
photos, or nobody."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class InsteadOf:
    """Why a whole model's own graph was taken, and not one of our networks with its weights.

    Attributes:
        network: The network that it was compared with.
        differs: What the model computes otherwise, in a sentence.
    """

    network: str
    differs: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FloatAgreement:
    """How often the int8 files answer as the float network does, on the held-back images.

    Attributes:
        of: What is compared: the `class`, or the likeliest `label` where several may hold.
        same: Images on which it is the same.
        interval: 95 % Wilson interval of their share, 0..1.
        synthetic: Whether the images, or values, are synthetic.
        by_scores: Images on which it is the same by the scores that the files give, of which the
            first of equal ones counts; `same` is by the logits. None, and absent from the JSON, of
            files that end in logits.
    """

    of: Literal["class", "label"]
    same: Accuracy
    interval: tuple[float, float]
    synthetic: bool
    by_scores: Accuracy | None = dataclasses.field(default=None, metadata=OMIT)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BuildReport:
    """The result of a build: `report.json`.

    Attributes:
        scores: Accuracies: the float network first, then the candidates, then the two files.
        reason: Why the shipped candidate was chosen; empty for float files.
        note: Which layers were taken from weights and which are new; may be empty.
        unreadable: Names of images that could not be decoded and were left out.
        files: The two files.
        verdict: Result of the verification, in a sentence.
        holds: Whether the two files are the same function.
        times: Seconds of each stage.
        warnings: What a user should know although the files agree, a sentence each.
        recalls: Of the shipped files, on the held-back images: the recall of each class.
        ignored: Number of files among the photos that are no images, by suffix.
        similar_classes: Pairs of classes whose names look equal.
        input_choice: How the input range of an imported model was chosen, None if it was known; or
            how often weights whose head was taken are right with each.
        labels_from: Who says the names of an imported model's classes.
        class_order: Whether the answers of an imported model, or of weights whose head was taken,
            fit the order of the classes; None without a head or labelled photos.
        label_scores: In place of `scores` where several labels may hold for an image.
        rungs: What each technique of quantisation gave, in the order in which they were tried.
        not_tried: The techniques that `--effort` includes, and that were not tried.
        instead_of: Why the own graph of a model that `build` started from was taken; None if it
            was not.
        float_agreement: How often the int8 files answer as the float network does; None of float
            files, and of outputs that are numbers.
    """

    scores: tuple[ScoreLine, ...]
    reason: str
    note: str
    unreadable: tuple[str, ...]
    files: tuple[File, ...]
    verdict: str
    holds: bool
    times: tuple[StageTime, ...]
    warnings: tuple[str, ...] = dataclasses.field(default=(), metadata=OMIT)
    recalls: tuple[ClassRecall, ...] = dataclasses.field(default=(), metadata=OMIT)
    ignored: Mapping[str, int] = dataclasses.field(default_factory=dict, metadata=OMIT)
    similar_classes: tuple[tuple[str, str], ...] = dataclasses.field(default=(), metadata=OMIT)
    input_choice: InputChoice | None = dataclasses.field(default=None, metadata=OMIT)
    labels_from: Source | None = dataclasses.field(default=None, metadata=OMIT)
    class_order: ClassOrder | None = dataclasses.field(default=None, metadata=OMIT)
    label_scores: tuple[LabelScore, ...] = dataclasses.field(default=(), metadata=OMIT)
    rungs: tuple[Rung, ...] = dataclasses.field(default=(), metadata=OMIT)
    not_tried: tuple[NotTried, ...] = dataclasses.field(default=(), metadata=OMIT)
    instead_of: InsteadOf | None = dataclasses.field(default=None, metadata=OMIT)
    float_agreement: FloatAgreement | None = dataclasses.field(default=None, metadata=OMIT)
