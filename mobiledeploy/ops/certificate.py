"""`Certificate`: the proof that a layer is the same function in every runtime."""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.ops.stored import StoredLayer
from mobiledeploy.ops.tensors import QMAX, QMIN, Codes, Float32, Int8, QTensor, Shape

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


def batches_of_all_codes(
    layer: StoredLayer, shapes: Sequence[Shape]
) -> tuple[tuple[Int8, ...], int]:
    """Return batches in which every input holds all codes, and how many codes these are."""
    del layer
    codes = all_codes().astype(np.int8)
    images = max(-(-codes.size // math.prod(shape)) for shape in shapes)
    # Each input begins with another code, so that none can stand for another.
    return tuple(
        np.resize(np.roll(codes, 37 * place), (images, *shape))
        for place, shape in enumerate(shapes)
    ), codes.size


def no_limits(node: object, inputs: Sequence[QTensor], form: str) -> Iterator[str]:
    """Yield nothing: a runtime runs every such node by the kernels that are certified."""
    del node, inputs, form
    yield from ()


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
