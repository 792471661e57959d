"""Run every layer of both files on its own, on codes that no image may bring about.

The certificate proves layers by their arithmetic; here the installed runtimes compute it, each
layer cut out of its file: additions for every pair of codes, means for their sums, convolutions
and dense layers where their sums are widest.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from mobiledeploy.base.errors import ConversionError, CorruptFileError, RuntimeDiedError
from mobiledeploy.base.progress import Event, Progress
from mobiledeploy.ops.tensors import Int8
from mobiledeploy.verify import extreme_codes, referee
from mobiledeploy.verify.alone import Bench, RunPair
from mobiledeploy.verify.cutouts import tensor_of
from mobiledeploy.verify.layer_codes import Codes
from mobiledeploy.verify.proof import RunCheck


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Layers that are tried alike.

    Attributes:
        kinds: Theirs.
        name: Of the check.
        words: What they get; `cases` and `layers` stand in it.
    """

    kinds: frozenset[str]
    name: str
    words: str


_GROUPS: Final = (
    _Group(
        kinds=frozenset({"add"}),
        name="every addition, on its own",
        words="{cases} pairs of codes, every one that there is in {layers}",
    ),
    _Group(
        kinds=frozenset({"mean"}),
        name="every mean, on its own",
        words="{cases} sums of codes, from the lowest to the highest, in {layers}",
    ),
    _Group(
        kinds=frozenset({"conv", "depthwise", "dense"}),
        name="every convolution and dense layer, on its own",
        words="{cases} inputs in {layers}: all -128, all 127, noise over all codes, and "
        "those that give channels their highest and lowest sums",
    ),
)


def each_layer(
    bench: Bench, pairs: Sequence[tuple[int, int]], run: RunPair, *, progress: Progress
) -> tuple[RunCheck, ...]:
    """Return whether both files' layers, cut out, give the same codes on extreme ones.

    Each is also compared with the NumPy kernels that the proofs speak of.

    Args:
        bench: Both files, the `.tflite` first.
        pairs: Indices of layers that belong together.
        run: Both layers of a pair.
        progress: Told after every layer.
    """
    layers = bench.cutters[0].side.reading.layers
    runtimes = " and ".join(cutter.runtime for cutter in bench.cutters)
    checks = []
    for group in _GROUPS:
        members = [pair for pair in pairs if layers[pair[0]].kind in group.kinds]
        cases, reasons = 0, []
        for number, pair in enumerate(members):
            try:
                codes, count = _codes(bench, pair[0])
                reasons += list(_differences(bench, pair, codes, run(pair, codes)))
                cases += count
            except (ConversionError, CorruptFileError, RuntimeDiedError) as error:
                reasons.append(f"`{layers[pair[0]].name}` could not be run: {error}")
            progress(Event("verify", group.name, number + 1, len(members)))
        if members:
            said = f"{len(members)} layer{'s' * (len(members) != 1)}"
            words = group.words.format(cases=f"{cases:,}", layers=said)
            checks.append(
                RunCheck(
                    name=group.name,
                    holds=not reasons,
                    cases=cases,
                    statement=f"{words}; each layer cut out of both files and run in {runtimes}",
                    reasons=tuple(reasons),
                )
            )
    return tuple(checks)


def _codes(bench: Bench, index: int) -> tuple[dict[int, Codes], int]:
    """Return codes for what a layer reads, and how many cases they are."""
    side = bench.cutters[0].side
    layer = side.reading.layers[index]
    sources = tuple(dict.fromkeys(read.source for read in layer.reads))
    shapes = [tensor_of(side, source).shape for source in sources]
    if any(not shape or min(shape) < 1 for shape in shapes):
        raise ConversionError("the shape of what it reads is not known")
    found: Sequence[Int8]
    if layer.kind == "add":
        if len(set(shapes)) != 1:
            raise ConversionError(f"its operands have the shapes {shapes}")
        found = extreme_codes.pairs(shapes[0])[: len(sources)]
        count = 2**16 if len(sources) == 2 else 2**8
    elif layer.kind == "mean":
        images, count = extreme_codes.sums(extreme_codes.image_shape(shapes[0]))
        found = [images.reshape(-1, *shapes[0])]
    elif layer.weights is not None:
        found = [extreme_codes.weighted(layer, layer.weights, shapes[0])]
        count = len(found[0])
    else:
        raise ConversionError("its weights are no integers")
    codes = {source: batch.astype(np.int16) for source, batch in zip(sources, found, strict=True)}
    return codes, count


def _differences(
    bench: Bench,
    pair: tuple[int, int],
    codes: Mapping[int, Codes],
    outputs: tuple[Codes, Codes],
) -> Iterator[str]:
    first, second = (cutter.side for cutter in bench.cutters)
    name = first.reading.layers[pair[0]].name
    if outputs[0].shape != outputs[1].shape:
        yield f"`{name}`: shapes {outputs[0].shape[1:]} and {outputs[1].shape[1:]}"
        return
    off = int((outputs[0] != outputs[1]).sum())
    if off:
        yield f"`{name}`: {off} of {outputs[0].size} codes differ between the two files"
    given = codes, bench.moved(pair[1], codes)
    for side, index, inputs, output in zip((first, second), pair, given, outputs, strict=True):
        layer = side.reading.layers[index]
        read = [inputs[read.source].astype(np.int8) for read in layer.reads]
        error = referee.error(layer, side.file.format, read, output)
        if error:
            yield f"`{layer.name}` in {side.file.name}: {error} LSB off the proof's arithmetic"
