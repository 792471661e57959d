"""`Model`: a file of either format as plain data: tensors, operators, metadata.

It holds what the file states, sensible or not; the rules of `lint` judge it.
"""

import dataclasses
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

ONE_IMAGE: Final = (
    "only a network from one image to one output can be compared: export the model with one "
    "input, from which its first output is computed; `mobiledeploy inspect` shows any file"
)
"""What to do with a model of several inputs, or without an output."""

Format: TypeAlias = Literal["tflite", "onnx"]
Activation: TypeAlias = Literal["none", "relu", "relu_n1_to_1", "relu6", "tanh", "sign_bit"]
"""The activation that is fused into a TFLite operator."""

Dimension: TypeAlias = int | str
"""The size of a dimension; -1 or a name if it is dynamic."""

CODES: Final = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}
"""Lowest and highest code, by the type that activations are quantised to."""

NARROW: Final = ("int4", "uint4", "int2", "uint2")
"""Types whose values share bytes, two or four to a byte."""

FLOATS: Final = ("float32", "float16", "bfloat16", "float64")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grid:
    """How codes map to real numbers: `real = (code - zero_point) * scale`.

    Attributes:
        scale: float32: one, or one for each entry along `axis`.
        zero_point: int64, as many as scales.
        axis: The quantised dimension of a per-channel grid.
        rank: Rank of the stored scale: 0 for a scalar, which only ONNX has.
    """

    scale: npt.NDArray[np.float32]
    zero_point: npt.NDArray[np.int64]
    axis: int = 0
    rank: int = 1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tensor:
    """A tensor.

    Attributes:
        name: As in the file.
        dtype: `int8`, `float32` and so on; empty if the file does not say.
        shape: None if the file does not say.
        grid: None if it is not quantised.
        constant: Whether the file holds its values.
        data: The values, in `shape`; None if there are none or NumPy has no such type.
        place: Identifies where the file stores the values: equal places mean shared storage. None
            if there are no values.
        stored: Size of the stored values, in bytes.
        block: Block-wise quantisation: number of neighbouring values that share a scale, which
            another tensor holds; 0 if it is not used.
    """

    name: str
    dtype: str
    shape: tuple[Dimension, ...] | None
    grid: Grid | None = None
    block: int = 0
    constant: bool = False
    data: npt.NDArray[Any] | None = None
    place: int | None = None
    stored: int = 0

    @property
    def number(self) -> float | None:
        """The value of a constant with a single value, else None."""
        if self.data is None or self.data.size != 1 or self.data.dtype.kind not in "biuf":
            return None
        return float(self.data.ravel()[0])

    @property
    def sizes(self) -> tuple[int, ...] | None:
        """The shape if every dimension is known, else None."""
        if self.shape is None:
            return None
        known = tuple(size for size in self.shape if isinstance(size, int) and size >= 0)
        return known if len(known) == len(self.shape) else None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Operator:
    """An operator of the main graph.

    Attributes:
        kind: Its name in the format's operator set, such as `CONV_2D` or `Conv`.
        domain: Empty for the format's own operators, `custom` for a TFLite custom operator, else
            the ONNX domain.
        version: Version of the operator; 0 if unknown.
        inputs: Indices of the tensors that it reads; -1 for an omitted input.
        outputs: Indices of the tensors that it writes; -1 for an omitted output.
        activation: The activation that is fused into a TFLite operator.
        attributes: ONNX attributes that are numbers, strings or lists of numbers, or the options
            of a TFLite operator, as `formats.tflite.schema` names them.
    """

    kind: str
    domain: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    activation: Activation = "none"
    attributes: dict[str, Any] = dataclasses.field(default_factory=dict)

    def input(self, place: int) -> int:
        """Return the tensor index of an input, -1 if there is none."""
        return self.inputs[place] if 0 <= place < len(self.inputs) else -1

    def output(self, place: int) -> int:
        """Return the tensor index of an output, -1 if there is none."""
        return self.outputs[place] if 0 <= place < len(self.outputs) else -1

    def number(self, name: str, default: float) -> float:
        """Return an attribute; the default if it is missing or not a number."""
        value = self.attributes.get(name, default)
        return value if isinstance(value, int | float) else default


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OperatorCode:
    """An entry of a TFLite file's operator codes, or an imported ONNX operator set."""

    kind: str
    domain: str
    version: int
    uses: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Buffer:
    """A place in the file that holds values.

    Attributes:
        name: Name of the first tensor or entry that uses it, or a number.
        users: How many tensors and other entries point to it.
        place: See `Tensor`.
        content: The bytes.
    """

    name: str
    users: int
    place: int
    content: npt.NDArray[np.uint8]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Model:
    """A parsed model file: its main graph, metadata and storage.

    Attributes:
        format: Format of the file.
        size: Size of the file and its external data, in bytes.
        description: The description that the file states.
        producer: Program that wrote it; empty if the file does not say.
        tensors: All tensors of the main graph; others refer to them by index.
        operators: Operators of the main graph, in running order.
        other_operators: Operators of further graphs: kind, domain, version.
        inputs: Indices of the graph's input tensors.
        outputs: Indices of the graph's output tensors.
        codes: TFLite operator codes, or imported ONNX operator sets.
        buffers: Where values are stored.
        graphs: Number of graphs in the file.
        ir_version: ONNX IR version; 0 for TFLite.
        metadata: By name: a short text, or a size.
        signatures: By key, then `inputs` or `outputs`: their names and the tensors' names.
        min_runtime: Oldest runtime that a TFLite file claims to need; None if it claims nothing.
        outside: Bytes of values behind the flatbuffer or in other files.
        problem: Complaint of `onnx.checker`; empty if it has none.
        scales: Indices of tensors that hold the scales and zero points of other tensors.
    """

    format: Format
    size: int
    description: str
    producer: str
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    other_operators: tuple[tuple[str, str, int], ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    codes: tuple[OperatorCode, ...]
    buffers: tuple[Buffer, ...]
    graphs: int
    ir_version: int = 0
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    signatures: dict[str, dict[str, dict[str, str]]] = dataclasses.field(default_factory=dict)
    min_runtime: str | None = None
    outside: int = 0
    problem: str = ""
    scales: frozenset[int] = frozenset()

    def tensor(self, index: int) -> Tensor | None:
        """Return the tensor of an index; None for -1, an omitted input or output."""
        return self.tensors[index] if index >= 0 else None

    def named(self, operator: Operator) -> str:
        """Return a name for an operator in findings: its kind, then the tensor that it writes."""
        outputs = [self.tensors[index].name for index in operator.outputs if index >= 0]
        return f"{operator.kind} `{outputs[0]}`" if outputs else operator.kind
