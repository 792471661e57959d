"""`contract.json`: all that an app must know to use the model, one file for Python and Kotlin.

The schema is docs/schemas/contract.schema.json. Nothing about a model is hard-coded in an app:
swap the four assets and it works.
"""

import dataclasses
from typing import Final, Literal

from mobiledeploy.config import Head, Io, Preprocessing
from mobiledeploy.results import File

FORMAT: Final = 1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """An integer grid: a real value is `(code - zero_point) * scale`.

    Attributes:
        scale: Real units per step.
        zero_point: The int8 code of real 0; add 128 for the uint8 code.
    """

    scale: float
    zero_point: int


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
        scores: 1: TFLite's softmax kernel differs between x86 and arm64 by one step.
    """

    logits: int = 0
    scores: int = 1


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
        input: One RGB image, NHWC.
        output: One value a class.
        logits: Grid of the logits that golden vectors are judged by; None in a float model.
        tolerance: For golden vectors.
        files: The two models.
    """

    format: Literal[1] = FORMAT
    name: str
    classes: int
    head: Head
    preprocessing: Preprocessing
    resize: Literal["triangle-v1"] = "triangle-v1"
    input: Tensor
    output: Tensor
    logits: Grid | None
    tolerance: Tolerance | None
    files: tuple[File, ...]
