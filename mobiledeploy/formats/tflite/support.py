"""What a parsed `.tflite` must not hold, if it is to be computed or compared here."""

from typing import Final

from mobiledeploy.base.errors import ConversionError, CorruptFileError
from mobiledeploy.formats.tflite.model import TfliteModel, TfliteTensor

MOST_OPERATORS: Final = 1024
"""Several times what a network of this kind has. Operators may share their weights, so that
without a limit a small file could mean much work."""
MOST_RANK: Final = 8
FARTHEST: Final = 2**14
"""Zero points lie among the codes of 8 bits, those of a wrong file a little beyond. As far as
this, arithmetic on codes stays within 16 bits."""


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
