"""TensorFlow's SAME and VALID padding in numbers."""

from typing import Literal, TypeAlias, assert_never

Padding: TypeAlias = Literal["same", "valid"]
Pair: TypeAlias = tuple[int, int]


def sides_after(size: tuple[int, ...], window: Pair, strides: Pair, padding: Padding) -> Pair:
    """Return the height and the width of what a window that slides over an image gives.

    Args:
        size: Height and width of the image.
        window: Of the kernel or pool.
        strides: Vertical and horizontal step.
        padding: SAME or VALID.
    """
    height, width = (
        -(-(length - (extent - 1) * (padding == "valid")) // stride)
        for length, extent, stride in zip(size, window, strides, strict=True)
    )
    return height, width


def pads(
    size: tuple[int, ...], window: Pair, strides: Pair, padding: Padding
) -> tuple[Pair, Pair]:
    """Return how much is added (above, below) and (left, right) of an image.

    The odd one out goes to the end: a 3x3 window with stride 2 pads an even size by (0, 1).
    Arguments are those of `sides_after`.
    """
    vertical, horizontal = (
        _pad(length, extent, stride, padding)
        for length, extent, stride in zip(size, window, strides, strict=True)
    )
    return vertical, horizontal


def _pad(length: int, extent: int, stride: int, padding: Padding) -> Pair:
    match padding:
        case "valid":
            return 0, 0
        case "same":
            total = max((-(-length // stride) - 1) * stride + extent - length, 0)
            return total // 2, total - total // 2
        case _:
            assert_never(padding)
