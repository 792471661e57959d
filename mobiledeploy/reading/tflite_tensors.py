"""From a tensor of a `.tflite` to the common form: codes of int8, shapes without the batch."""

import numpy as np

from mobiledeploy.integer.tflite_file import TfliteTensor
from mobiledeploy.reading.model import Tensor

UINT8_OFFSET = 128


def described(tensor: TfliteTensor) -> Tensor:
    """Return an activation in the common form.

    One that is quantised with several scales has none here.
    """
    shape = tensor.shape[1:]
    if shape[:-1] == (1,) * (len(shape) - 1):
        shape = shape[-1:]
    dtype = str(tensor.dtype) if tensor.dtype is not None else "another type"
    scale = zero_point = None
    if tensor.scale.size == 1 and tensor.dtype in (np.int8, np.uint8):
        scale = np.float32(tensor.scale[0])
        zero_point = int(tensor.zero_point[0]) - UINT8_OFFSET * (tensor.dtype == np.uint8)
    return Tensor(
        name=tensor.name,
        shape=shape,
        dtype=dtype,
        scale=scale,
        zero_point=zero_point,
        axes={4: "NHWC", 2: "NC"}.get(len(tensor.shape), ""),
    )
