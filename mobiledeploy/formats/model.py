"""What a file of either format holds: tensors, operators, and what frames them.

The view keeps what the file says, sensible or not: the rules judge it.
"""

import dataclasses
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Format: TypeAlias = Literal["tflite", "onnx"]
Activation: TypeAlias = Literal["none", "relu", "relu_n1_to_1", "relu6", "tanh", "sign_bit"]
"""Fused into a TFLite operator."""

Dimension: TypeAlias = int | str
"""A size; -1 or a name where it is open."""

CODES: Final = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}
"""Lowest and highest code of the types that activations are quantised to."""

NARROW: Final = ("int4", "uint4", "int2", "uint2")
"""Types of which several values share a byte."""

FLOATS: Final = ("float32", "float16", "bfloat16", "float64")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grid:
    """How codes stand for real numbers: `(code - zero_point) * scale`.

    Attributes:
        scale: float32, one or one for each entry along `axis`.
        zero_point: int64, same shape.
        axis: The quantised dimension.
        rank: Of the scale as it is stored: 0 for a bare number, as only ONNX has it.
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
        place: Where in the file the values begin, in whatever unit: equal places mean shared
            storage. None if there are none.
        stored: Their bytes.
        block: Neighbours that share a scale of another tensor; 0 if they do not.
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
        """The value, if the file holds a single one."""
        if self.data is None or self.data.size != 1 or self.data.dtype.kind not in "biuf":
            return None
        return float(self.data.ravel()[0])

    @property
    def sizes(self) -> tuple[int, ...] | None:
        """The shape, if every dimension is known."""
        if self.shape is None:
            return None
        known = tuple(size for size in self.shape if isinstance(size, int) and size >= 0)
        return known if len(known) == len(self.shape) else None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Operator:
    """An operator of the main graph.

    Attributes:
        kind: Its name in the format's operator set.
        domain: Whose operator it is: empty for the format's own, `custom` for a TFLite operator
            that is no built-in, else the ONNX domain.
        version: Of the operator; 0 if unknown.
        inputs: Indices of tensors; -1 for one left out.
        outputs: Likewise.
        activation: What TFLite fused into it.
        attributes: ONNX attributes that are numbers, strings or lists of numbers; of a TFLite
            operator its options, as `formats.tflite.schema` names them.
    """

    kind: str
    domain: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    activation: Activation = "none"
    attributes: dict[str, Any] = dataclasses.field(default_factory=dict)

    def input(self, place: int) -> int:
        """Return the index of an input, -1 if there is none."""
        return self.inputs[place] if 0 <= place < len(self.inputs) else -1

    def output(self, place: int) -> int:
        """Return the index of an output, -1 if there is none."""
        return self.outputs[place] if 0 <= place < len(self.outputs) else -1

    def number(self, name: str, default: float) -> float:
        """Return an attribute; the default where there is none, or one that is no number."""
        value = self.attributes.get(name, default)
        return value if isinstance(value, int | float) else default


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OperatorCode:
    """An entry of TFLite's list of operators, or an import of an ONNX operator set."""

    kind: str
    domain: str
    version: int
    uses: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Buffer:
    """A place in the file that holds values.

    Attributes:
        name: Of its first user, or a number.
        users: How many tensors and other entries point to it.
        place: As in `Tensor`.
        content: The bytes.
    """

    name: str
    users: int
    place: int
    content: npt.NDArray[np.uint8]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Model:
    """A file's main graph and what frames it.

    Attributes:
        format: Of the file.
        size: Bytes of the file, and of what it keeps in other files.
        description: For people.
        producer: Program that wrote it; empty if the file does not say.
        tensors: By index.
        operators: Of the main graph, in the order in which they run.
        other_operators: Of further graphs: kind, domain, version.
        inputs: Indices of tensors.
        outputs: Likewise.
        codes: TFLite operator codes, or imported ONNX operator sets.
        buffers: Where values are stored.
        graphs: How many graphs the file has.
        ir_version: ONNX only, else 0.
        metadata: By name; a short text, or a size.
        signatures: By key, names of inputs and outputs with the tensors they stand for.
        min_runtime: What the file claims, TFLite only; None if it claims nothing.
        outside: Bytes of values behind the flatbuffer, or in other files.
        problem: What `onnx.checker` says, ONNX only; empty if it has nothing to say.
        scales: Indices of tensors that hold the scales and zero points of others.
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
        """Return a tensor, or None for an input or output left out."""
        return self.tensors[index] if index >= 0 else None

    def named(self, operator: Operator) -> str:
        """Return an operator's kind and the tensor that it writes, for a finding."""
        outputs = [self.tensors[index].name for index in operator.outputs if index >= 0]
        return f"{operator.kind} `{outputs[0]}`" if outputs else operator.kind
