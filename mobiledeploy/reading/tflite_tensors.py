"""From a tensor of a `.tflite` to the common form: codes of int8, shapes without the batch."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.formats.tflite import TfliteModel, TfliteOperator, TfliteTensor
from mobiledeploy.reading.model import Tensor

UINT8_OFFSET: Final = 128

_READ: Final = frozenset({"float32", "int32", "uint8", "int64", "int8"})
"""Types that some layer here takes; others are another type."""


def described(tensor: TfliteTensor) -> Tensor:
    """Return an activation in the common form.

    One that is quantised with several scales has none here.
    """
    shape = tensor.fixed_shape[1:]
    if shape[:-1] == (1,) * (len(shape) - 1):
        shape = shape[-1:]
    scale = zero_point = None
    if tensor.scale.size == 1 and tensor.dtype in {"int8", "uint8"}:
        scale = np.float32(tensor.scale[0])
        zero_point = int(tensor.zero_point[0]) - UINT8_OFFSET * (tensor.dtype == "uint8")
    return Tensor(
        name=tensor.unique_name,
        shape=shape,
        dtype=tensor.dtype if tensor.dtype in _READ else "another type",
        scale=scale,
        zero_point=zero_point,
        axes={4: "NHWC", 2: "NC"}.get(len(tensor.fixed_shape), ""),
    )


def tensor_of(model: TfliteModel, operator: TfliteOperator, place: int) -> TfliteTensor | None:
    """Return an input of an operator; None if it is left out."""
    index = operator.input(place)
    return None if index < 0 else model.tensors[index]


def values(tensor: TfliteTensor | None) -> npt.NDArray[Any] | None:
    """Return a constant's values; None if it is none, or of a type that no layer takes."""
    return tensor.data if tensor is not None and tensor.dtype in _READ else None
