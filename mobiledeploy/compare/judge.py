"""`judge`: how two files compare, layer by layer, by the integers they hold.

The layers are aligned once. For each layer and its counterpart the judgement states in which
fields they differ, whether they are the same function of the codes that can reach them, and how
that was found. Nothing is run, so it also finds what a set of images might not show. The report
(`diagnosis`), the certificate and the search for the first diverging layer use this one list.
"""

import dataclasses
from collections.abc import Collection, Iterator
from typing import Final

import numpy as np

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.compare.align import Alignment, align, replaced_layers
from mobiledeploy.compare.difference import MOST_CHANNELS, Difference, FieldDifference
from mobiledeploy.compare.input_output import input_differences, output_differences
from mobiledeploy.compare.layer_fields import fields, in_order, operands_crossed, reads_differ
from mobiledeploy.compare.other_forms import MOST_PLACES, Judged, without_other_forms
from mobiledeploy.compare.reachable_codes import source_span, spans
from mobiledeploy.compare.same_function import Verdict, verdict_on
from mobiledeploy.reading import FULL, INPUT, Reading, StoredLayer, StoredTensor

MOST_LAYERS: Final = 2048
"""Most layers of a file: every layer of one is compared with every layer of the other."""

_OF_TENSOR: Final = {"scale", "zero point"}
"""Fields of the tensor that a layer writes: they also affect the layers that read it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerJudgement:
    """A layer of the first file and its counterpart in the second one.

    Attributes:
        first: Index in the first file; None where only the second file has such a layer.
        second: Index in the second file; None where only the first file has such a layer.
        verdict: Whether they are the same function of codes, by how much they can differ and how
            that was found; None where there is no counterpart.
        operands_crossed: Whether the second layer reads its two operands in the other order.
        differences: The fields that differ, each with its effect on the output. Where a layer
            replaces another, they are listed with the first file's layer.
    """

    first: int | None
    second: int | None
    verdict: Verdict | None = None
    operands_crossed: bool = False
    differences: tuple[Difference, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judgement:
    """Two files, layer by layer.

    Attributes:
        readings: The first file, whose values are the expected ones, and the second.
        alignment: Which layers correspond.
        layers: All layers of either file, in running order.
        input_differences: In what the files' inputs differ.
        output_differences: In what the files' outputs differ, apart from their last layers.
    """

    readings: tuple[Reading, Reading]
    alignment: Alignment
    layers: tuple[LayerJudgement, ...]
    input_differences: tuple[Difference, ...] = ()
    output_differences: tuple[Difference, ...] = ()

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Indices of each layer with a counterpart, and of the counterpart."""
        return tuple(
            (layer.first, layer.second)
            for layer in self.layers
            if layer.first is not None and layer.second is not None
        )

    @property
    def differences(self) -> tuple[Difference, ...]:
        """All differences, in running order: input, layers, output."""
        inside = (difference for layer in self.layers for difference in layer.differences)
        return *self.input_differences, *inside, *self.output_differences

    def turned(self) -> "Judgement":
        """Return the judgement with the files in the other order.

        Without the differences: they call the first file's values "expected".
        """
        first, second = self.readings
        return Judgement(
            readings=(second, first),
            alignment=self.alignment.turned(),
            layers=tuple(
                dataclasses.replace(layer, first=layer.second, second=layer.first, differences=())
                for layer in self.layers
            ),
        )


def judge(
    first: Reading,
    second: Reading,
    in_floats: tuple[Collection[str], Collection[str]] = ((), ()),
) -> Judgement:
    """Return how two files compare, layer by layer.

    Args:
        first: The file whose values are the expected ones.
        second: The file that claims to be the same classifier.
        in_floats: Names of the layers of either file that its runtime computes in floats, as far
            as that is known.

    Raises:
        ConversionError: A file has far more layers than a classifier.
    """
    if max(len(first.layers), len(second.layers)) > MOST_LAYERS:
        raise ConversionError(
            f"expected at most {MOST_LAYERS} layers, received {len(first.layers)} and "
            f"{len(second.layers)}",
            hint="no image classifier has so many: name the classifier's own files",
        )
    # A damaged file may hold any scale.
    with np.errstate(all="ignore"):
        alignment = align(first, second)
        verdicts = _verdicts(first, second, alignment)
        same_readers = _same_readers(first, verdicts, INPUT)
        return _without_other_forms(
            Judgement(
                readings=(first, second),
                alignment=alignment,
                layers=tuple(_layers(first, second, alignment, verdicts)),
                input_differences=tuple(
                    input_differences(first, second, same_readers=same_readers)
                ),
                output_differences=tuple(output_differences(first, second, alignment)),
            ),
            in_floats,
        )


