"""What a parsed `.onnx` must not hold, if it is to be compared here."""

import math
from typing import Final

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.formats.model import Tensor
from mobiledeploy.formats.onnx.model import OnnxModel

MOST_NODES: Final = 16384
"""Many times what a classifier has."""
MOST_RANK: Final = 8
MOST_ELEMENTS: Final = 2**40


def require_supported(model: OnnxModel) -> None:
    """Refuse what no reader here takes, whatever the operators are.

    Raises:
        ConversionError: There are several inputs, no output, too many nodes, or an input or
            output that is larger than any image.
    """
    if len(model.operators) > MOST_NODES:
        raise ConversionError(
            f"expected at most {MOST_NODES} nodes, received {len(model.operators)}"
        )
    if len(model.inputs) != 1:
        raise ConversionError(f"expected one input, received {len(model.inputs)}")
    if not model.outputs:
        raise ConversionError("expected an output, received none")
    for index in (*model.inputs, *model.outputs):
        if index < 0:
            raise ConversionError("expected inputs and outputs with names, received one without")
        _require_possible(model.tensors[index])


def _require_possible(tensor: Tensor) -> None:
    shape = tensor.shape or ()
    sizes = [size for size in shape if isinstance(size, int) and size > 0]
    if len(shape) > MOST_RANK or math.prod(sizes) > MOST_ELEMENTS:
        raise ConversionError(
            f"tensor `{tensor.name}`: expected at most {MOST_RANK} dimensions and "
            f"{MOST_ELEMENTS:,} values, received the shape {shape}"
        )
