"""`without_other_forms`: differences of two files, less those of layers in another form.

A file may compute with other operators what another file computes: by a table of all codes, in
two steps instead of one, by a convolution in place of a pool. `numbered_codes` says which tensors
of two files hold the same codes. A difference between such tensors changes no output.

Where a layer does compute something else, everything behind it differs. The fewest tensors are
then looked for that, taken for equal, make the rest of both files equal: what differs lies between
each of these and the tensors before it that are equal, and only those differences are kept. If
there are too many, or a place where the files differ has no difference of its own, nothing is left
out.
"""

import dataclasses
import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np

from mobiledeploy.compare.align import Alignment
from mobiledeploy.compare.difference import Difference
from mobiledeploy.compare.numbered_codes import NumberedCodes, Numbering
from mobiledeploy.ops import table
from mobiledeploy.ops.capabilities import Sampled, scores_of
from mobiledeploy.ops.tensors import QMIN
from mobiledeploy.reading import INPUT, Reading

MOST_PLACES: Final = 8
"""Most places in which files may differ for the rest of them to be called the same."""
MOST_TRIALS: Final = 96
"""Most tensors that are taken for equal to see what follows."""
SCORES_SCALE: Final = {"tflite": np.float32(1 / 256), "onnx": np.float32(1 / 255)}
"""The scale of scores that LiteRT takes, and that ONNX Runtime's quantiser gives them."""
_SCORES: Final = "scores of the same logits, each file's on the grid that its runtime's tools take"
_MOST_BACK: Final = 3
"""Layers in a row of which one may correspond to what the other file's next layer reads."""
_OF_TENSOR: Final = frozenset({"scale", "zero point"})

