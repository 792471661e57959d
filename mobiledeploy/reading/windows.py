"""Where a sliding window stands: TensorFlow's SAME in numbers, and the size of what comes out."""

from collections.abc import Sequence

Pads = tuple[int, int, int, int]
"""Above, below, left, right."""


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
        window: Of the kernel.
        strides: Vertical and horizontal.
        dilations: Likewise.
        odd_first: Whether the odd one out goes above and to the left.
    """
    found: list[int] = []
    for length, places, stride, dilation in zip(size, window, strides, dilations, strict=True):
        reach = (places - 1) * dilation + 1
        total = max((-(-length // stride) - 1) * stride + reach - length, 0)
        small, large = total // 2, total - total // 2
        found.extend((large, small) if odd_first else (small, large))
    return found[0], found[1], found[2], found[3]


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
