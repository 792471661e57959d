"""The padding around an image: TensorFlow's SAME and VALID, or numbers."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal, TypeAlias, assert_never

import numpy.typing as npt

Pair: TypeAlias = tuple[int, int]
Pads: TypeAlias = tuple[int, int, int, int]
"""Above, below, left, right."""
Padding: TypeAlias = Literal["same", "valid"] | Pads
"""TensorFlow's SAME or VALID, or numbers."""

Array: TypeAlias = npt.NDArray[Any]

NO_DILATION: Final[Pair] = (1, 1)
NO_PADS: Final[Pads] = (0, 0, 0, 0)


def sides_after(
    size: tuple[int, ...],
    window: Pair,
    strides: Pair,
    padding: Padding,
    dilations: Pair = NO_DILATION,
) -> Pair:
    """Return the output's height and width for a window that slides over an image.

    Args:
        size: Height and width of the image.
        window: Height and width of the kernel or pool.
        strides: Vertical and horizontal step.
        padding: SAME, VALID or numbers.
        dilations: Vertical and horizontal dilation of the window.
    """
    vertical, horizontal = pads(size, window, strides, padding, dilations)
    return output_size(size, window, strides, dilations, (*vertical, *horizontal))


def pads(
    size: tuple[int, ...],
    window: Pair,
    strides: Pair,
    padding: Padding,
    dilations: Pair = NO_DILATION,
) -> tuple[Pair, Pair]:
    """Return the padding (above, below) and (left, right) of an image.

    An odd number of SAME has one more at the end: a 3x3 window with stride 2 pads an even size by
    (0, 1). Arguments are those of `sides_after`.
    """
    match padding:
        case "valid":
            around = NO_PADS
        case "same":
            around = same_pads(size, window, strides, dilations)
        case (_, _, _, _):
            around = padding
        case _:
            assert_never(padding)
    return around[:2], around[2:]


def added(around: Pads, own: Padding) -> Pads:
    """Return the sum of a padding and a window's own one, which is VALID or numbers."""
    if isinstance(own, str):
        return around
    top, bottom, left, right = (a + b for a, b in zip(around, own, strict=True))
    return top, bottom, left, right


def padding_from(
    size: tuple[int, ...], window: Pair, strides: Pair, around: Pads, dilations: Pair = NO_DILATION
) -> Padding:
    """Return a padding in numbers as SAME or VALID where it is the same, else as it is.

    Args:
        size: Height and width of the image.
        window: Height and width of the kernel or pool.
        strides: Vertical and horizontal step.
        around: The numbers.
        dilations: Vertical and horizontal dilation of the window.
    """
    if around == same_pads(size, window, strides, dilations):
        return "same"
    return around if any(around) else "valid"


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


def windows(
    image: Array,
    window: Pair,
    strides: Pair,
    sides: Pair,
    dilations: Pair = NO_DILATION,
) -> Iterator[tuple[Array, int, int]]:
    """Yield, for each place in a window that slides over an image, what it meets there.

    Args:
        image: With its padding, shape (batch, height, width, channels).
        window: Height and width of the kernel or pool.
        strides: Vertical and horizontal step.
        sides: Height and width of the output.
        dilations: Vertical and horizontal dilation of the window.

    Yields:
        A view of the image, of the output's height and width, and the row and the column of the
        window.
    """
    (vertical, horizontal), (lower, wider) = strides, dilations
    for row in range(window[0]):
        for column in range(window[1]):
            top, left = row * lower, column * wider
            view = image[
                :,
                top : top + (sides[0] - 1) * vertical + 1 : vertical,
                left : left + (sides[1] - 1) * horizontal + 1 : horizontal,
            ]
            yield view, row, column
