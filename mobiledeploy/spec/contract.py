"""`contract.json`: all that an app must know to use the model, one file for Python and Kotlin.

The schema is docs/schemas/contract.schema.json. Nothing about a model is hard-coded in an app:
swap the five assets and it works. A contract that exists agrees with itself; the app's own reader
(android_demo/core, ContractCheck.kt) checks the same.
"""

import dataclasses
from pathlib import Path
from typing import Final, Literal

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.spec.config import Head, Io, Preprocessing
from mobiledeploy.spec.results import File

FORMAT: Final = 3
"""2: with `taps` and `resize_check`. 3: with `labels`."""
MODELS: Final = ("model.tflite", "model.onnx")
LABELS: Final = "labels.txt"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """An integer grid: a real value is `(code - zero_point) * scale`.

    Attributes:
        scale: Real units per step.
        zero_point: The int8 code of real 0; add 128 for the uint8 code.
    """

    scale: float
    zero_point: int


SOFTMAX: Final = Grid(scale=1 / 256, zero_point=-128)
"""The grid of every softmax of integers."""
RELATIVE: Final = 1e-6
"""How far the input's float32 scale may lie from 1 / std, relatively."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """An input or output of the files.

    Attributes:
        dtype: `int8`, `uint8` or `float32`.
        shape: Batch first; the batch is 1 in the `.tflite` and free in the `.onnx`.
        grid: Of the int8 codes; None in a float model.
    """

    dtype: Io
    shape: tuple[int, ...]
    grid: Grid | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How far a device may be from the golden vectors, in steps (LSB) of the int8 grid.

    Attributes:
        logits: 0: XNNPACK and ONNX Runtime compute the same integers everywhere.
        scores: 1: TFLite's softmax kernels for x86 and arm64 differ by one step; by more only on
            adversarial logits of a thousand classes, see docs/proof.md.
    """

    logits: int = 0
    scores: int = 1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """Bytes to be written over a file's own.

    Attributes:
        offset: Of the first byte.
        bytes: In hexadecimal.
    """

    offset: int
    bytes: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Tap:
    """How to make a copy of a model that also gives out what its softmax is computed from.

    Attributes:
        path: Of the model.
        output: Name of the further output, which comes last.
        dtype: Of the further output: codes on the contract's grid of logits.
        patch: Bytes to replace, or None.
        append: Bytes to put behind the end, in hexadecimal.
    """

    path: str
    output: str
    dtype: Literal["int8", "uint8"]
    patch: Patch | None
    append: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What the files expect and give.

    Attributes:
        format: Version of this file's format.
        name: Of the architecture, such as `mobilenet_v2_0.35_96`.
        classes: Number of lines in `labels.txt`.
        head: Whether the output is a softmax's scores or logits.
        preprocessing: From photo to pixels to input values.
        resize: The name of the resize; docs/preprocessing.md defines it.
        resize_check: SHA-256 of what crop and resize make of `data/test_card.py`'s photo.
        input: One RGB image, NHWC.
        output: One value a class.
        logits: Grid of the logits that golden vectors are judged by; None in a float model.
        tolerance: For golden vectors.
        files: The two models.
        labels: The classes' names, in the order of the output: in another, every answer is wrong.
        taps: For each model that ends in a softmax of integers; else empty.
    """

    format: Literal[3] = FORMAT
    name: str
    classes: int
    head: Head
    preprocessing: Preprocessing
    resize: Literal["triangle-v1"] = "triangle-v1"
    resize_check: str
    input: Tensor
    output: Tensor
    logits: Grid | None
    tolerance: Tolerance | None
    files: tuple[File, ...]
    labels: File
    taps: tuple[Tap, ...]

    def __post_init__(self) -> None:
        """Check that the fields agree.

        Raises:
            CorruptFileError: They contradict each other.
        """
        side = self.preprocessing.image_size
        _agree("input.shape", self.input.shape, (1, side, side, 3), f"image_size {side}")
        _agree("output.shape", self.output.shape, (1, self.classes), f"{self.classes} classes")
        _agree("output.dtype", self.output.dtype, self.input.dtype, "input.dtype")
        _agree("files", tuple(file.path for file in self.files), MODELS, "the format")
        _agree("labels.path", self.labels.path, LABELS, "the format")
        if self.tolerance is None:
            self._check_float()
        else:
            self._check_integers()

    def _check_float(self) -> None:
        because = "a float model, which `tolerance` null means"
        for name, grid in self._grids().items():
            _agree(name, grid, None, because)
        _agree("input.dtype", self.input.dtype, "float32", because)
        _agree("taps", self.taps, (), because)

    def _check_integers(self) -> None:
        for name, grid in self._grids().items():
            if grid is None:
                raise CorruptFileError(f"{name}: expected a grid, received null")
        mean, std = self.preprocessing.mean, self.preprocessing.std
        code = self.input.grid
        if code is None or code.zero_point != mean - 128 or abs(code.scale * std - 1) > RELATIVE:
            raise CorruptFileError(
                f"input.grid: expected scale {1 / std} and zero point {mean - 128} by mean and "
                f"std, received {code}"
            )
        if self.head == "softmax":
            _agree("output.grid", self.output.grid, SOFTMAX, "a softmax of integers")
            _agree("taps", tuple(tap.path for tap in self.taps), MODELS, "a softmax of integers")
        else:
            _agree("output.grid", self.output.grid, self.logits, "head logits")
            _agree("taps", self.taps, (), "head logits")
        for tap, file in zip(self.taps, self.files, strict=False):
            if tap.patch and tap.patch.offset > file.size - len(tap.patch.bytes) // 2:
                raise CorruptFileError(
                    f"taps: the patch at byte {tap.patch.offset} of {tap.path} lies outside its "
                    f"{file.size} bytes"
                )

    def _grids(self) -> dict[str, Grid | None]:
        return {
            "input.grid": self.input.grid,
            "output.grid": self.output.grid,
            "logits": self.logits,
        }


def class_names(root: Path) -> tuple[str, ...]:
    """Return the classes' names in a build folder's `labels.txt`, in the order of the output.

    Raises:
        CorruptFileError: The file is no UTF-8.
    """
    path = root / LABELS
    try:
        return tuple(path.read_text(encoding="utf-8").splitlines())
    except UnicodeDecodeError as error:
        raise CorruptFileError(
            f"{path}: expected text in UTF-8, received byte 0x{error.object[error.start]:02x} at "
            f"{error.start}",
            hint="run `mobiledeploy build` again: it mends the folder",
        ) from error


def _agree(name: str, received: object, expected: object, because: str) -> None:
    if received != expected:
        raise CorruptFileError(f"{name}: expected {expected} by {because}, received {received}")
