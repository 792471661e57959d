"""A file with its layers tapped: what each layer gives for an image, as codes.

Run end to end, as the file is used: an error of one layer goes on into the next ones.
`cutouts` runs each layer on its own.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.data.dataset import Pixels
from mobiledeploy.integer import tflite_reader
from mobiledeploy.integer.graph import Int8
from mobiledeploy.reading import INPUT, Reading
from mobiledeploy.runtimes import Session, TensorInfo
from mobiledeploy.runtimes.kinds import KINDS, Kind
from mobiledeploy.verify import feeding, layer_codes
from mobiledeploy.verify.feeding import Feed
from mobiledeploy.verify.layer_codes import Codes
from mobiledeploy.verify.side import Side


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tapped:
    """A file in a runtime, giving out its layers.

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
            index: layer_codes.read(outputs[place], self.side.reading.layers[index].output)
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


def tap(
    sides: tuple[Side, Side], layers: tuple[Sequence[int], Sequence[int]], *, threads: int
) -> tuple[Tapped, Tapped]:
    """Return two files with layers tapped, each in the runtime that apps use.

    Args:
        sides: The files.
        layers: Indices of each one's layers; those without codes are left out.
        threads: Images that run at a time.

    Raises:
        CorruptFileError: A runtime refuses the copy, or dies of it.
        ConversionError: A layer's tensor cannot be tapped.
        ParityError: A file takes no images.
    """
    found = [
        _load(side, KINDS[side.file.format][0], _names(side, indices), threads)
        for side, indices in zip(sides, layers, strict=True)
    ]
    inputs = [(side.reading.input, run[0].input) for side, run in zip(sides, found, strict=True)]
    feeds = feeding.feeds(inputs)
    codes_feeds = feeding.feeds([(tensor, _as_codes(info)) for tensor, info in inputs])
    one, two = (
        Tapped(side=side, session=session, feed=feed, codes_feed=codes_feed, place=place)
        for side, (session, place), feed, codes_feed in zip(
            sides, found, feeds, codes_feeds, strict=True
        )
    )
    return one, two


def tap_oracle(like: Tapped, *, threads: int) -> Tapped | None:
    """Return the same file and layers in the NumPy oracle; None where it cannot read the file."""
    side = like.side
    if side.file.format != "tflite":
        return None
    try:
        nodes = tflite_reader.read(side.file.tflite).nodes
    except ConversionError:
        return None
    if len(nodes) != len(side.reading.layers):
        return None
    # The graph's names may lack what the file adds to inner tensors; the order is the same.
    names = {index: nodes[index].output.name for index in like.place}
    session, place = _load(side, "oracle", names, threads)
    return dataclasses.replace(like, session=session, place=place, feed=like.codes_feed)


def _names(side: Side, indices: Sequence[int]) -> dict[int, str]:
    layers = side.reading.layers
    return {i: layers[i].name for i in indices if layers[i].output.scale is not None}


def _load(
    side: Side, kind: Kind, names: Mapping[int, str], threads: int
) -> tuple[Session, dict[int, int]]:
    # The file's own output cannot be tapped: it is there already.
    own = side.reading.output.name
    taps = list(dict.fromkeys(name for name in names.values() if name != own))
    session = side.load(kind, taps=taps, threads=threads)
    before = len(session.outputs) - len(taps)
    place = {i: 0 if name == own else before + taps.index(name) for i, name in names.items()}
    return session, place


def _as_codes(info: TensorInfo) -> TensorInfo:
    """Return an input as int8 codes, channels last."""
    shape = info.shape if info.shape[-1] in {1, 3} else (*info.shape[1:], info.shape[0])
    return TensorInfo(name=info.name, dtype=np.dtype(np.int8), shape=shape)
