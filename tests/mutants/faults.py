"""The faults. Each takes a file and a layer, changes one thing, and says which layer is at fault.

Functions return the index of the layer that an instrument should name (-1 for the input); they
raise `NotApplicableError` where there is nothing to change.
"""

from collections.abc import Mapping
from functools import partial

import numpy as np

from mutants.disguises import DISGUISES
from mutants.editable import Editable, Fault, NotApplicableError


def scaled(file: Editable, layer: int, *, by: float) -> int:
    file.scale_tensor(layer, lambda scale: np.float32(scale) * np.float32(by))
    return layer


def scaled_one_ulp(file: Editable, layer: int) -> int:
    file.scale_tensor(layer, lambda scale: np.nextafter(np.float32(scale), np.float32(9)))
    return layer


def zero_point(file: Editable, layer: int, *, by: int) -> int:
    if not -128 <= file.zero_point(layer) + by <= 127:
        raise NotApplicableError
    file.move_zero_point(layer, by)
    return layer


def bias(file: Editable, layer: int, *, by: int) -> int:
    values = file.bias(layer).copy()
    values[_channel(values.size)] += by
    file.set_bias(layer, values)
    return layer


def one_weight_more(file: Editable, layer: int) -> int:
    kernel = file.kernel(layer).copy()
    place = _place(kernel, kernel < 127)
    kernel[place] += 1
    file.set_kernel(layer, kernel)
    return layer


def one_weight_flipped(file: Editable, layer: int) -> int:
    kernel = file.kernel(layer).copy()
    place = _place(kernel, kernel != 0)
    kernel[place] = -kernel[place]
    file.set_kernel(layer, kernel)
    return layer


def channels_swapped(file: Editable, layer: int) -> int:
    kernel = file.kernel(layer).copy()
    kernel[[0, 1]] = kernel[[1, 0]]
    return _stored(file, layer, kernel)


def inputs_swapped(file: Editable, layer: int) -> int:
    kernel = file.kernel(layer).copy()
    if kernel.shape[-1] < 2:
        raise NotApplicableError
    kernel[..., [0, 1]] = kernel[..., [1, 0]]
    return _stored(file, layer, kernel)


def transposed(file: Editable, layer: int) -> int:
    kernel = file.kernel(layer)
    if kernel.ndim != 4 or kernel.shape[1] != kernel.shape[2] or kernel.shape[1] == 1:
        raise NotApplicableError
    return _stored(file, layer, kernel.transpose(0, 2, 1, 3))


def flipped(file: Editable, layer: int) -> int:
    kernel = file.kernel(layer)
    if kernel.ndim != 4 or kernel.shape[2] == 1:
        raise NotApplicableError
    return _stored(file, layer, kernel[:, :, ::-1])


def bgr(file: Editable, layer: int) -> int:
    kernel = file.kernel(layer)
    if layer != 0 or kernel.shape[-1] % 3:
        raise NotApplicableError
    colours = kernel.reshape(*kernel.shape[:-1], -1, 3)[..., ::-1]
    return _stored(file, layer, colours.reshape(kernel.shape))


def labels_moved(file: Editable, layer: int) -> int:
    if file.kinds[layer] != "dense":
        raise NotApplicableError
    kernel, values = file.kernel(layer), file.bias(layer)
    order = np.roll(np.arange(values.size), 1)
    scale, zero = file.kernel_grid(layer)
    if scale.size > 1:
        file.set_kernel_grid(layer, scale[order], zero[order])
        file.set_bias_scale(layer, file.bias_scale(layer)[order])
    file.set_bias(layer, values[order])
    return _stored(file, layer, kernel[order])


def per_tensor(file: Editable, layer: int) -> int:
    kernel, values = file.kernel(layer), file.bias(layer)
    scale, zero = file.kernel_grid(layer)
    if scale.size == 1:
        raise NotApplicableError
    single = scale.max()
    shrink = (scale / single).astype(np.float64)
    file.set_kernel_grid(layer, single[None], zero[:1])
    wide = file.bias_scale(layer).astype(np.float64) / shrink
    file.set_bias_scale(layer, wide[:1].astype(np.float32))
    file.set_bias(layer, np.rint(values * shrink))
    rows = shrink.reshape(-1, *[1] * (kernel.ndim - 1))
    file.set_kernel(layer, np.rint(kernel * rows).astype(np.int8))
    return layer


def kernel_scale(file: Editable, layer: int) -> int:
    scale, zero = file.kernel_grid(layer)
    scale = scale.copy()
    scale[_channel(scale.size)] *= np.float32(1.01)
    file.set_kernel_grid(layer, scale, zero)
    return layer


