"""A file with every layer tapped: what each layer gives for an image, as int8 codes, NHWC."""

import dataclasses
import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.data.dataset import Pixels
from mobiledeploy.integer.graph import Int8
from mobiledeploy.reading import INPUT, Reading, Tensor
from mobiledeploy.runtimes import Array, Session, TensorInfo
from mobiledeploy.runtimes.kinds import KINDS
from mobiledeploy.verify.feeding import Feed
from mobiledeploy.verify.side import Side

Codes: TypeAlias = npt.NDArray[np.int16]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tapped:
    """A file in the runtime that apps use, giving out its layers.

    Attributes:
        side: The file.
        session: It, tapped.
        feed: From pixels to its input.
        codes_feed: From pixels to the codes of its input.
        place: Of each tapped layer's index, where it stands among the outputs.
    """

    side: Side
    session: Session
    feed: Feed
    codes_feed: Feed
    place: dict[int, int]

    def run(self, pixels: Pixels) -> dict[int, Codes]:
        """Return the codes of the input (under `INPUT`) and of every tapped layer."""
        outputs = self.session.run(self.feed(pixels))
        found = {
            index: _codes(outputs[place], self.side.reading.layers[index].output)
            for index, place in self.place.items()
        }
        found[INPUT] = self.codes_feed(pixels).astype(np.int16)
        return found


def inputs_of(reading: Reading, index: int, codes: dict[int, Codes]) -> list[Int8] | None:
    """Return what reached a layer; None if that is not known, or not of the shape it should be."""
    found = []
    for read in reading.layers[index].reads:
        source = reading.input if read.source == INPUT else reading.layers[read.source].output
        if read.source not in codes or codes[read.source].shape[1:] != source.shape:
            return None
        found.append(codes[read.source].astype(np.int8))
    return found


def tap(side: Side, layers: Sequence[int], feeds: tuple[Feed, Feed], *, threads: int) -> Tapped:
    """Return a file with layers tapped.

    Args:
        side: The file.
        layers: Indices of the layers; those without codes are left out.
        feeds: From pixels to the file's input, and to its codes.
        threads: Images that run at a time.

    Raises:
        CorruptFileError: The runtime refuses the copy, or dies of it.
        ConversionError: A layer's tensor cannot be tapped.
    """
    own = side.reading.output.name
    known = [index for index in layers if side.reading.layers[index].output.scale is not None]
    names = {index: side.reading.layers[index].name for index in known}
    taps = list(dict.fromkeys(name for name in names.values() if name != own))
    session = side.load(KINDS[side.file.format][0], taps=taps, threads=threads)
    before = len(session.outputs) - len(taps)
    return Tapped(
        side=side,
        session=session,
        feed=feeds[0],
        codes_feed=feeds[1],
        place={
            index: 0 if name == own else before + taps.index(name) for index, name in names.items()
        },
    )


def as_codes(info: TensorInfo) -> TensorInfo:
    """Return an input as int8 codes, channels last."""
    shape = info.shape if info.shape[-1] in {1, 3} else (*info.shape[1:], info.shape[0])
    return TensorInfo(name=info.name, dtype=np.dtype(np.int8), shape=shape)


def _codes(array: Array, tensor: Tensor) -> Codes:
    if array.dtype == np.float32:
        # A border's output, taken off its grid: dividing gives the codes back exactly.
        steps = np.rint(array.astype(np.float64) / float(tensor.scale or 1))
        array = np.clip(steps + (tensor.zero_point or 0), -(2**14), 2**14)
        codes = array.astype(np.int16)
    else:
        codes = array.astype(np.int16) - np.int16(128 if array.dtype == np.uint8 else 0)
    if codes.ndim == 4 and tensor.axes == "NCHW":
        codes = codes.transpose(0, 2, 3, 1)
    # A vector may be written as an image of one pixel. What a runtime gives need not have the
    # shape that the file says.
    declared = (len(codes), *tensor.shape)
    return codes.reshape(declared) if codes.size == math.prod(declared) else codes
