"""Compare what stands in two files, layer by layer: integers with integers, nothing is run.

It finds what no set of images may show, and says of every difference whether it can change an
output at all.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.compare import kinship
from mobiledeploy.compare.align import Alignment, align
from mobiledeploy.compare.borders import input_differences, output_differences
from mobiledeploy.compare.diagnosis import cause
from mobiledeploy.compare.difference import MOST_CHANNELS, Difference, StructureReport
from mobiledeploy.compare.layer_fields import Found, fields
from mobiledeploy.compare.layer_reads import in_order, reads_differ
from mobiledeploy.compare.layer_verdict import verdict_on
from mobiledeploy.compare.reach import source_span, spans
from mobiledeploy.compare.replaced import instead, reason, replaced
from mobiledeploy.compare.same_function import Verdict
from mobiledeploy.reading import FULL, INPUT, Reading
from mobiledeploy.reading import StoredLayer as Layer

MOST_LAYERS: Final = 512
"""Every layer of one file is held against every layer of the other."""

_OF_TENSOR: Final = {"scale", "zero point"}
"""Fields of the tensor that a layer writes: they matter to those that read it, too."""


def compare(a: Reading, b: Reading) -> StructureReport:
    """Return in what two files differ.

    Args:
        a: What is expected.
        b: What claims to be the same classifier.

    Raises:
        ConversionError: A file has far more layers than a classifier.
    """
    if max(len(a.layers), len(b.layers)) > MOST_LAYERS:
        raise ConversionError(
            f"expected at most {MOST_LAYERS} layers, received {len(a.layers)} and {len(b.layers)}"
        )
    # Scales may be anything in a damaged file.
    with np.errstate(all="ignore"):
        return _compare(a, b)


def _compare(a: Reading, b: Reading) -> StructureReport:
    alignment = align(a, b)
    others = replaced(a, b, alignment)
    verdicts = _verdicts(a, b, alignment)
    differences = input_differences(a, b, same_readers=_same_readers(a, verdicts, INPUT))
    position = INPUT
    for i, j in alignment.pairs:
        if i is not None:
            position = i
        if i is not None and j is not None:
            differences.extend(_of_pair(a, b, alignment, verdicts, i, j))
        elif i is not None and i in others:
            differences.append(instead(i, a.layers[i], b.layers[others[i]]))
        elif i is not None:
            differences.append(_alone(i, a, a.layers[i], missing=True))
        elif j is not None and j not in others.values():
            differences.append(_alone(position, b, b.layers[j], missing=False))
    differences.extend(output_differences(a, b, alignment))
    first = first_of(differences)
    why = cause(
        differences,
        first,
        layers=len(a.layers),
        origin=lambda: kinship.words(kinship.kinship(a, b, alignment), a.layers),
    )
    return StructureReport(
        same=first is None,
        layers=len(a.layers),
        other_layers=len(b.layers),
        matched=len(alignment.matched),
        first=first,
        cause=why.words,
        differences=tuple(differences),
        reason=why,
    )


def first_of(differences: Sequence[Difference]) -> Difference | None:
    """Return the first difference that may change an output.

    Where numbers differ, layers that only round otherwise do not count: they are no fault of
    who wrote the file, and would hide one.
    """
    harmful = [found for found in differences if not found.equivalent]
    numbers = [found for found in harmful if found.field != "rounding"]
    return next(iter(numbers or harmful), None)


def _verdicts(a: Reading, b: Reading, alignment: Alignment) -> dict[int, Verdict]:
    """Return how each layer of the first file compares with its counterpart as a function."""
    known = spans(a), spans(b)
    found = {}
    for j, i in alignment.matched.items():
        mine, other = a.layers[i], in_order(a, b, alignment, i, j)
        source = source_span(a, known[0], mine.reads[0].source).hull_if_alike(
            source_span(b, known[1], other.reads[0].source)
        )
        found[i] = verdict_on(mine, other, (a.format, b.format), source)
    return found


def _of_pair(
    a: Reading,
    b: Reading,
    alignment: Alignment,
    verdicts: dict[int, Verdict],
    i: int,
    j: int,
) -> list[Difference]:
    mine, other = a.layers[i], in_order(a, b, alignment, i, j)
    verdict = verdicts[i]
    found = [
        *fields(mine, other, at_input=mine.reads[0].source == INPUT, at_logits=a.logits is mine),
        *reads_differ(a, b, alignment, i, j),
    ]
    # What differs in a tensor that it reads was said of the layer that writes it.
    if not found and not verdict.equal and _read_alike(mine, other):
        found = [_rounding(mine, other, verdict) if verdict.cases else _undecided(mine, other)]
    readers_agree = _same_readers(a, verdicts, i)
    return [_judged(one, i, mine, other, verdict, readers_agree=readers_agree) for one in found]


def _read_alike(mine: Layer, other: Layer) -> bool:
    """Whether two layers read their inputs by the same grids."""
    return [(read.scale, read.zero_point) for read in mine.reads] == [
        (read.scale, read.zero_point) for read in other.reads
    ]


def _rounding(mine: Layer, other: Layer, verdict: Verdict) -> Found:
    return Found(
        field="rounding",
        detail=f"the numbers are the same, but {verdict.cases} of {verdict.method} are rounded "
        f"otherwise by the kernels that run {mine.op} and {other.op}",
        expected=f"{mine.op} as its runtime rounds",
        received=f"{other.op} as its runtime rounds",
    )


def _undecided(mine: Layer, other: Layer) -> Found:
    return Found(
        field="not comparable",
        detail="the numbers are the same, but they are outside of what the usual kernels take",
        expected=mine.op,
        received=other.op,
        harmful=True,
    )


def _judged(
    found: Found,
    position: int,
    mine: Layer,
    other: Layer,
    verdict: Verdict,
    *,
    readers_agree: bool,
) -> Difference:
    """Return a difference with what is known of its effect."""
    equal = verdict.equal and found.harmful is not True
    if found.field in _OF_TENSOR:
        equal = equal and readers_agree
    equal = equal or found.harmful is False
    channels = found.channels or (() if equal else verdict.channels)
    return Difference(
        position=position,
        layer=mine.name,
        other=other.name,
        kind=mine.kind,
        field=found.field,
        detail=found.detail,
        expected=found.expected,
        received=found.received,
        channels=channels[:MOST_CHANNELS],
        channel_count=len(channels),
        lsb=0 if equal else (None if found.harmful else verdict.lsb),
        equivalent=equal,
        method=found.method or verdict.method,
        change=found.change,
        measured_by_first=found.measured_by_first,
    )


def _alone(position: int, reading: Reading, layer: Layer, *, missing: bool) -> Difference:
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
        field="missing layer" if missing else "extra layer",
        detail=f"only the {where} file has the layer `{layer.name}` ({layer.op}){reason(layer)}",
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
