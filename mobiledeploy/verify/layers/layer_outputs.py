"""`LayerOutputs`: a file with every layer tapped, its outputs given as codes.

The codes are int8, channels last, whatever the file's own type and layout. The file runs end to
end, as in an app: an error of one layer reaches the next ones. `single_layer` runs each layer on
its own.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ConversionError, ParityError
from mobiledeploy.data.dataset import Pixels
from mobiledeploy.ops.tensors import QMAX, QMIN, Int8
from mobiledeploy.reading import INPUT, Reading, StoredTensor
from mobiledeploy.runtimes import Array, Runtime, Session, TensorInfo
from mobiledeploy.verify.outputs import model_input
from mobiledeploy.verify.outputs.model_input import PixelInput
from mobiledeploy.verify.outputs.opened_file import OpenFile

LayerCodes: TypeAlias = npt.NDArray[np.int16]
"""Shape (batch, height, width, channels) or (batch, channels)."""

FAR: Final = 2**14
"""Difference in LSB that counts for itself and all larger ones."""
_COMMON: Final = "NHWC"


def read_codes(array: Array, tensor: StoredTensor) -> LayerCodes:
    """Return a runtime's output for a tensor as codes, channels last.

    Raises:
        ParityError: The output holds NaN. (Infinite values become `FAR`.)
    """
    if array.dtype == np.float32:
        if np.isnan(array).any():
            raise ParityError(
                f"a runtime gives NaN for the layer `{tensor.name}`",
                hint="`mobiledeploy inspect` shows whether a weight or a scale of it is no number",
            )
        # The runtime dequantised the output: dividing by the scale restores the codes exactly.
        with np.errstate(all="ignore"):  # scales of damaged files
            steps = np.rint(array.astype(np.float64) / float(tensor.scale or 1))
        steps = np.nan_to_num(steps, nan=FAR, posinf=FAR, neginf=-FAR)
        array = np.clip(steps + (tensor.zero_point or 0), -FAR, FAR)
        codes = array.astype(np.int16)
    else:
        codes = array.astype(np.int16) - np.int16(128 if array.dtype == np.uint8 else 0)
    if codes.ndim == 4 and sorted(tensor.axes) == sorted(_COMMON):
        codes = codes.transpose([tensor.axes.index(axis) for axis in _COMMON])
    # A vector may be stored as an image of one pixel, and a runtime's output may have another
    # shape than the file states.
    declared = (len(codes), *tensor.shape)
    return codes.reshape(declared) if codes.size == math.prod(declared) else codes


def write_codes(codes: LayerCodes, tensor: StoredTensor, info: TensorInfo) -> Array:
    """Return codes of a tensor in the type and layout that a runtime takes.

    The inverse of `read_codes`.

    Args:
        codes: Values in the int8 range.
        tensor: The tensor as the file describes it.
        info: The tensor as the runtime describes it.

    Raises:
        ConversionError: The tensor has another number of elements.
    """
    if codes.size != len(codes) * math.prod(info.shape):
        raise ConversionError(
            f"`{tensor.name}`: expected codes for {info.shape}, received {codes.shape[1:]}"
        )
    if len(info.shape) == 3 and sorted(tensor.axes) == sorted(_COMMON):
        sizes = dict(zip(tensor.axes, (len(codes), *info.shape), strict=True))
        image = codes.reshape([sizes[axis] for axis in _COMMON])
        codes = image.transpose([_COMMON.index(axis) for axis in tensor.axes])
    codes = np.ascontiguousarray(codes).reshape(len(codes), *info.shape)
    if info.dtype == np.float32:
        # The centre of a quantisation step, where every runtime rounds to the same code.
        centred = (codes - int(tensor.zero_point or 0)).astype(np.float32)
        return centred * np.float32(tensor.scale or 0)
    offset = 128 if info.dtype == np.uint8 else 0
    return (codes + offset).astype(info.dtype)


def to_grid(codes: LayerCodes, own: StoredTensor, grid: StoredTensor) -> LayerCodes:
    """Return codes requantised to another tensor's grid.

    Unchanged where the grids are equal, or where a file does not state one: then codes stand for
    the same numbers only if they are equal.
    """
    if (grid.scale, grid.zero_point) == (own.scale, own.zero_point):
        return codes
    if grid.unstated or own.unstated:
        return codes
    with np.errstate(all="ignore"):  # scales of damaged files
        ratio = np.float64(own.scale or 1) / np.float64(grid.scale or 1)
        real = (codes - int(own.zero_point or 0)) * ratio + int(grid.zero_point or 0)
    steps = np.nan_to_num(np.rint(real), nan=FAR, posinf=FAR, neginf=-FAR)
    there: LayerCodes = np.clip(steps, -FAR, FAR).astype(np.int16)
    return there


def clipped(codes: LayerCodes) -> LayerCodes:
    """Return codes clipped to the range of int8."""
    return np.clip(codes, QMIN, QMAX)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerOutputs:
    """A file in a runtime, with its layers tapped.

    Attributes:
        opened: The file.
        session: The loaded file with its taps.
        feed: Converts pixels to its input.
        codes_feed: Converts pixels to the int8 codes of its input.
        place: Position of each tapped layer among the session's outputs, by the layer's index.
    """

    opened: OpenFile
    session: Session
    feed: PixelInput
    codes_feed: PixelInput
    place: dict[int, int]

    def run(self, pixels: Pixels) -> dict[int, LayerCodes]:
        """Return the codes of the input (under `INPUT`) and of every tapped layer."""
        outputs = self.session.run(self.feed(pixels))
        codes = {
            index: read_codes(outputs[place], self.opened.reading.layers[index].output)
            for index, place in self.place.items()
        }
        codes[INPUT] = self.codes_feed(pixels).astype(np.int16)
        return codes


def inputs_of(reading: Reading, index: int, codes: dict[int, LayerCodes]) -> list[Int8] | None:
    """Return the codes that a layer reads; None if some are missing or have another shape."""
    inputs = []
    for read in reading.layers[index].reads:
        source = reading.input if read.source == INPUT else reading.layers[read.source].output
        if read.source not in codes or codes[read.source].shape[1:] != source.shape:
            return None
        inputs.append(codes[read.source].astype(np.int8))
    return inputs


def give_out_layers(
    both: tuple[OpenFile, OpenFile], layers: tuple[Sequence[int], Sequence[int]], *, threads: int
) -> tuple[LayerOutputs, LayerOutputs]:
    """Return two files with layers tapped, each in the runtime that apps use.

    Args:
        both: The files.
        layers: Indices of each file's layers; those without codes are left out.
        threads: Images that run at a time.

    Raises:
        CorruptFileError: A runtime refuses the tapped copy.
        RuntimeDiedError: A runtime crashes on it.
        ConversionError: A layer's tensor cannot be tapped.
        ParityError: A file does not take images.
    """
    loaded = [
        _load(opened, opened.primary, _names(opened, indices), threads)
        for opened, indices in zip(both, layers, strict=True)
    ]
    inputs = [
        (opened.reading.input, run[0].input) for opened, run in zip(both, loaded, strict=True)
    ]
    feeds = model_input.feeds(inputs, [opened.scaling for opened in both])
    codes_feeds = model_input.feeds(
        [(tensor, _as_codes(info)) for tensor, info in inputs],
        [opened.scaling for opened in both],
    )
    one, two = (
        LayerOutputs(opened=opened, session=session, feed=feed, codes_feed=codes_feed, place=place)
        for opened, (session, place), feed, codes_feed in zip(
            both, loaded, feeds, codes_feeds, strict=True
        )
    )
    return one, two


def in_other_runtime(runtime: Runtime, like: LayerOutputs, *, threads: int) -> LayerOutputs | None:
    """Return the same file and layers in another runtime; None where it does not run such files.

    Raises:
        CorruptFileError: The runtime refuses the file.
        RuntimeDiedError: The runtime crashes on it.
        ConversionError: A layer's tensor cannot be tapped, in a runtime that runs all files.
    """
    opened = like.opened
    names = {index: opened.reading.layers[index].name for index in like.place}
    try:
        session, place = _load(opened, runtime, names, threads)
    except ConversionError:
        if not runtime.partial:
            raise
        return None
    feed = like.feed
    if session.input != like.session.input:
        (feed,) = model_input.feeds([(opened.reading.input, session.input)], [opened.scaling])
    return dataclasses.replace(like, session=session, place=place, feed=feed)


def _names(opened: OpenFile, indices: Sequence[int]) -> dict[int, str]:
    layers = opened.reading.layers
    return {i: layers[i].name for i in indices if layers[i].output.holds_codes}


def _load(
    opened: OpenFile, runtime: Runtime, names: Mapping[int, str], threads: int
) -> tuple[Session, dict[int, int]]:
    # The file's own output needs no tap.
    own = opened.reading.output.name
    taps = list(dict.fromkeys(name for name in names.values() if name != own))
    session = opened.load(runtime, taps=taps, threads=threads)
    before = len(session.outputs) - len(taps)
    place = {i: 0 if name == own else before + taps.index(name) for i, name in names.items()}
    return session, place


def _as_codes(info: TensorInfo) -> TensorInfo:
    """Return the description of an input, changed to int8 and channels last."""
    shape = model_input.pixel_shape(info)
    return TensorInfo(name=info.name, dtype=np.dtype(np.int8), shape=shape)
