"""Faults that leave every integer where it is, or in which two changes seem to cancel."""

from collections.abc import Mapping

import numpy as np

from mutants.editable import Editable, Fault, NotApplicableError


def cut_off(file: Editable, layer: int) -> int:
    """An activation where there is none."""
    file.cut_off(layer)
    return layer


def pixels_moved(file: Editable, layer: int) -> int:
    """Half as many rows, twice as wide, by an operator that has no numbers."""
    file.move_pixels(layer)
    return layer


def operand_turned(file: Editable, layer: int) -> int:
    file.operands(layer)
    file.turn_operand(layer)
    return layer


def negated(file: Editable, layer: int) -> int:
    """The layer's operator replaced by a function of its name that the file defines."""
    file.negate(layer)
    return layer


def weights_shifted(file: Editable, layer: int) -> int:
    """Weights and their zero points, all by one: the same function, if kernels looked at them."""
    kernel = file.kernel(layer)
    scale, zero = file.kernel_grid(layer)
    if kernel.min() < -127:
        raise NotApplicableError
    file.set_kernel_grid(layer, scale, zero - 1)
    file.set_kernel(layer, kernel - np.int8(1))
    return layer


DISGUISES: Mapping[str, Fault] = {
    "activation added": cut_off,
    "pixels moved": pixels_moved,
    "weights and zero points -1": weights_shifted,
    "operator under a false name": negated,
    "ADD operand turned": operand_turned,
}