def _without_other_forms(
    judgement: Judgement, in_floats: tuple[Collection[str], Collection[str]]
) -> Judgement:
    """Return a judgement in which layers of another form that give the same codes do no harm."""
    inside = [difference for layer in judgement.layers for difference in layer.differences]
    if all(each.equivalent for each in (*inside, *judgement.output_differences)):
        return judgement
    if sum(_other_weights(judgement, layer) for layer in judgement.layers) > MOST_PLACES:
        return judgement
    judged = [
        Judged(
            first=layer.first,
            second=layer.second,
            method=layer.verdict.method if layer.verdict and layer.verdict.equal else "",
            crossed=layer.operands_crossed,
            differences=layer.differences,
        )
        for layer in judgement.layers
    ]
    without = without_other_forms(
        judgement.readings, judgement.alignment, judged, judgement.output_differences, in_floats
    )
    return dataclasses.replace(
        judgement,
        layers=tuple(
            dataclasses.replace(layer, differences=differences)
            for layer, differences in zip(judgement.layers, without.layers, strict=True)
        ),
        output_differences=without.output,
    )


def _other_weights(judgement: Judgement, layer: LayerJudgement) -> bool:
    """Whether a layer has weights of one shape in both files, and they give other codes."""
    if layer.first is None or layer.second is None or layer.verdict is None or layer.verdict.equal:
        return False
    a, b = judgement.readings
    one, other = a.layers[layer.first].weights, b.layers[layer.second].weights
    return one is not None and other is not None and one.kernel.shape == other.kernel.shape


def source_shapes(reading: Reading, index: int) -> list[tuple[int, ...]]:
    """Return the shapes of the tensors that a layer reads; one that is not known is empty."""
    return [_source(reading, read.source).shape for read in reading.layers[index].reads]


def _verdicts(a: Reading, b: Reading, alignment: Alignment) -> dict[int, Verdict]:
    """Return the verdict on each layer with a counterpart, by its index in the first file."""
    reachable = spans(a), spans(b)
    verdicts = {}
    for j, i in alignment.matched.items():
        mine, other = a.layers[i], b.layers[j]
        source = source_span(a, reachable[0], mine.reads[0].source).hull_if_alike(
            source_span(b, reachable[1], other.reads[0].source)
        )
        verdicts[i] = verdict_on(
            mine,
            other,
            (a.format, b.format),
            source,
            (source_shapes(a, i), source_shapes(b, j)),
            crossed=operands_crossed(a, b, alignment, i, j),
        )
    return verdicts


def _layers(
    a: Reading, b: Reading, alignment: Alignment, verdicts: dict[int, Verdict]
) -> Iterator[LayerJudgement]:
    others = replaced_layers(a, b, alignment)
    position = INPUT
    for i, j in alignment.pairs:
        position = position if i is None else i
        if i is not None and j is not None:
            yield LayerJudgement(
                first=i,
                second=j,
                verdict=verdicts[i],
                operands_crossed=operands_crossed(a, b, alignment, i, j),
                differences=tuple(_of_pair(a, b, alignment, verdicts, i, j)),
            )
        elif i is not None:
            difference = (
                _replaced(i, a.layers[i], b.layers[others[i]])
                if i in others
                else _in_one_file(i, a, a.layers[i], missing=True)
            )
            yield LayerJudgement(first=i, second=None, differences=(difference,))
        elif j is not None and j in others.values():
            yield LayerJudgement(first=None, second=j)
        elif j is not None:
            difference = _in_one_file(position, b, b.layers[j], missing=False)
            yield LayerJudgement(first=None, second=j, differences=(difference,))


def _of_pair(
    a: Reading,
    b: Reading,
    alignment: Alignment,
    verdicts: dict[int, Verdict],
    i: int,
    j: int,
) -> Iterator[Difference]:
    mine, other = a.layers[i], in_order(a, b, alignment, i, j)
    verdict = verdicts[i]
    differences = [
        *fields(mine, other, at_input=mine.reads[0].source == INPUT, at_logits=a.logits is mine),
        *reads_differ(a, b, alignment, i, j),
    ]
    # A difference of a tensor that it reads is reported with the layer that writes it.
    if not differences and not verdict.equal and _read_alike(a, b, mine, other):
        difference = _rounding(mine, other, verdict) if verdict.cases else _undecided(mine, other)
        differences = [difference]
    readers_agree = _same_readers(a, verdicts, i)
    for difference in differences:
        yield _judged(difference, i, mine, other, verdict, readers_agree=readers_agree)


