"""`contract.json`: everything that an app must know to use a build's models.

The schema is docs/schemas/contract.schema.json. Nothing about a model is hard-coded in an app:
replace the five assets and it runs the new model. A contract is checked for contradictions when it
is made; the app's own reader (android_demo/core, ContractCheck.kt) makes the same checks.
"""

import dataclasses
from pathlib import Path
from typing import Final, Literal, assert_never

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.spec.config import Head, Io, Preprocessing
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
        head: Whether the output is scores (of a softmax) or logits.
        preprocessing: How a photo becomes input values.
        resize: Name of the resize algorithm, which docs/preprocessing.md defines.
        resize_check: SHA-256 of the test photo of `data/test_card.py` after crop and resize.
        input: One RGB image, NHWC.
        output: One value a class.
        logits: Grid of the logits of the golden vectors; None in a float model.
        tolerance: Tolerance for golden vectors; None in a float model.
        files: The two models.
        labels: The file of class names, in the order of the output.
        taps: How to tap the logits of each model that ends in an int8 softmax; else empty.
    """

    format: Literal[3] = FORMAT
    name: str
    classes: int
    head: Head
    preprocessing: Preprocessing
    resize: Literal["triangle-v1"] = "triangle-v1"
    resize_check: str
    input: ContractTensor
    output: ContractTensor
    logits: Int8Grid | None
    tolerance: Tolerance | None
    files: tuple[File, ...]
    labels: File
    taps: tuple[Tap, ...]

    def __post_init__(self) -> None:
        """Check that the fields do not contradict each other.

        Raises:
            CorruptFileError: They do.
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
        because = "`tolerance` null (a float model)"
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
                f"input.grid: expected scale {1 / std}, zero point {mean - 128} by mean and std, "
                f"received {_as_json(code)}"
            )
        match self.head:
            case "softmax":
                because = "an int8 softmax"
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
            hint="run `mobiledeploy build` again to restore the folder",
        ) from error


def _agree(name: str, received: object, expected: object, because: str) -> None:
    if received != expected:
        raise CorruptFileError(
            f"{name}: expected {_as_json(expected)} by {because}, received {_as_json(received)}"
        )


def _as_json(value: object) -> str:
    return "null" if value is None else str(value)
