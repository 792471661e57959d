"""Run every layer of both files on its own, on codes that images might never produce.

The certificate proves layers by their arithmetic. Here the installed runtimes run each layer, cut
out of its file, on the `trials` of its operator's module: additions on every pair of codes, means
on sums of codes, convolutions where their sums are largest.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mobiledeploy.base.errors import ConversionError, CorruptFileError, RuntimeDiedError
from mobiledeploy.base.progress import Event, Progress
from mobiledeploy.ops import table
from mobiledeploy.ops.capabilities import Certified
from mobiledeploy.ops.operator import Trials
from mobiledeploy.ops.tensors import QMAX, QMIN
from mobiledeploy.reading import StoredLayer
from mobiledeploy.verify.layers import recompute
from mobiledeploy.verify.layers.layer_outputs import LayerCodes
from mobiledeploy.verify.layers.single_layer import RunPair, SingleLayers, tensor_of
from mobiledeploy.verify.report import RunCheck


def each_layer(
    single_layers: SingleLayers,
    pairs: Sequence[tuple[int, int]],
    run: RunPair,
    *,
    progress: Progress,
) -> tuple[RunCheck, ...]:
    """Return whether both files' layers, cut out, give the same codes on extreme inputs.

    Each is also compared with the NumPy kernels on which the proofs rest.

    Args:
        single_layers: Both files, the `.tflite` first.
        pairs: Indices of corresponding layers.
        run: Runs both layers of a pair.
        progress: Called after every layer.
    """
    layers = single_layers.cutters[0].opened.reading.layers
    runtimes = " and ".join(cutter.runtime for cutter in single_layers.cutters)
    checks = []
    for trials in _all_trials():
        members = [pair for pair in pairs if _trials(layers[pair[0]]) == trials]
        name = f"every {trials.layers}, on its own"
        cases, reasons = 0, []
        for number, pair in enumerate(members):
            try:
                codes, count = _codes(single_layers, pair[0])
                reasons += list(_differences(single_layers, pair, codes, run(pair, codes)))
                cases += count
            except (ConversionError, CorruptFileError, RuntimeDiedError) as error:
                reasons.append(f"`{layers[pair[0]].name}` could not be run: {error}")
            progress(Event("verify", name, number + 1, len(members)))
        if members:
            said = f"{len(members)} layer{'s' * (len(members) != 1)}"
            words = trials.cases.format(cases=f"{cases:,}", layers=said)
            checks.append(
                RunCheck(
                    name=name,
                    holds=not reasons,
                    cases=cases,
                    statement=f"{words}; each layer cut out of both files and run in {runtimes}",
                    reasons=tuple(reasons),
                )
            )
    return tuple(checks)


def _all_trials() -> tuple[Trials, ...]:
    """Return the trials of all operators, first of those whose cases can be enumerated."""
    operators = sorted(table.OPERATORS, key=lambda operator: not isinstance(operator, Certified))
    every = (operator.TRIALS for operator in operators)
    return tuple(dict.fromkeys(trials for trials in every if trials is not None))


def _trials(layer: StoredLayer) -> Trials | None:
    operator = table.of_kind(layer.kind)
    return None if operator is None else operator.TRIALS


def _codes(single_layers: SingleLayers, index: int) -> tuple[dict[int, LayerCodes], int]:
    """Return codes for each source that a layer reads, and how many cases they cover."""
    opened = single_layers.cutters[0].opened
    layer = opened.reading.layers[index]
    operator = table.of_kind(layer.kind)
    shapes = [tensor_of(opened, read.source).shape for read in layer.reads]
    if operator is None or any(not shape or min(shape) < 1 for shape in shapes):
        raise ConversionError("the shape of what it reads is not known")
    batches, count = operator.trials(layer, shapes)
    # A tensor that is read twice gets the first of its batches.
    read = zip(reversed(layer.reads), reversed(batches), strict=True)
    codes = {one.source: batch.astype(np.int16) for one, batch in read}
    return codes, count if len(codes) == len(layer.reads) else QMAX - QMIN + 1


def _differences(
    single_layers: SingleLayers,
    pair: tuple[int, int],
    codes: Mapping[int, LayerCodes],
    outputs: tuple[LayerCodes, LayerCodes],
) -> Iterator[str]:
    first, second = (cutter.opened for cutter in single_layers.cutters)
    name = first.reading.layers[pair[0]].name
    if outputs[0].shape != outputs[1].shape:
        yield f"`{name}`: shapes {outputs[0].shape[1:]} and {outputs[1].shape[1:]}"
        return
    off = int((outputs[0] != outputs[1]).sum())
    if off:
        yield f"`{name}`: {off} of {outputs[0].size} codes differ between the two files"
    given = codes, single_layers.for_second(pair[1], codes)
    for opened, index, inputs, output in zip((first, second), pair, given, outputs, strict=True):
        layer = opened.reading.layers[index]
        read = [inputs[read.source].astype(np.int8) for read in layer.reads]
        error = recompute.error(layer, opened.file.format, read, output)
        if error:
            yield f"`{layer.name}` in {opened.file.name}: {error} LSB off the proof's arithmetic"
