"""For the type checker: what a test knows of a value."""

from typing import TypeVar

T = TypeVar("T")


def known(value: T | None) -> T:
    """The value, which is there."""
    assert value is not None
    return value


def image_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """The shape, which is that of an image."""
    height, width, channels = shape
    return height, width, channels
