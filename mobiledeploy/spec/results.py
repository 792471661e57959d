"""What stages return: frozen, comparable, written as JSON. Paths are relative and POSIX."""

import dataclasses
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from mobiledeploy.base import files
from mobiledeploy.base.errors import CorruptFileError


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, order=True)
class File:
    """A file of a build, by content.

    Attributes:
        path: Relative to the build folder, POSIX.
        size: Bytes.
        sha256: Hexadecimal digest of the bytes.
    """

    path: str
    size: int
    sha256: str

    @classmethod
    def of(cls, root: Path, path: Path) -> "File":
        """Describe a file that lies under `root`."""
        return cls(
            path=path.relative_to(root).as_posix(),
            size=path.stat().st_size,
            sha256=files.sha256(path),
        )

    def locate(self, root: Path) -> Path:
        """Return the file's place under `root`.

        Raises:
            CorruptFileError: The path would leave `root`.
        """
        pure = PurePosixPath(self.path)
        unusual = "\\" in self.path or "\0" in self.path or len(self.path) > files.MOST_NAME
        if pure.is_absolute() or ".." in pure.parts or unusual or not pure.parts:
            raise CorruptFileError(
                f"`{self.path[: files.MOST_NAME]}` is not a path inside the build folder"
            )
        return root / pure

    def check(self, root: Path) -> Path:
        """Return the file's place after making sure that it holds the same bytes.

        Raises:
            CorruptFileError: The file is missing or was changed.
        """
        path = self.locate(root)
        if not path.is_file():
            raise CorruptFileError(
                f"{path} is missing", hint="run `mobiledeploy build` again: it mends the folder"
            )
        if path.stat().st_size != self.size or files.sha256(path) != self.sha256:
            raise CorruptFileError(
                f"{path} is not the file that was built: its SHA-256 differs",
                hint="run `mobiledeploy build` again: it mends the folder",
            )
        return path


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How many images were classified right.

    Attributes:
        correct: Images whose highest logit is their label's.
        total: Images scored.
    """

    correct: int
    total: int

    @classmethod
    def of(cls, predicted: npt.NDArray[np.int64], labels: npt.NDArray[np.int64]) -> "Score":
        """Count where predicted classes are the labels; both of shape (images,)."""
        return cls(correct=int((predicted == labels).sum()), total=len(labels))

    @property
    def top1(self) -> float:
        """The fraction of right answers, 0..1."""
        return self.correct / self.total


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DataResult:
    """The images, decoded and resized once: `data/pixels.npy`, `data/index.json`.

    Attributes:
        class_names: By label.
        train: Number of images to train on.
        validation: Number of images that choose between candidates.
        test: Number of held-back images.
        unreadable: Names of images that could not be decoded.
    """

    class_names: tuple[str, ...]
    train: int
    validation: int
    test: int
    unreadable: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """The float network: `train/network.npz`, `train/model.keras`, `train/logits.npy`.

    Attributes:
        validation: Score of the float network on the validation images.
        test: Score of the float network on the held-back images.
        note: What was taken from weights and what is new, in a sentence; may be empty.
    """

    validation: Score
    test: Score
    note: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An int8 file made from the network: `quantise/<name>.tflite`.

    Attributes:
        name: `ptq` or `qat`.
        validation: Score of the file on the validation images: what decides.
        validation_loss: Mean cross-entropy of its logits there: what decides among equals.
        test: Score of the file on the held-back images: what is reported.
    """

    name: str
    validation: Score
    validation_loss: float
    test: Score


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class QuantiseResult:
    """The candidates, and which one is shipped.

    Attributes:
        candidates: Post-training quantisation first.
        chosen: The name of the shipped candidate.
        reason: Why, in a sentence.
    """

    candidates: tuple[Candidate, ...]
    chosen: str
    reason: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ExportResult:
    """The two files, and what their integers are.

    Attributes:
        files: `model.tflite` and `model.onnx`, in `export/`.
        grid: SHA-256 of the integer graph that both serialise; empty for float files.
        certified: How many additions and means were tried over every input there is.
        nudged: How many of them needed other scales in the ONNX file.
    """

    files: tuple[File, ...]
    grid: str
    certified: int
    nudged: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StageTime:
    """How long a stage took.

    Attributes:
        stage: Its name.
        seconds: Wall-clock seconds; 0 if its earlier result was taken over.
    """

    stage: str
    seconds: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ScoreLine:
    """A row of the summary: one network or file, on the held-back images.

    Attributes:
        name: `float`, `ptq int8`, `qat int8`, `model.tflite` or `model.onnx`.
        test: Its score.
        shipped: Whether this is what the build's files hold.
    """

    name: str
    test: Score
    shipped: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BuildReport:
    """What a build gave: `report.json`.

    Attributes:
        scores: Float network first, then the candidates, then the two files.
        reason: Why the shipped candidate was chosen; empty for float files.
        note: What was taken from weights and what is new; may be empty.
        unreadable: Images that were left out.
        files: The two files.
        verdict: What the verification found, in a sentence.
        holds: Whether the two files are the same function.
        times: Seconds of each stage.
    """

    scores: tuple[ScoreLine, ...]
    reason: str
    note: str
    unreadable: tuple[str, ...]
    files: tuple[File, ...]
    verdict: str
    holds: bool
    times: tuple[StageTime, ...]
