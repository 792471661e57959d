"""`TfliteModel`: a parsed `.tflite`, which extends the `Model` that both formats share."""

import dataclasses
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ConversionError, CorruptFileError
from mobiledeploy.formats.model import Model, Operator, Tensor
from mobiledeploy.formats.tflite.flatbuffer import Table
from mobiledeploy.formats.tflite.metadata import ArchivedFile, ModelMetadata

CUSTOM: Final = "custom"
"""Domain of custom operators."""

MOST_OPERATORS: Final = 4096
"""Most operators that are read: several times those of a classifier (NASNetMobile with float16
weights has 1,130). Operators may share their weights: without a limit a small file could take long
to read."""
MOST_RANK: Final = 8
FARTHEST: Final = 2**14
"""Largest absolute zero point that is read. Those of 8-bit codes are far smaller; up to this one,
arithmetic on codes stays within 16 bits."""

_NEAR_CODES: Final = frozenset({"int8", "uint8", "int32"})
"""Types of which LiteRT refuses such zero points."""

_NO_SCALE: Final = np.zeros(0, np.float32)
_NO_ZERO_POINT: Final = np.zeros(0, np.int64)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TfliteTensor(Tensor):
    """A tensor of a `.tflite`.

    Attributes:
        unique_name: The full name, made unique: in the schema names are optional and may repeat.
        fixed_shape: The shape with the stated size, often 1, of each dynamic dimension.
        sparse: Whether the constant is stored without its zeros; `data` is then None.
    """

    unique_name: str
    fixed_shape: tuple[int, ...]
    sparse: bool = False

    @property
    def scale(self) -> npt.NDArray[np.float32]:
        """One scale, or one for each entry along the grid's axis; empty if not quantised."""
        return _NO_SCALE if self.grid is None else self.grid.scale

    @property
    def zero_point(self) -> npt.NDArray[np.int64]:
        """Zero points, as many as scales."""
        return _NO_ZERO_POINT if self.grid is None else self.grid.zero_point

    @property
    def axis(self) -> int:
        """The quantised dimension of a per-channel grid."""
        return 0 if self.grid is None else self.grid.axis


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TfliteOperator(Operator):
    """An operator of a `.tflite`; `attributes` are the fields of its options table.

    Attributes:
        builtin: Its name in the schema's `BuiltinOperator`; `CUSTOM` for a custom operator, whose
            name is `kind`.
        code: Its number in `BuiltinOperator`.
        options: Its options table in the file; None if it has none.
        options_type: Number of the table's type in the schema's `BuiltinOptions`.
    """

    builtin: str
    code: int
    options: Table | None
    options_type: int

    def option(self, name: str) -> Any:
        """Return an option as the file states it, else the schema's default.

        Args:
            name: The option's name in `schema.OPTIONS`.
        """
        return self.attributes[name]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Signature:
    """A signature: names for the inputs and outputs of a graph.

    Attributes:
        key: The signature's own name.
        graph: Number of the graph.
        inputs: Name and tensor index of each input.
        outputs: Name and tensor index of each output.
    """

    key: str
    graph: int
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[tuple[str, int], ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TfliteModel(Model):
    """A parsed `.tflite`: indices, offsets and sizes were checked.

    Attributes:
        tensors: Tensors of the main graph, by index.
        operators: Operators of the main graph, in running order.
        data: The file.
        graph: The main graph's table in the file.
        calls: The signatures.
        described: What the metadata for MediaPipe and ML Kit say; None if there are none.
        archived: Files behind the flatbuffer, such as labels.
    """

    tensors: tuple[TfliteTensor, ...]
    operators: tuple[TfliteOperator, ...]
    data: bytes = dataclasses.field(repr=False)
    graph: Table
    calls: tuple[Signature, ...] = ()
    described: ModelMetadata | None = None
    archived: tuple[ArchivedFile, ...] = ()


def require_supported(model: TfliteModel) -> None:
    """Refuse models that no reader here can read, without looking at their operators.

    Raises:
        ConversionError: There are several graphs, too many operators, empty tensors or sparse
            weights.
        CorruptFileError: A tensor's shape, scales and zero points contradict each other.
    """
    if model.graphs != 1:
        raise ConversionError(
            f"expected one subgraph, received {model.graphs}",
            hint="convert the model without control flow, such as loops and conditions",
        )
    ends = (index for operator in model.operators for index in operator.inputs + operator.outputs)
    used = {*model.inputs, *model.outputs, *ends}
    for number, tensor in enumerate(model.tensors):
        if number in used:  # LiteRT looks at no other
            _require_supported(tensor, f"tensor {number} (`{tensor.name}`)")
    if len(model.operators) > MOST_OPERATORS:
        raise ConversionError(
            f"expected at most {MOST_OPERATORS} operators, received {len(model.operators)}",
            hint="no phone runs so large a graph: convert the network without its training steps",
        )


def _require_supported(tensor: TfliteTensor, where: str) -> None:
    shape, grid = tensor.fixed_shape, tensor.grid
    if any(size < 1 for size in shape) or len(shape) > MOST_RANK:
        raise ConversionError(
            f"{where}: expected 1 to {MOST_RANK} dimensions that are not empty, received {shape}",
            hint="convert the model with a fixed input size",
        )
    if tensor.sparse:
        raise ConversionError(
            f"{where} is sparse: expected dense weights",
            hint="convert the model without `EXPERIMENTAL_SPARSITY`",
        )
    if grid is None:
        return
    beyond = grid.zero_point[(grid.zero_point < -FARTHEST) | (grid.zero_point > FARTHEST)]
    if beyond.size and tensor.dtype in _NEAR_CODES:
        raise CorruptFileError(
            f"{where}: expected a zero point among the codes, received {beyond[0]}"
        )
    scales = grid.scale.size
    if scales > 1 and not (0 <= grid.axis < len(shape) and shape[grid.axis] == scales):
        raise CorruptFileError(f"{where}: {scales} scales do not fit axis {grid.axis} of {shape}")
