"""`locate`: the first layer whose codes differ between two files.

Both files run end to end with every layer tapped, so errors of one layer reach the next ones as
they do in an app. Every layer is also judged without errors of earlier layers: `recompute`
computes it from the codes that reached it, and it is cut out of both files and run on the first
file's codes. The report names the image that shows the difference, and a runtime that does not
compute what its file says.
"""

import dataclasses
from collections.abc import Sequence
from typing import Final

import numpy as np

from mobiledeploy import reading
from mobiledeploy.base.errors import ConversionError, CorruptFileError, RuntimeDiedError
from mobiledeploy.base.progress import Event, Progress
from mobiledeploy.compare.align import Alignment
from mobiledeploy.compare.difference import Cause, Difference, StructureReport
from mobiledeploy.compare.judge import Judgement
from mobiledeploy.data.dataset import Pixels
from mobiledeploy.ops import table
from mobiledeploy.ops.capabilities import Sampled
from mobiledeploy.reading import INPUT, StoredLayer
from mobiledeploy.verify.layers import layer_outputs, recompute
from mobiledeploy.verify.layers.layer_outputs import FAR, LayerCodes, LayerOutputs, to_grid
from mobiledeploy.verify.layers.single_layer import (
    SingleLayerDifference,
    open_single_layers,
    tensor_of,
)
from mobiledeploy.verify.outputs import why_runtimes_differ
from mobiledeploy.verify.outputs.opened_file import OpenFile
from mobiledeploy.verify.outputs.runners import Runner
from mobiledeploy.verify.report import Divergence, HotChannel, LayerRow

PIECE: Final = 4
"""Images whose tensors are in memory at a time."""
JUDGED: Final = 2
"""Images on which every layer is recomputed in NumPy, which is slow."""
CUT: Final = 8
"""Images on which every layer is run cut out of its file."""
ALONE: Final = frozenset({"missing layer", "extra layer", "operator"})

Suspects = tuple[tuple[str, ...], Pixels]
"""Names and pixels, the images with the largest differences first."""


@dataclasses.dataclass(slots=True, eq=False)
class _Row:
    """Differences of a pair of corresponding layers, over the images so far."""

    first: int
    second: int
    largest: int = 0
    differing: int = 0
    elements: int = 0
    image: str = ""
    worst: LayerCodes | None = None
    same_codes: bool = True
    errors: tuple[int | None, int | None] = (None, None)
    cut_out: SingleLayerDifference = dataclasses.field(default_factory=SingleLayerDifference)


def locate(
    both: tuple[OpenFile, OpenFile],
    runners: Sequence[Runner],
    suspects: Suspects,
    judgement: Judgement,
    structure: StructureReport,
    *,
    threads: int,
    progress: Progress,
) -> tuple[Divergence | None, tuple[LayerRow, ...]]:
    """Return the first layer that diverges, and a row of differences for every layer.

    Args:
        both: The files.
        runners: The files in the runtimes that apps use, in the same order.
        suspects: Images to run.
        judgement: Judgement of the files, in the same order.
        structure: The report made from it: in what the files' integers differ.
        threads: Images that run at a time.
        progress: Called after every few images.

    Returns:
        The first layer that differs on an image. If no image shows a difference, or a runtime
        refuses a copy with every layer tapped, the first layer whose integers differ; None if
        there is none.
    """
    if any(reading.arithmetic(opened.reading) == "floats" for opened in both):
        return None, ()  # floats: no codes to compare
    ungridded = [opened.file.name for opened in both if opened.reading.input.scale is None]
    if ungridded:
        return _by_integers(structure, f"{ungridded[0]} has no grid at its input"), ()
    rows = [_Row(first=i, second=j) for i, j in judgement.pairs]
    try:
        indices = [row.first for row in rows], [row.second for row in rows]
        one, two = layer_outputs.give_out_layers(both, indices, threads=threads)
    except (ConversionError, CorruptFileError, RuntimeDiedError) as error:
        return _by_integers(structure, f"the layers could not be run one by one ({error})"), ()
    rows = [row for row in rows if row.first in one.place and row.second in two.place]
    entry = _Row(first=INPUT, second=INPUT)
    names, pixels = suspects
    for start in range(0, len(names), PIECE):
        stop = start + PIECE
        codes = one.run(pixels[start:stop]), two.run(pixels[start:stop])
        for row in (entry, *rows):
            _add(row, both, codes, names[start:stop])
        if start < JUDGED:
            _judge(rows, both, codes, JUDGED)
        progress(Event("verify", "every layer of both files", min(stop, len(names)), len(names)))
    _run_alone(rows, (one, two), judgement.alignment, pixels[:CUT])
    first = next((row for row in (entry, *rows) if row.largest > _allowed(row, both)), None)
    lines = tuple(_line(row, both) for row in rows)
    if first is None:
        return _by_integers(structure, f"none of {len(names)} images shows it in a layer"), lines
    return _divergence(first, both, runners, structure, len(names)), lines


