"""A layer and its counterpart, each cut out of its file and run on the same codes."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from mobiledeploy.comparison.align import Alignment
from mobiledeploy.errors import ConversionError, CorruptFileError
from mobiledeploy.reading import INPUT
from mobiledeploy.verify.cutouts import CutOut, Cutter, cutter, tensor_of
from mobiledeploy.verify.layer_codes import Codes, moved, within
from mobiledeploy.verify.tapped import Tapped

RunPair: TypeAlias = Callable[[tuple[int, int], Mapping[int, Codes]], tuple[Codes, Codes]]
"""`Bench.run`, or what stands for it."""


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

    def run(self, pair: tuple[int, int], codes: Mapping[int, Codes]) -> tuple[Codes, Codes]:
        """Return the codes that a layer and its counterpart give, on each file's own grid.

        Args:
            pair: Indices of the layers, in the first and in the second file.
            codes: What the first file's layers give (or its input, under `INPUT`): at least what
                the layers read. The second file's cut-out gets the same codes, moved to the grids
                that it has for them where these are others.

        Raises:
            ConversionError: A layer cannot be cut out, reads what has no codes, or other shapes.
            CorruptFileError: A runtime refuses a cut-out, or dies of it.
        """
        one, two = self.part(0, pair[0]), self.part(1, pair[1])
        return one.run(codes), two.run(self.moved(pair[1], codes))

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
            ConversionError: It cannot be.
        """
        place = file, index
        if place not in self.parts:
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

    def add(self, bench: Bench, pair: tuple[int, int], codes: Mapping[int, Codes]) -> None:
        """Run both on what the first file gave for some images.

        Nothing is added where a cut-out is not possible, or does not give what its layer gave in
        the whole file: then another kernel runs it, and its difference would not be the layer's.
        """
        try:
            mine, other = bench.run(pair, codes)
        except (ConversionError, CorruptFileError):
            return
        if mine.shape != other.shape or not np.array_equal(mine, codes[pair[0]]):
            return
        tensors = (
            tensor_of(cutter.side, index)
            for cutter, index in zip(bench.cutters, pair, strict=True)
        )
        grid, own = tensors
        off = np.abs(moved(other, own, grid) - mine)
        self.largest = max(self.largest or 0, int(off.max()))
        self.differing += int((off > 0).sum())
        self.elements += off.size
