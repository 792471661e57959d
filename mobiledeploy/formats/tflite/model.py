"""A parsed `.tflite`: the view that both formats share, extended by what only TFLite has."""

import dataclasses
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ConversionError, CorruptFileError
from mobiledeploy.formats.model import Model, Operator, Tensor
from mobiledeploy.formats.tflite.flatbuffer import Table

CUSTOM: Final = "custom"
"""Domain of operators that are no built-ins."""

MOST_OPERATORS: Final = 1024
"""Several times what a network of this kind has. Operators may share their weights, so that
without a limit a small file could mean much work."""
MOST_RANK: Final = 8
FARTHEST: Final = 2**14
"""Zero points lie among the codes of 8 bits, those of a wrong file a little beyond. As far as
this, arithmetic on codes stays within 16 bits."""

_NO_SCALE: Final = np.zeros(0, np.float32)
_NO_ZERO_POINT: Final = np.zeros(0, np.int64)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TfliteTensor(Tensor):
    """A tensor of a `.tflite`.

    Attributes:
        unique_name: The whole name, made unique: the schema wants no names, and none that differ.
        fixed_shape: With a size where `shape` is open: the one that the file was written with.
        sparse: Whether the constant is stored without its zeros; `data` is then None.
    """

    unique_name: str
    fixed_shape: tuple[int, ...]
    sparse: bool = False

    @property
    def scale(self) -> npt.NDArray[np.float32]:
        """One, or one for each entry along the grid's axis; empty if it is not quantised."""
        return _NO_SCALE if self.grid is None else self.grid.scale

    @property
    def zero_point(self) -> npt.NDArray[np.int64]:
        """As many as scales."""
        return _NO_ZERO_POINT if self.grid is None else self.grid.zero_point

    @property
    def axis(self) -> int:
        """The quantised dimension."""
        return 0 if self.grid is None else self.grid.axis


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TfliteOperator(Operator):
    """An operator of a `.tflite`; `attributes` are the fields of its options table.

    Attributes:
        builtin: Its name in the schema's `BuiltinOperator`; `CUSTOM` for another tool's, whose
            own name is `kind`.
        code: Its number there.
        options: Its options table as it stands in the file; None if it has none.
        options_type: Number of the table's type in the schema's `BuiltinOptions`.
    """

    builtin: str
    code: int
    options: Table | None
    options_type: int

    def option(self, name: str) -> Any:
        """Return an option: what the file says, or the schema's default.

        Args:
            name: As in `schema.OPTIONS`.
        """
        return self.attributes[name]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Signature:
    """How a program calls a graph by names.

    Attributes:
        key: The signature's own name.
        graph: Number of the graph.
        inputs: Names, and indices of the graph's tensors.
        outputs: Likewise.
    """

    key: str
    graph: int
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[tuple[str, int], ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TfliteModel(Model):
    """A `.tflite`, parsed: indices, offsets and sizes can be relied on.

    Attributes:
        tensors: Of the main graph, by index.
        operators: Of the main graph, in the order in which they run.
        data: The file.
        graph: The main graph's table in it.
        calls: The signatures, with indices of tensors.
    """

    tensors: tuple[TfliteTensor, ...]
    operators: tuple[TfliteOperator, ...]
    data: bytes
    graph: Table
    calls: tuple[Signature, ...] = ()


def require_supported(model: TfliteModel) -> None:
    """Refuse what no reader here takes, whatever the operators are.

    Raises:
        ConversionError: There are several graphs, too many operators, or sparse weights.
        CorruptFileError: A tensor's shape, scales and zero points contradict each other.
    """
    if model.graphs != 1:
        raise ConversionError(f"expected one subgraph, received {model.graphs}")
    for number, tensor in enumerate(model.tensors):
        _require_supported(tensor, f"tensor {number} (`{tensor.name}`)")
    if len(model.operators) > MOST_OPERATORS:
        raise ConversionError(
            f"expected at most {MOST_OPERATORS} operators, received {len(model.operators)}"
        )


def _require_supported(tensor: TfliteTensor, where: str) -> None:
    shape, grid = tensor.fixed_shape, tensor.grid
    if any(size < 1 for size in shape) or len(shape) > MOST_RANK:
        raise CorruptFileError(f"{where}: {shape} is no possible shape")
    if tensor.sparse:
        raise ConversionError(f"{where} is sparse: expected dense weights")
    if grid is None:
        return
    beyond = grid.zero_point[(grid.zero_point < -FARTHEST) | (grid.zero_point > FARTHEST)]
    if beyond.size:
        raise CorruptFileError(
            f"{where}: expected a zero point among the codes, received {beyond[0]}"
        )
    scales = grid.scale.size
    if scales > 1 and not (0 <= grid.axis < len(shape) and shape[grid.axis] == scales):
        raise CorruptFileError(f"{where}: {scales} scales do not fit axis {grid.axis} of {shape}")
