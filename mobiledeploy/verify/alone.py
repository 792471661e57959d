"""A layer and its counterpart, each cut out of its file and run on the same codes."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import numpy as np

from mobiledeploy.base.errors import ConversionError, CorruptFileError
from mobiledeploy.compare.align import Alignment
from mobiledeploy.reading import INPUT
from mobiledeploy.verify.cutouts import CutOut, Cutter, cutter, tensor_of
from mobiledeploy.verify.layer_codes import Codes, moved, within
from mobiledeploy.verify.tapped import Tapped

MOST_PARTS: Final = 1024
"""Of both files: several times what networks of this kind have."""
RunPair: TypeAlias = Callable[[tuple[int, int], Mapping[int, Codes]], tuple[Codes, Codes]]
"""`Bench.run`, with what the layers gave in the whole files."""
Whole: TypeAlias = tuple[Mapping[int, Codes], Mapping[int, Codes]]
"""Codes of each file's layers by their index, and of its input."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bench:
    """Two files whose corresponding layers are run on their own.

    Attributes:
        cutters: Of the files.
        alignment: Of their layers.
        parts: Cut-outs so far, by file and layer.
    """

    cutters: tuple[Cutter, Cutter]
    alignment: Alignment
    parts: dict[tuple[int, int], CutOut] = dataclasses.field(default_factory=dict)

    def run(
        self, pair: tuple[int, int], codes: Mapping[int, Codes], whole: Whole
    ) -> tuple[Codes, Codes]:
        """Return the codes that a layer and its counterpart give, on each file's own grid.

        Args:
            pair: Indices of the layers, in the first and in the second file.
            codes: What the first file's layers give (or its input, under `INPUT`): at least what
                the layers read. The second file's cut-out gets the same codes, moved to the grids
                that it has for them where these are others.
            whole: What each file's layers gave for some images, end to end. The cut-outs have to
                give the same, or they are not run by the kernels of the whole file.

        Raises:
            ConversionError: A layer cannot be cut out, reads what has no codes, or other shapes;
                or it gives other codes than in the whole file.
            CorruptFileError: A runtime refuses a cut-out, or dies of it.
        """
        given = codes, self.moved(pair[1], codes)
        one, two = (
            _checked(self.part(file, index), given[file], whole[file], index)
            for file, index in enumerate(pair)
        )
        return one, two

    def moved(self, index: int, codes: Mapping[int, Codes]) -> dict[int, Codes]:
        """Return what a layer of the second file gets where the first file's layers get codes.

        Raises:
            ConversionError: It reads what has no counterpart in the first file.
        """
        reads = self.cutters[1].side.reading.layers[index].reads
        return {read.source: self._counterpart(read.source, codes) for read in reads}

    def part(self, file: int, index: int) -> CutOut:
        """Return a layer of the first file, 0, or of the second one, 1, cut out.

        Raises:
            ConversionError: It cannot be, or more layers were already than a network has.
        """
        place = file, index
        if place not in self.parts:
            if len(self.parts) >= MOST_PARTS:
                raise ConversionError(f"expected at most {MOST_PARTS} layers to cut out")
            self.parts[place] = self.cutters[file].cut(index)
        return self.parts[place]

    def _counterpart(self, source: int, codes: Mapping[int, Codes]) -> Codes:
        first, second = (cutter.side for cutter in self.cutters)
        like = self.alignment.seen_from_second(second.reading, source)
        own, grid = tensor_of(second, source), tensor_of(first, INPUT if like is None else like)
        if like is None or like not in codes or own.shape != grid.shape:
            raise ConversionError(f"what `{own.name}` holds has no counterpart in the first file")
        return within(moved(codes[like], grid, own))


def cut_pairs(runs: tuple[Tapped, Tapped], alignment: Alignment) -> Bench:
    """Return a bench for two files that are open, with the layers tapped that others read.

    Raises:
        CorruptFileError: A file is damaged.
    """
    return Bench(cutters=(cutter(runs[0]), cutter(runs[1])), alignment=alignment)


@dataclasses.dataclass(slots=True, eq=False)
class Alone:
    """How a layer and its counterpart differ on their own, as far as was seen.

    Attributes:
        largest: In steps of the first file's grid; None if they could not be run so.
        differing: Elements that differ.
        elements: All of them.
    """

    largest: int | None = None
    differing: int = 0
    elements: int = 0

    @property
    def share(self) -> float | None:
        """Of the elements that differ, 0..1; None if they could not be run so."""
        return self.differing / self.elements if self.elements else None

    def add(self, bench: Bench, pair: tuple[int, int], whole: Whole) -> None:
        """Run both on what the first file gave for some images; nothing is added if they cannot.

        Args:
            bench: The files.
            pair: Indices of the layers.
            whole: What each file's layers gave for the images.
        """
        try:
            mine, other = bench.run(pair, whole[0], whole)
        except (ConversionError, CorruptFileError):
            return
        if mine.shape != other.shape:
            return
        grid, own = (
            tensor_of(cutter.side, index)
            for cutter, index in zip(bench.cutters, pair, strict=True)
        )
        off = np.abs(moved(other, own, grid) - mine)
        self.largest = max(self.largest or 0, int(off.max()))
        self.differing += int((off > 0).sum())
        self.elements += off.size


def _checked(
    part: CutOut, codes: Mapping[int, Codes], whole: Mapping[int, Codes], index: int
) -> Codes:
    """Run a cut-out on codes, and on those of the whole file to see that it computes the same."""
    name = part.layer.name
    missing = [source for source in part.sources if source not in codes or source not in whole]
    if missing or index not in whole:
        raise ConversionError(f"`{name}` reads or writes what has no codes")
    if any(codes[source].shape[1:] != whole[source].shape[1:] for source in part.sources):
        raise ConversionError(f"`{name}` reads codes of another shape")
    both = {source: np.concatenate([whole[source], codes[source]]) for source in part.sources}
    found = part.run(both)
    count = len(whole[index])
    if not np.array_equal(found[:count], whole[index]):
        raise ConversionError(f"`{name}`, cut out, gives other codes than in the whole file")
    return found[count:]
