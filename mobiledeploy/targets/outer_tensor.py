"""`OuterTensor`: the type of a file's input or output, as an app sees it."""

import dataclasses
from typing import assert_never

import numpy as np

from mobiledeploy.ops.tensors import QTensor
from mobiledeploy.spec.config import Io


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OuterTensor:
    """An input or output tensor as an app sees it.

    Attributes:
        dtype: int8, uint8 or float32.
        zero_point: The code of real 0; None for float32.
    """

    dtype: np.dtype[np.generic]
    zero_point: int | None


def outer_tensor(tensor: QTensor, io: Io) -> OuterTensor:
    """Return how an app sees an int8 tensor: of the same scale, with codes plus 128 for uint8."""
    match io:
        case "int8":
            return OuterTensor(dtype=np.dtype(np.int8), zero_point=tensor.zero_point)
        case "uint8":
            return OuterTensor(dtype=np.dtype(np.uint8), zero_point=tensor.zero_point + 128)
        case "float32":
            return OuterTensor(dtype=np.dtype(np.float32), zero_point=None)
        case _:
            assert_never(io)
