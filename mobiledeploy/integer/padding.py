"""TensorFlow's SAME padding in numbers."""

from typing import assert_never

from mobiledeploy.integer.graph import Conv


def pads(node: Conv, size: tuple[int, ...]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return how much is added (above, below) and (left, right) of an input.

    The odd one out goes to the end: a 3x3 window with stride 2 pads an even size by (0, 1).

    Args:
        node: The convolution.
        size: Height and width of its input.
    """
    vertical, horizontal = (
        _pad(node, length, window, stride)
        for length, window, stride in zip(
            size, node.weights.kernel.shape[1:3], node.strides, strict=True
        )
    )
    return vertical, horizontal


def _pad(node: Conv, length: int, window: int, stride: int) -> tuple[int, int]:
    match node.padding:
        case "valid":
            return 0, 0
        case "same":
            total = max((-(-length // stride) - 1) * stride + window - length, 0)
            return total // 2, total - total // 2
        case _:
            assert_never(node.padding)