Both: TypeAlias = tuple[int, int]
"""Index of a layer in the first file, and in the second."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A layer of the first file, its counterpart, and what is known of them.

    Attributes:
        first: Index in the first file; None where only the second file has such a layer.
        second: Index in the second file; None likewise.
        method: How it was found that they are one function, in words; empty if they are not.
        crossed: Whether the second layer reads its two operands in the other order.
        differences: In what they differ.
    """

    first: int | None
    second: int | None
    method: str
    crossed: bool
    differences: tuple[Difference, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WithoutOtherForms:
    """Differences, those that other forms explain marked as equivalent.

    Attributes:
        layers: The differences of each pair of layers, in the order that was given.
        output: The differences of the output.
    """

    layers: tuple[tuple[Difference, ...], ...]
    output: tuple[Difference, ...]


def without_other_forms(
    readings: tuple[Reading, Reading],
    alignment: Alignment,
    layers: Sequence[Judged],
    output: Sequence[Difference],
    in_floats: tuple[Collection[str], Collection[str]],
) -> WithoutOtherForms:
    """Return the differences of two files, those of layers in another form marked as harmless.

    Args:
        readings: The files.
        alignment: Which layers correspond.
        layers: All layers of either file.
        output: Differences of the output.
        in_floats: Names of the layers of either file that its runtime computes in floats.
    """
    unchanged = WithoutOtherForms(
        layers=tuple(layer.differences for layer in layers), output=tuple(output)
    )
    if INPUT in {reading.output_of for reading in readings}:
        return unchanged
    search = _Search(Numbering(readings, in_floats), readings, alignment, layers)
    places = search.places()
    if places is None:
        return unchanged
    return search.without(layers, output, places) or unchanged


class _Search:
    """Which tensors of two files hold equal codes, and where the files differ."""

    def __init__(
        self,
        numbering: Numbering,
        readings: tuple[Reading, Reading],
        alignment: Alignment,
        layers: Sequence[Judged],
    ) -> None:
        self._readings = readings
        self._alignment = alignment
        self._equal = {
            layer.second: layer
            for layer in layers
            if layer.second is not None
            and layer.method
            and all(difference.equivalent for difference in layer.differences)
        }
        self._numbering = numbering
        self._first = self._numbering.numbered(0, {}, lambda *_: None)
        self._numbers = [self._numbering.number(codes) for codes in self._first]
        self._second: Sequence[NumberedCodes] = ()
        self._others: Sequence[int] = ()

    def places(self) -> list[Both] | None:
        """Return the tensors that are not equal though all before them are; None if too many."""
        places, trials = list[Both](), 0
        self._number_second({})
        last = self._readings[0].output_of, self._readings[1].output_of
        while self._numbers[last[0]] != self._others[last[1]] and not self._same_scores():
            if len(places) == MOST_PLACES:
                return None
            chosen, equal = last, self._equal_tensors()
            for pair in self._candidates():
                trials += 1
                if trials > MOST_TRIALS:
                    return None
                self._number_second(self._given([*places, pair]))
                if self._equal_tensors() > equal + 1:
                    chosen = pair
                    break
            places.append(chosen)
            self._number_second(self._given(places))
        return places

    def _given(self, places: Sequence[Both]) -> dict[int, int]:
        return {second: first for first, second in places}

    def _number_second(self, taken: Mapping[int, int]) -> None:
        """Number the second file's tensors, some of them taken for equal to the first file's."""
        given = {second: self._first[first] for second, first in taken.items()}
        self._second = self._numbering.numbered(1, given, self._like)
        self._others = [self._numbering.number(codes) for codes in self._second]

    def _like(self, index: int, numbers: Sequence[int]) -> NumberedCodes | None:
        """Return what a layer gives that is the same function as its counterpart."""
        judged = self._equal.get(index)
        if judged is None or judged.first is None:
            return None
        reads = [
            _number_of(read.source, self._numbering.images[0], self._numbers)
            for read in self._readings[0].layers[judged.first].reads
        ]
        if (reads[::-1] if judged.crossed else reads) != list(numbers):
            return None
        return dataclasses.replace(self._first[judged.first], method=judged.method)

    def _equal_tensors(self) -> int:
        known = set(self._numbers)
        return sum(number in known for number in self._others)

    def _candidates(self) -> Iterator[Both]:
        """Yield tensors of both files that may correspond and are not equal, in running order.

        They are what corresponding layers write, or read.
        """
        (a, b), pairs = self._readings, set[Both]()
        for second, first in self._alignment.matched.items():
            pairs.add((first, second))
            reads = a.layers[first].reads, b.layers[second].reads
            for mine, other in zip(*reads, strict=False):
                pairs.update(itertools.product(_chain(a, mine.source), _chain(b, other.source)))
        known, others = set(self._others), set(self._numbers)
        for second, first in sorted((second, first) for first, second in pairs):
            if INPUT in {first, second}:
                continue
            if self._numbers[first] in known or self._others[second] in others:
                continue
            if a.layers[first].output.shape == b.layers[second].output.shape:
                yield first, second

    def without(
        self, layers: Sequence[Judged], output: Sequence[Difference], places: Sequence[Both]
    ) -> WithoutOtherForms | None:
        """Return the differences, those outside of places marked as harmless.

        None where a place has none.
        """
        a, b = self._readings
        known = set(self._others), set(self._numbers)
        parts = [
            (
                _before(a, first, self._numbers, known[0]),
                _before(b, second, self._others, known[1]),
            )
            for first, second in places
        ]
        inside = (
            {index for part, _ in parts for index in part},
            {index for _, part in parts for index in part},
        )
        for first, second in self._unlike():
            inside[0].add(first)
            inside[1].add(second)
        edges = _read_by(a, inside[0]), _read_by(b, inside[1])
        kept = [
            tuple(
                self._judged(difference, layer, inside, edges) for difference in layer.differences
            )
            for layer in layers
        ]
        harmful = [
            layer
            for layer, differences in zip(layers, kept, strict=True)
            if any(not difference.equivalent for difference in differences)
        ]
        for mine, others in parts:
            near = mine | _read_by(a, mine), others | _read_by(b, others)
            if not any(layer.first in near[0] or layer.second in near[1] for layer in harmful):
                return None
        last = (a.output_of, b.output_of)
        same = last not in places
        return WithoutOtherForms(
            layers=tuple(kept),
            output=tuple(
                _harmless(difference, "the layers that give it hold the same codes")
                if same and difference.field == "joints"
                else difference
                for difference in output
            ),
        )

    def _unlike(self) -> Iterator[Both]:
        """Yield corresponding layers that read equal codes, and give others on the same grid.

        They are no parts of other forms, even if no layer behind them lets their codes through.
        """
        (a, b), images = self._readings, self._numbering.images
        for second, first in self._alignment.matched.items():
            mine, other = a.layers[first], b.layers[second]
            reads = (
                sorted(_number_of(read.source, images[0], self._numbers) for read in mine.reads),
                sorted(_number_of(read.source, images[1], self._others) for read in other.reads),
            )
            grids = [(out.scale, out.zero_point) for out in (mine.output, other.output)]
            unstated = mine.output.unstated or other.output.unstated
            if (
                reads[0] == reads[1]
                and (grids[0] == grids[1] or unstated)
                and (
                    self._numbers[first] != self._others[second]
                    or self._numbering.unlike(first, second)
                )
            ):
                yield first, second

    def _same_scores(self) -> bool:
        """Whether both files make scores of the same logits, each on its runtime's own grid."""
        a, b = self._readings
        mine, other = a.layers[a.output_of], b.layers[b.output_of]
        module: object = table.of_kind(mine.kind)
        if mine.kind != other.kind or mine.faults or other.faults:
            return False
        if not isinstance(module, Sampled) or not scores_of(module):
            return False
        if not module.same_numbers(mine, dataclasses.replace(other, output=mine.output)):
            return False
        (one,), (two,) = mine.reads, other.reads
        images = self._numbering.images
        numbers = (
            _number_of(one.source, images[0], self._numbers),
            _number_of(two.source, images[1], self._others),
        )
        read = (one.scale, one.zero_point) == (two.scale, two.zero_point)
        return (
            numbers[0] == numbers[1]
            and read
            and mine.clamp == other.clamp
            and all(
                layer.output.scale == SCORES_SCALE[reading.format]
                and layer.output.zero_point == QMIN
                for reading, layer in ((a, mine), (b, other))
            )
        )

    def _judged(
        self,
        difference: Difference,
        layer: Judged,
        inside: tuple[set[int], set[int]],
        edges: tuple[set[int], set[int]],
    ) -> Difference:
        if difference.equivalent or layer.first in inside[0] or layer.second in inside[1]:
            return difference
        ends = self._readings[0].output_of, self._readings[1].output_of
        last_of_both = (layer.first, layer.second) == ends
        if difference.field in _OF_TENSOR and last_of_both and self._same_scores():
            return _harmless(difference, _SCORES)
        if difference.field in _OF_TENSOR:
            (a, b) = self._readings
            read = layer.first in edges[0] or layer.second in edges[1]
            last = layer.first == a.output_of or layer.second == b.output_of
            of_logits = layer.first is not None and a.logits is a.layers[layer.first]
            of_ends = (last or of_logits) and not self._ends_agree(layer)
            if (read and self._holds_the_same(layer)) or of_ends:
                return difference
        harmless = _harmless(difference, self._how(layer))
        return dataclasses.replace(harmless, but=self._but(layer))

    def _ends_agree(self, layer: Judged) -> bool:
        """Whether both files' ends have one grid, and a layer is not both of them."""
        a, b = self._readings
        ends = a.output_of, b.output_of
        if (layer.first, layer.second) == ends or None in (a.logits, b.logits):
            return False
        pairs = (a.layers[ends[0]], b.layers[ends[1]]), (a.logits, b.logits)
        return all(
            mine is not None
            and other is not None
            and (mine.output.scale, mine.output.zero_point)
            == (other.output.scale, other.output.zero_point)
            for mine, other in pairs
        )

    def _holds_the_same(self, layer: Judged) -> bool:
        """Whether a layer and its counterpart give the same codes."""
        if layer.first is None or layer.second is None:
            return False
        return self._numbers[layer.first] == self._others[layer.second]

    def _but(self, layer: Judged) -> str:
        """Return where a layer's codes may be others all the same, in words."""
        for file, index in enumerate((layer.first, layer.second)):
            if (file, index) in self._numbering.in_floats:
                return "its runtime computes it in float32: on some inputs it may miss by 1"
        of_cpu = None if layer.first is None else self._numbering.by_cpu.get(layer.first)
        if of_cpu:
            return f"on other CPUs its runtime gives other codes for {of_cpu}"
        return ""

    def _how(self, layer: Judged) -> str:
        """Return how it was found that a layer changes no output, in words."""
        file = 0 if layer.first is not None else 1
        index = layer.first if layer.first is not None else layer.second
        numbers, reading = (self._numbers, self._others)[file], self._readings[file]
        methods = {
            number: codes.method
            for number, codes in zip(self._others, self._second, strict=True)
            if number in set(self._numbers)
        }
        for behind in range(index or 0, len(reading.layers)):
            if behind != index and not _reaches(reading, index or 0, behind):
                continue
            method = methods.get(numbers[behind])
            if method is None:
                continue
            if behind == index:
                return method
            return f"{method}, of all layers up to `{reading.layers[behind].name}`"
        return "all layers together give the same codes"


def _chain(reading: Reading, source: int) -> Iterator[int]:
    """Yield a layer, and some before it that alone decide what it gives, the nearest first."""
    for _ in range(_MOST_BACK):
        yield source
        sources = set() if source == INPUT else {r.source for r in reading.layers[source].reads}
        if len(sources) != 1:
            return
        (source,) = sources


def _number_of(source: int, image: int, numbers: Sequence[int]) -> int:
    return image if source == INPUT else numbers[source]


def _harmless(difference: Difference, method: str) -> Difference:
    return dataclasses.replace(
        difference, lsb=0, equivalent=True, method=method, channels=(), channel_count=0
    )


def _before(
    reading: Reading, index: int, numbers: Sequence[int], known: Collection[int]
) -> set[int]:
    """Return a layer, and all before it up to those whose codes the other file has, too."""
    inside, waiting = {index}, [index]
    while waiting:
        for read in reading.layers[waiting.pop()].reads:
            source = read.source
            if source != INPUT and source not in inside and numbers[source] not in known:
                inside.add(source)
                waiting.append(source)
    return inside


def _read_by(reading: Reading, layers: Collection[int]) -> set[int]:
    """Return the layers that some layers read."""
    return {read.source for index in layers for read in reading.layers[index].reads} - {INPUT}


def _reaches(reading: Reading, index: int, behind: int) -> bool:
    """Whether a layer's codes come, through others, to another one behind it."""
    reached = {index}
    for place in range(index + 1, behind + 1):
        if any(read.source in reached for read in reading.layers[place].reads):
            reached.add(place)
    return behind in reached