def _read_alike(a: Reading, b: Reading, mine: StoredLayer, other: StoredLayer) -> bool:
    """Whether two layers read their inputs with the same grids, as far as these are stated."""
    return all(
        (x.scale, x.zero_point) == (y.scale, y.zero_point)
        or _source(a, x.source).unstated
        or _source(b, y.source).unstated
        for x, y in zip(mine.reads, other.reads, strict=True)
    )


def _source(reading: Reading, source: int) -> StoredTensor:
    return reading.input if source == INPUT else reading.layers[source].output


def _rounding(mine: StoredLayer, other: StoredLayer, verdict: Verdict) -> FieldDifference:
    return FieldDifference(
        field="rounding",
        detail=f"the numbers are the same, but {verdict.cases} of {verdict.method} are rounded "
        f"otherwise by the kernels that run {mine.op} and {other.op}",
        expected=f"{mine.op} as its runtime rounds",
        received=f"{other.op} as its runtime rounds",
    )


def _undecided(mine: StoredLayer, other: StoredLayer) -> FieldDifference:
    return FieldDifference(
        field="not comparable",
        detail="the numbers are the same, but they are outside of what the usual kernels take",
        expected=mine.op,
        received=other.op,
        harmful=True,
    )


def _judged(
    difference: FieldDifference,
    position: int,
    mine: StoredLayer,
    other: StoredLayer,
    verdict: Verdict,
    *,
    readers_agree: bool,
) -> Difference:
    """Return a difference with its effect on the output."""
    equal = verdict.equal and difference.harmful is not True
    if difference.field in _OF_TENSOR:
        equal = equal and readers_agree
    equal = equal or difference.harmful is False
    channels = difference.channels or (() if equal else verdict.channels)
    return Difference(
        position=position,
        layer=mine.name,
        other=other.name,
        kind=mine.kind,
        operator=mine.op,
        field=difference.field,
        detail=difference.detail,
        expected=difference.expected,
        received=difference.received,
        channels=channels[:MOST_CHANNELS],
        channel_count=len(channels),
        lsb=0 if equal else (None if difference.harmful else verdict.lsb),
        equivalent=equal,
        method=difference.method or verdict.method,
        change=difference.change,
    )


def _in_one_file(
    position: int, reading: Reading, layer: StoredLayer, *, missing: bool
) -> Difference:
    """Return the difference for a layer that only one file has."""
    before = (
        reading.layers[layer.reads[0].source].output
        if layer.reads and layer.reads[0].source != INPUT
        else reading.input
    )
    idle = (
        layer.kind == "clamp"
        and layer.clamp == FULL
        and (before.scale, before.zero_point) == (layer.output.scale, layer.output.zero_point)
    )
    where = "first" if missing else "second"
    return Difference(
        position=position,
        layer=layer.name if missing else "",
        other="" if missing else layer.name,
        kind=layer.kind,
        operator=layer.op,
        field="missing layer" if missing else "extra layer",
        detail=f"only the {where} file has the layer `{layer.name}` ({layer.op})"
        f"{_not_understood(layer)}",
        expected=layer.op if missing else "no such layer",
        received="no such layer" if missing else layer.op,
        lsb=0 if idle else None,
        equivalent=idle,
        method="it cuts nothing off" if idle else "",
    )


def _same_readers(a: Reading, verdicts: dict[int, Verdict], source: int) -> bool:
    """Whether all layers that read a tensor give the same codes as their counterparts."""
    readers = [i for i, x in enumerate(a.layers) if any(r.source == source for r in x.reads)]
    return all(i in verdicts and verdicts[i].equal for i in readers)


def _replaced(position: int, mine: StoredLayer, other: StoredLayer) -> Difference:
    """Return the difference of a layer that is another one in the second file."""
    return Difference(
        position=position,
        layer=mine.name,
        other=other.name,
        kind=other.kind if mine.kind == "unknown" else mine.kind,
        operator=mine.op,
        field="operator",
        detail=f"the second file has {other.op} where the first one has {mine.op}"
        f"{_not_understood(mine, other)}",
        expected=mine.op,
        received=other.op,
    )


def _not_understood(*layers: StoredLayer) -> str:
    """Return why layers are not understood, as the end of a sentence."""
    return "".join(f": {fault.detail}" for layer in layers for fault in layer.faults[:1])
