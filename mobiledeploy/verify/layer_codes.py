"""Between what a runtime holds of a tensor and codes in the common form: int8, channels last."""

import math
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ConversionError, ParityError
from mobiledeploy.ops.tensors import QMAX, QMIN
from mobiledeploy.reading import StoredTensor as Tensor
from mobiledeploy.runtimes import Array, TensorInfo

Codes: TypeAlias = npt.NDArray[np.int16]
"""Shape (batch, height, width, channels) or (batch, channels)."""

FAR: Final = 2**14
"""Steps that stand for any larger difference."""
_COMMON: Final = "NHWC"


def read(array: Array, tensor: Tensor) -> Codes:
    """Return the codes in what a runtime gave for a tensor.

    Raises:
        ParityError: It gave NaN. (Infinite values are `FAR` steps off.)
    """
    if array.dtype == np.float32:
        if np.isnan(array).any():
            raise ParityError(f"a runtime gives NaN for the layer `{tensor.name}`")
        # A border's output, taken off its grid: dividing gives the codes back exactly.
        with np.errstate(all="ignore"):  # scales of damaged files
            steps = np.rint(array.astype(np.float64) / float(tensor.scale or 1))
        steps = np.nan_to_num(steps, nan=FAR, posinf=FAR, neginf=-FAR)
        array = np.clip(steps + (tensor.zero_point or 0), -FAR, FAR)
        codes = array.astype(np.int16)
    else:
        codes = array.astype(np.int16) - np.int16(128 if array.dtype == np.uint8 else 0)
    if codes.ndim == 4 and sorted(tensor.axes) == sorted(_COMMON):
        codes = codes.transpose([tensor.axes.index(axis) for axis in _COMMON])
    # A vector may be written as an image of one pixel. What a runtime gives need not have the
    # shape that the file says.
    declared = (len(codes), *tensor.shape)
    return codes.reshape(declared) if codes.size == math.prod(declared) else codes


def write(codes: Codes, tensor: Tensor, info: TensorInfo) -> Array:
    """Return what a runtime takes for the codes of a tensor; `read` gives them back.

    Args:
        codes: Within int8.
        tensor: As the file describes it.
        info: As the runtime does.

    Raises:
        ConversionError: There are more or fewer codes than fit.
    """
    if codes.size != len(codes) * math.prod(info.shape):
        raise ConversionError(
            f"`{tensor.name}`: expected codes for {info.shape}, received {codes.shape[1:]}"
        )
    if len(info.shape) == 3 and sorted(tensor.axes) == sorted(_COMMON):
        sizes = dict(zip(tensor.axes, (len(codes), *info.shape), strict=True))
        image = codes.reshape([sizes[axis] for axis in _COMMON])
        codes = image.transpose([_COMMON.index(axis) for axis in tensor.axes])
    codes = np.ascontiguousarray(codes).reshape(len(codes), *info.shape)
    if info.dtype == np.float32:
        # In the middle of a step, where no runtime can round otherwise.
        centred = (codes - int(tensor.zero_point or 0)).astype(np.float32)
        return centred * np.float32(tensor.scale or 0)
    offset = 128 if info.dtype == np.uint8 else 0
    return (codes + offset).astype(info.dtype)


def moved(codes: Codes, own: Tensor, grid: Tensor) -> Codes:
    """Return codes in steps of another tensor's grid: as they are where the grids are equal."""
    if (grid.scale, grid.zero_point) == (own.scale, own.zero_point):
        return codes
    with np.errstate(all="ignore"):  # scales of damaged files
        ratio = np.float64(own.scale or 1) / np.float64(grid.scale or 1)
        real = (codes - int(own.zero_point or 0)) * ratio + int(grid.zero_point or 0)
    steps = np.nan_to_num(np.rint(real), nan=FAR, posinf=FAR, neginf=-FAR)
    found: Codes = np.clip(steps, -FAR, FAR).astype(np.int16)
    return found


def within(codes: Codes) -> Codes:
    """Return codes that int8 can hold."""
    return np.clip(codes, QMIN, QMAX)
