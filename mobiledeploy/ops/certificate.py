"""`Certificate`: the proof that a layer is the same function in every runtime."""

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.ops.tensors import QMAX, QMIN, Codes, Float32, Int8, Shape

REACH: Final = 20
"""How many float32 neighbours of a scale, up and down, are tried for the ONNX file."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """An operator for which every runtime gives the same code, for every possible input.

    Attributes:
        name: The layer's output tensor.
        scales: Scales of its inputs in the ONNX file: a few units in the last place from the
            inputs' own scales, or the same.
        cases: How many inputs were tried, such as pairs of codes for an addition, sums for a
            mean.
        differing_before: Cases in which some runtime differed with the inputs' own scales.
        differing_after: Cases that still differ: always 0, or there would be no certificate.
        table: Whether the ONNX file looks all codes up in a table, because no other form gives
            the same codes in every runtime.
        integers: Whether the ONNX file computes with XNNPACK's integers, for the same reason.
    """

    name: str
    scales: tuple[np.float32, ...]
    cases: int
    differing_before: int
    differing_after: int
    table: bool = False
    integers: bool = False

    @property
    def nudged(self) -> bool:
        """Whether other scales in the ONNX file are what makes the runtimes agree."""
        return self.differing_before > 0 and not self.table and not self.integers


def all_codes() -> Codes:
    """Return the 256 codes of int8, ascending."""
    return np.arange(QMIN, QMAX + 1, dtype=np.int64)


@functools.cache
def all_pairs() -> tuple[Codes, Codes]:
    """Return all pairs of codes: the first of each, and the second."""
    codes = all_codes()
    return np.repeat(codes, codes.size), np.tile(codes, codes.size)


def pairs_of_shapes(shapes: Sequence[Shape]) -> tuple[Int8, Int8]:
    """Return two batches that hold every pair of codes, at one place or at several.

    Args:
        shapes: Shapes of both operands: the same, or one of them 1x1xC.
    """
    codes = np.arange(QMIN, QMAX + 1, dtype=np.int8)
    first, second = np.repeat(codes, codes.size), np.tile(codes, codes.size)
    sizes = [math.prod(shape) for shape in shapes]
    if sizes[0] == sizes[1]:
        images = -(-first.size // sizes[0])
        return np.resize(first, (images, *shapes[0])), np.resize(second, (images, *shapes[1]))
    smaller = int(sizes[1] < sizes[0])
    height, width, channels = shapes[1 - smaller]
    # Each channel of an image has one factor, which meets all codes within some images.
    rounds, turns = -(-codes.size // (height * width)), -(-codes.size // channels)
    factors = np.resize(codes, (turns, channels)).repeat(rounds, axis=0)
    places = np.resize(codes, (rounds, height * width))
    full = np.tile(places.reshape(rounds, height, width, 1), (turns, 1, 1, channels))
    batches = full, factors.reshape(-1, 1, 1, channels)
    return batches if smaller else batches[::-1]


def neighbours(scale: np.float32, steps: npt.NDArray[np.int64]) -> Float32:
    """Return the float32 values that are so many representable numbers above a positive one."""
    bits = np.full(steps.shape, scale, np.float32).view(np.int32)
    return (bits + steps.astype(np.int32)).view(np.float32)


def required(name: str, certificate: Certificate | None) -> Certificate:
    """Return a node's certificate.

    Raises:
        ConversionError: It has none.
    """
    if certificate is None:
        raise ConversionError(
            f"`{name}`: expected a certificate, received none",
            hint="certify the graph before it is written as ONNX",
        )
    return certificate