def _run_alone(
    rows: Sequence[_Row],
    runs: tuple[LayerOutputs, LayerOutputs],
    alignment: Alignment,
    pixels: Pixels,
) -> None:
    """Add to each row how its layers, cut out of their files, differ on the same codes."""
    single_layers = open_single_layers(runs, alignment)
    for start in range(0, len(pixels), PIECE):
        piece = pixels[start : start + PIECE]
        try:
            whole = runs[0].run(piece), runs[1].run(piece)
        except (CorruptFileError, RuntimeDiedError):
            return
        for row in rows:
            row.cut_out.add(single_layers, (row.first, row.second), whole)


def _by_integers(structure: StructureReport, why: str) -> Divergence | None:
    """Return the first layer whose integers differ, where no image shows a difference."""
    first, reason = structure.first, structure.reason.with_(why)
    if first is None:
        return None
    return Divergence(
        layer=first.name,
        other=first.other or first.name,
        operator=first.kind,
        position=first.number,
        layers=structure.layers,
        image="",
        images=0,
        blamed="",
        histogram=(),
        channels=(),
        cause=reason.words,
        reason=reason,
    )


def _allowed(row: _Row, both: tuple[OpenFile, OpenFile]) -> int:
    """Return by how many LSB correct kernels of a layer may differ from each other."""
    if row.first == INPUT:
        return 0
    operator: object = table.of_kind(both[0].reading.layers[row.first].kind)
    return operator.WITHIN if isinstance(operator, Sampled) else 0


def _add(
    row: _Row,
    both: tuple[OpenFile, OpenFile],
    codes: tuple[dict[int, LayerCodes], dict[int, LayerCodes]],
    names: Sequence[str],
) -> None:
    mine, other = codes[0][row.first], codes[1][row.second]
    if mine.shape != other.shape:
        row.largest, row.differing, row.image = FAR, row.differing + mine.size, names[0]
        row.elements += mine.size
        return
    grid, own = tensor_of(both[0], row.first), tensor_of(both[1], row.second)
    row.same_codes = row.same_codes and np.array_equal(mine, other)
    differences = to_grid(other, own, grid) - mine
    off = np.abs(differences)
    row.elements += off.size
    row.differing += int((off > 0).sum())
    most = off.reshape(len(off), -1).max(axis=1)
    image = int(most.argmax())
    if most[image] > row.largest:
        row.largest, row.image, row.worst = int(most[image]), names[image], differences[image]


def _judge(
    rows: Sequence[_Row],
    both: tuple[OpenFile, OpenFile],
    given: tuple[dict[int, LayerCodes], dict[int, LayerCodes]],
    images: int,
) -> None:
    for row in rows:
        errors = [
            _error(opened, index, codes, images)
            for opened, index, codes in zip(both, (row.first, row.second), given, strict=True)
        ]
        row.errors = errors[0], errors[1]


def _error(opened: OpenFile, index: int, codes: dict[int, LayerCodes], images: int) -> int | None:
    layer = opened.reading.layers[index]
    if codes[index].shape[1:] != layer.output.shape:
        return None
    some = {number: array[:images] for number, array in codes.items()}
    inputs = layer_outputs.inputs_of(opened.reading, index, some)
    return (
        None if inputs is None else recompute.error(layer, opened.file.format, inputs, some[index])
    )


