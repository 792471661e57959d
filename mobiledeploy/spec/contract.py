"""`contract.json`: everything that an app must know to use a build's models.

The schema is docs/schemas/contract.schema.json. Nothing about a model is hard-coded in an app:
replace the five assets and it runs the new model. A contract is checked for contradictions when it
is made; the app's own reader (android_demo/library, ContractCheck.kt) makes the same checks.
"""

import dataclasses
from pathlib import Path
from typing import Final, Literal, assert_never

from mobiledeploy.base import codec
from mobiledeploy.base.errors import CorruptFileError, RequestError
from mobiledeploy.spec.config import Head, Io, Preprocessing, Scaling, Task
from mobiledeploy.spec.results import File

FORMAT: Final = 3
"""2: with `taps` and `resize_check`. 3: with `labels`."""
MODELS: Final = ("model.tflite", "model.onnx")
"""Names of the two models in a build folder."""
LABELS: Final = "labels.txt"
"""Name of the file of class names in a build folder."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Int8Grid:
    """Scale and zero point of a tensor: a real value is `(code - zero_point) * scale`.

    Attributes:
        scale: Real units per step.
        zero_point: The int8 code of real 0; add 128 for the uint8 code.
    """

    scale: float
    zero_point: int

    def __str__(self) -> str:
        return f"scale {self.scale}, zero point {self.zero_point}"


SOFTMAX: Final = Int8Grid(scale=1 / 256, zero_point=-128)
"""The grid of the scores of every int8 softmax."""
RELATIVE: Final = 1e-6
"""Largest relative difference between the input's float32 scale and 1 / std."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ContractTensor:
    """The input or the output of both files.

    Attributes:
        dtype: `int8`, `uint8` or `float32`.
        shape: Batch first; the batch is 1 in the `.tflite` and free in the `.onnx`.
        grid: Grid of the int8 codes; None in a float model.
    """

    dtype: Io
    shape: tuple[int, ...]
    grid: Int8Grid | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """Largest difference from the golden vectors that is allowed, in steps (LSB) of the grid.

    Attributes:
        logits: 0, since XNNPACK and ONNX Runtime compute the same integers on all CPUs.
        scores: 1, since TFLite's softmax kernels for x86 and arm64 differ by one step; they differ
            by more for adversarial logits of a thousand classes only (docs/proof.md).
    """

    logits: int = 0
    scores: int = 1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """Bytes that replace some of a file's bytes.

    Attributes:
        offset: Place of the first byte in the file.
        bytes: The new bytes, in hexadecimal.
    """

    offset: int
    bytes: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Tap:
    """How to make a copy of a model that has its logits as a second output.

    Attributes:
        path: The model's file.
        output: Name of the added output, which comes last.
        dtype: Type of the added output: codes on the contract's grid of logits.
        patch: Bytes to replace; None if there are none.
        append: Bytes to add at the end of the file, in hexadecimal.
    """

    path: str
    output: str
    dtype: Literal["int8", "uint8"]
    patch: Patch | None
    append: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What an app must know of a build's models.

    Attributes:
        format: Version of this file's format.
        name: Name of the architecture, such as `mobilenet_v2_0.35_96`.
        classes: Number of lines in `labels.txt`.
        head: Whether the output is scores (`softmax`, also where a sigmoid makes them) or logits.
        preprocessing: How a photo becomes input values; None if the input is no photo.
        resize: Name of the resize algorithm, which docs/preprocessing.md defines; None without
            `preprocessing`.
        resize_check: SHA-256 of the test photo of `data/test_card.py` after crop and resize; None
            without `preprocessing`.
        input: One image, NHWC, or values of any shape.
        output: One value a class; a single one for a `binary` task.
        logits: Grid of the logits of the golden vectors; None in a float model.
        tolerance: Tolerance for golden vectors; None in a float model.
        files: The two models.
        labels: The file of class names, in the order of the output.
        taps: How to tap the logits of each model that ends in int8 scores; else empty.
        task: What the outputs are.
    """

    format: Literal[3] = FORMAT
    name: str
    classes: int
    head: Head
    preprocessing: Preprocessing | None
    resize: Literal["triangle-v1"] | None = "triangle-v1"
    resize_check: str | None
    input: ContractTensor
    output: ContractTensor
    logits: Int8Grid | None
    tolerance: Tolerance | None
    files: tuple[File, ...]
    labels: File
    taps: tuple[Tap, ...]
    task: Task = dataclasses.field(default="classification", metadata=codec.OMIT)

    @property
    def scaling(self) -> Scaling:
        """Mean and std by which a pixel, or an int8 code plus 128, becomes an input value."""
        if self.preprocessing is not None:
            return self.preprocessing.scaling
        if self.input.grid is None:
            raise CorruptFileError("input.grid: expected a grid, received null")
        return float(self.input.grid.zero_point + 128), 1 / self.input.grid.scale

    def for_photos(self) -> Preprocessing:
        """Return how a photo becomes input values.

        Raises:
            RequestError: The input is no photo.
        """
        if self.preprocessing is None:
            shape = " x ".join(map(str, self.input.shape[1:]))
            raise RequestError(
                f"{self.name} takes {shape} values, no photos",
                hint="leave the photos out: its golden vectors are proven without",
            )
        return self.preprocessing

    @property
    def outputs(self) -> int:
        """Number of values of the output."""
        return 1 if self.task == "binary" else self.classes

    def __post_init__(self) -> None:
        """Check that the fields do not contradict each other.

        Raises:
            CorruptFileError: They do.
        """
        if self.preprocessing is None:
            because = "`preprocessing` null (an input that is no photo)"
            _agree("resize", self.resize, None, because)
            _agree("resize_check", self.resize_check, None, because)
            _agree("input.shape", self.input.shape[:1], (1,), "the format")
        else:
            shape = self.preprocessing.shape
            because = f"image_size {self.preprocessing.image_size}"
            _agree("input.shape", self.input.shape, (1, *shape), because)
            _agree("resize", self.resize, "triangle-v1", "`preprocessing`")
            if self.resize_check is None:
                raise CorruptFileError("resize_check: expected a digest, received null")
        self._check_outputs()
        _agree("output.dtype", self.output.dtype, self.input.dtype, "input.dtype")
        _agree("files", tuple(file.path for file in self.files), MODELS, "the format")
        _agree("labels.path", self.labels.path, LABELS, "the format")
        if self.tolerance is None:
            self._check_float()
        else:
            self._check_integers()

    def _check_outputs(self) -> None:
        because = f"{self.classes} classes of a {self.task} task"
        _agree("output.shape", self.output.shape, (1, self.outputs), because)
        fewest = {"classification": 2, "binary": 2, "multi-label": 1, "regression": 1}[self.task]
        if self.classes < fewest or (self.task == "binary" and self.classes > fewest):
            raise CorruptFileError(
                f"classes: expected {fewest} {'' if self.task == 'binary' else 'or more '}for a "
                f"{self.task} task, received {self.classes}"
            )
        if self.task == "regression":
            _agree("head", self.head, "logits", "a regression task, which has no scores")

    def _check_float(self) -> None:
        because = "`tolerance` null (a float model)"
        for name, grid in self._grids().items():
            _agree(name, grid, None, because)
        _agree("input.dtype", self.input.dtype, "float32", because)
        _agree("taps", self.taps, (), because)

    def _check_integers(self) -> None:
        for name, grid in self._grids().items():
            if grid is None:
                raise CorruptFileError(f"{name}: expected a grid, received null")
        if self.preprocessing is not None:
            self._check_input_grid(self.preprocessing)
        match self.head:
            case "softmax":
                because = "int8 scores"
                _agree("output.grid", self.output.grid, SOFTMAX, because)
                _agree("taps", tuple(tap.path for tap in self.taps), MODELS, because)
            case "logits":
                _agree("output.grid", self.output.grid, self.logits, "head logits")
                _agree("taps", self.taps, (), "head logits")
            case _:
                assert_never(self.head)
        for tap, file in zip(self.taps, self.files, strict=False):
            if tap.patch and tap.patch.offset > file.size - len(tap.patch.bytes) // 2:
                raise CorruptFileError(
                    f"taps: the patch at byte {tap.patch.offset} of {tap.path} lies outside its "
                    f"{file.size} bytes"
                )

    def _check_input_grid(self, preprocessing: Preprocessing) -> None:
        mean, std = preprocessing.scaling
        code = self.input.grid
        if code is None or code.zero_point != mean - 128 or abs(code.scale * std - 1) > RELATIVE:
            raise CorruptFileError(
                f"input.grid: expected scale {1 / std}, zero point {mean - 128} by mean and std, "
                f"received {_as_json(code)}"
            )

    def _grids(self) -> dict[str, Int8Grid | None]:
        return {
            "input.grid": self.input.grid,
            "output.grid": self.output.grid,
            "logits": self.logits,
        }


def class_names(root: Path) -> tuple[str, ...]:
    """Return the classes' names in a build folder's `labels.txt`, in the order of the output.

    Raises:
        CorruptFileError: The file is not UTF-8.
    """
    path = root / LABELS
    try:
        return tuple(path.read_text(encoding="utf-8").splitlines())
    except UnicodeDecodeError as error:
        raise CorruptFileError(
            f"{path}: expected text in UTF-8, received byte 0x{error.object[error.start]:02x} at "
            f"{error.start}",
            hint="run the command that made the folder again",
        ) from error


def _agree(name: str, received: object, expected: object, because: str) -> None:
    if received != expected:
        raise CorruptFileError(
            f"{name}: expected {_as_json(expected)} by {because}, received {_as_json(received)}"
        )


def _as_json(value: object) -> str:
    return "null" if value is None else str(value)
