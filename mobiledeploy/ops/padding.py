"""TensorFlow's SAME and VALID padding in numbers."""

from collections.abc import Sequence
from typing import Literal, TypeAlias, assert_never

Padding: TypeAlias = Literal["same", "valid"]
Pair: TypeAlias = tuple[int, int]
Pads: TypeAlias = tuple[int, int, int, int]
"""Above, below, left, right."""


def sides_after(size: tuple[int, ...], window: Pair, strides: Pair, padding: Padding) -> Pair:
    """Return the output's height and width for a window that slides over an image.

    Args:
        size: Height and width of the image.
        window: Height and width of the kernel or pool.
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
    """Return the padding (above, below) and (left, right) of an image.

    An odd number has one more at the end: a 3x3 window with stride 2 pads an even size by (0, 1).
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


def same_pads(
    size: Sequence[int],
    window: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    *,
    odd_first: bool = False,
) -> Pads:
    """Return the padding under which the output has ceil(size / stride) positions.

    Args:
        size: Height and width of the input.
        window: Height and width of the kernel.
        strides: Vertical and horizontal stride.
        dilations: Vertical and horizontal dilation.
        odd_first: Whether an odd number has one more above and to the left.
    """
    amounts: list[int] = []
    for length, places, stride, dilation in zip(size, window, strides, dilations, strict=True):
        reach = (places - 1) * dilation + 1
        total = max((-(-length // stride) - 1) * stride + reach - length, 0)
        small, large = total // 2, total - total // 2
        amounts.extend((large, small) if odd_first else (small, large))
    top, bottom, left, right = amounts
    return top, bottom, left, right


def output_size(
    size: Sequence[int],
    window: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Pads,
) -> tuple[int, int]:
    """Return height and width of a convolution's or pool's output."""
    high, wide = (
        (length + before + after - (places - 1) * dilation - 1) // stride + 1
        for length, places, stride, dilation, before, after in zip(
            size, window, strides, dilations, pads[::2], pads[1::2], strict=True
        )
    )
    return high, wide