def _divergence(
    row: _Row,
    both: tuple[OpenFile, OpenFile],
    runners: Sequence[Runner],
    structure: StructureReport,
    images: int,
) -> Divergence:
    names = [
        tensor_of(opened, index).name
        for opened, index in zip(both, (row.first, row.second), strict=True)
    ]
    layer = None if row.first == INPUT else both[0].reading.layers[row.first]
    blamed = next(
        (
            runner
            for runner, error in zip(runners, row.errors, strict=False)
            if error is not None and error > _allowed(row, both)
        ),
        None,
    )
    reason = _reason(row, layer, blamed, structure)
    # Inputs can have equal codes on different grids: then only the real values differ.
    shown = None if layer is None and row.same_codes else row.worst
    if layer is None and row.same_codes:
        said = "an image becomes the same codes in both files, which stand for other values"
        reason = reason.with_(said)
    operator, position = "INPUT" if layer is None else layer.op, row.first + 1
    earlier = structure.first
    if earlier is not None and earlier.position <= row.first and _unseen(earlier, both):
        # Where one file lacks a layer or its codes, the difference only shows in a later layer.
        names = [earlier.name, earlier.other or earlier.name]
        operator, position = earlier.kind, earlier.number
    return Divergence(
        layer=names[0],
        other=names[1],
        operator=operator,
        position=position,
        layers=len(both[0].reading.layers),
        image=row.image,
        images=images,
        blamed="" if blamed is None else blamed.name,
        histogram=_histogram(shown),
        channels=_worst_channels(shown),
        cause=reason.words,
        reason=reason,
    )


def _unseen(difference: Difference, both: tuple[OpenFile, OpenFile]) -> bool:
    """Whether a difference is in a layer without codes in both files to compare."""
    return difference.field in ALONE or any(
        not layer.output.holds_codes and layer.name == name
        for opened, name in zip(both, (difference.layer, difference.other), strict=True)
        for layer in opened.reading.layers
    )


def _reason(
    row: _Row, layer: StoredLayer | None, blamed: Runner | None, structure: StructureReport
) -> Cause:
    """Return why a layer differs: integers that differ here or earlier, else the runtime."""
    if structure.first is not None and structure.first.position <= row.first:
        return structure.reason
    if layer is None:
        said = "the two inputs have different grids, so that one image gives different codes"
        return Cause(clauses=(said,))
    name = layer.name.partition(";")[0]
    if blamed is None:
        said = f"and still `{name}` differs"
    else:
        error = max(error or 0 for error in row.errors)
        how = why_runtimes_differ.words(blamed.runtime, error, options=blamed.session.options)
        said = f"but {blamed.name} does not compute `{name}` ({layer.op}) as they say: {how}"
    later = [f"further on, {structure.cause}"] if structure.first is not None else []
    return Cause(clauses=(f"up to here both files hold the same integers, {said}", *later))


def _line(row: _Row, both: tuple[OpenFile, OpenFile]) -> LayerRow:
    layer = both[0].reading.layers[row.first]
    return LayerRow(
        layer=layer.name,
        operator=layer.op,
        max_lsb=row.largest,
        differing=row.differing / max(row.elements, 1),
        first_error=row.errors[0],
        second_error=row.errors[1],
        alone_max_lsb=row.cut_out.largest,
        alone_differing=row.cut_out.share,
    )


MOST_CHANNELS: Final = 8


def _histogram(differences: LayerCodes | None) -> tuple[tuple[int, int], ...]:
    """Return (difference in LSB, number of elements) for each difference other than 0."""
    if differences is None:
        return ()
    steps, counts = np.unique(differences, return_counts=True)
    return tuple(
        (int(step), int(count)) for step, count in zip(steps, counts, strict=True) if step
    )


def _worst_channels(differences: LayerCodes | None) -> tuple[HotChannel, ...]:
    """Return the channels that differ most, worst first."""
    if differences is None:
        return ()
    off = np.abs(differences.reshape(-1, differences.shape[-1]))
    most, share = off.max(axis=0), (off > 0).mean(axis=0)
    order = np.lexsort((-share, -most))[:MOST_CHANNELS]
    return tuple(
        HotChannel(channel=int(c), max_lsb=int(most[c]), differing=float(share[c]))
        for c in order
        if most[c]
    )