def kernel_zero(file: Editable, layer: int) -> int:
    scale, zero = file.kernel_grid(layer)
    zero = zero.copy()
    zero[_channel(zero.size)] += 1
    file.set_kernel_grid(layer, scale, zero)
    return layer


def bias_scale(file: Editable, layer: int) -> int:
    scale = file.bias_scale(layer).copy()
    scale[_channel(scale.size)] *= np.float32(1.01)
    file.set_bias_scale(layer, scale)
    return layer


def strides(file: Editable, layer: int) -> int:
    high, wide = file.strides(layer)
    file.set_strides(layer, (3 - high if high < 3 else 1, 3 - wide if wide < 3 else 1))
    return layer


def dilated(file: Editable, layer: int) -> int:
    file.strides(layer)
    if file.kernel(layer).shape[1] == 1:
        raise NotApplicableError
    file.set_dilations(layer, (2, 2))
    return layer


def padding_moved(file: Editable, layer: int) -> int:
    file.strides(layer)
    if file.kernel(layer).shape[1] == 1:
        raise NotApplicableError
    file.move_padding(layer)
    return layer


def no_activation(file: Editable, layer: int) -> int:
    file.strides(layer)
    file.drop_activation(layer)
    return layer


def no_activation_by_grid(file: Editable, layer: int) -> int:
    """The output's grid opened to both sides of 0, as without a ReLU6."""
    file.strides(layer)
    if file.zero_point(layer) != -128:
        raise NotApplicableError
    file.scale_tensor(layer, lambda scale: np.float32(scale) * np.float32(2))
    file.move_zero_point(layer, 128)
    return layer


def kernel_cut_off(file: Editable, layer: int) -> int:
    file.shorten_kernel(layer)
    return layer


def operands_swapped(file: Editable, layer: int) -> int:
    file.operands(layer)
    file.swap_operands(layer)
    return layer


def operand_scales_swapped(file: Editable, layer: int) -> int:
    writers = file.operands(layer)
    file.swap_operand_scales(layer)
    # In TFLite a scale belongs to the tensor: the layer that writes it is at fault.
    return min(writers) if type(file).__name__ == "TfliteEditable" else layer


def addition_missing(file: Editable, layer: int) -> int:
    file.operands(layer)
    file.bypass(layer)
    return layer


def beta(file: Editable, layer: int) -> int:
    file.set_beta(layer, 2.0)
    return layer


def normalised_otherwise(file: Editable, layer: int) -> int:
    """0..1 for -1..1, on the grid of the input."""
    if layer != 0:
        raise NotApplicableError
    file.scale_tensor(-1, lambda scale: np.float32(scale) / np.float32(2))
    file.move_zero_point(-1, -128)
    return -1


FAULTS: Mapping[str, Fault] = {
    "scale x1.01": partial(scaled, by=1.01),
    "scale x1.5": partial(scaled, by=1.5),
    "scale 1 ulp": scaled_one_ulp,
    "zero point +1": partial(zero_point, by=1),
    "zero point -1": partial(zero_point, by=-1),
    "bias +1": partial(bias, by=1),
    "bias +64": partial(bias, by=64),
    "one weight +1": one_weight_more,
    "one weight's sign": one_weight_flipped,
    "two channels swapped": channels_swapped,
    "two inputs swapped": inputs_swapped,
    "kernel transposed": transposed,
    "kernel flipped": flipped,
    "BGR for RGB": bgr,
    "labels moved": labels_moved,
    "per-tensor weights": per_tensor,
    "kernel scale x1.01": kernel_scale,
    "kernel zero point +1": kernel_zero,
    "bias scale x1.01": bias_scale,
    "strides": strides,
    "dilations": dilated,
    "padding moved": padding_moved,
    "activation dropped": no_activation,
    "activation opened by the grid": no_activation_by_grid,
    "weights cut off": kernel_cut_off,
    "ADD operands swapped": operands_swapped,
    "ADD operands' scales swapped": operand_scales_swapped,
    "ADD missing": addition_missing,
    "softmax beta 2": beta,
    "0..1 for -1..1": normalised_otherwise,
    **DISGUISES,
}


def _channel(count: int) -> int:
    return count // 2


def _place(kernel: np.ndarray, allowed: np.ndarray) -> tuple[int, ...]:
    places = np.argwhere(allowed)
    if not len(places):
        raise NotApplicableError
    return tuple(int(index) for index in places[len(places) // 2])


def _stored(file: Editable, layer: int, kernel: np.ndarray) -> int:
    if np.array_equal(kernel, file.kernel(layer)):
        raise NotApplicableError
    file.set_kernel(layer, kernel)
    return layer
