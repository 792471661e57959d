"""Prove the layers of two files, one by one, from what stands in the files.

Nothing is run but the softmax, which is sampled.

The proofs of the layers make one of the whole because it is also checked that corresponding
layers read corresponding layers.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from mobiledeploy.compare.align import Alignment
from mobiledeploy.compare.layer_reads import in_order
from mobiledeploy.ops.tensors import Int8
from mobiledeploy.reading import INPUT, Reading
from mobiledeploy.reading import StoredLayer as Layer
from mobiledeploy.verify import proof_products, proof_softmax, proof_tables
from mobiledeploy.verify.alone import RunPair
from mobiledeploy.verify.layer_codes import Codes
from mobiledeploy.verify.proof import Finding, LayerProof


def prove(
    first: Reading,
    second: Reading,
    alignment: Alignment,
    kernel_reasons: Sequence[tuple[str, ...]],
    run: RunPair,
) -> tuple[LayerProof, ...]:
    """Return a proof, or why there is none, for every layer of either file.

    Args:
        first: The `.tflite`.
        second: The `.onnx`.
        alignment: Of the two.
        kernel_reasons: For each pair of layers, why other kernels run them than the proofs speak
            of.
        run: A pair of layers, cut out of the files.
    """
    reasons = iter(kernel_reasons)
    return tuple(
        _pair(first, second, alignment, (i, j), next(reasons), run)
        if i is not None and j is not None
        else _alone(
            None if i is None else first.layers[i], None if j is None else second.layers[j]
        )
        for i, j in alignment.pairs
    )


def _alone(mine: Layer | None, other: Layer | None) -> LayerProof:
    named = mine or other
    return LayerProof(
        layer=mine.name if mine else "",
        counterpart=other.name if other else "",
        kind=named.kind if named else "",
        status="not proven",
        method="none",
        reasons=("the other file has no such layer",),
    )


def _pair(
    first: Reading,
    second: Reading,
    alignment: Alignment,
    places: tuple[int, int],
    kernel_reasons: tuple[str, ...],
    run: RunPair,
) -> LayerProof:
    mine, other = first.layers[places[0]], second.layers[places[1]]
    reasons = [
        *(f"`{x.name}`: {fault.detail}" for x in (mine, other) for fault in x.faults),
        *_joint_reasons(first, second, alignment, places),
    ]
    if mine.kind != other.kind:
        reasons.append(f"{mine.kind} in the .tflite, {other.kind} in the .onnx")
    if reasons:
        finding = Finding(method="none", reasons=tuple(reasons))
    else:
        swapped = in_order(first, second, alignment, *places).reads != other.reads
        # Scales of a stranger's file may be anything; what overflows is no equal number.
        with np.errstate(all="ignore"):
            source = mine.reads[0].source
            finding = _finding(
                mine,
                other,
                _source(first, source),
                lambda codes: run(places, {source: codes.astype(np.int16)}),
                swapped=swapped,
            )
    finding = dataclasses.replace(finding, reasons=(*finding.reasons, *kernel_reasons))
    return LayerProof(
        layer=mine.name,
        counterpart=other.name,
        kind=mine.kind,
        status=finding.status,
        method=finding.method,
        cases=finding.cases,
        statement=finding.statement,
        reasons=finding.reasons,
        accumulator=finding.accumulator,
    )


def _finding(
    mine: Layer,
    other: Layer,
    source: tuple[int, ...],
    run: Callable[[Int8], tuple[Codes, Codes]],
    *,
    swapped: bool,
) -> Finding:
    match mine.kind:
        case "conv" | "depthwise" | "dense":
            return proof_products.prove(mine, other)
        case "add":
            return proof_tables.prove_add(mine, other, swapped=swapped)
        case "mean":
            return proof_tables.prove_mean(mine, other, source)
        case "softmax":
            return proof_softmax.sample(mine, other, run)
        case kind:
            return Finding(method="none", reasons=(f"there is no proof for a layer `{kind}`",))


def _joint_reasons(
    first: Reading, second: Reading, alignment: Alignment, places: tuple[int, int]
) -> Iterator[str]:
    """Yield why two layers do not read the same: other layers, or other shapes."""
    mine, other = first.layers[places[0]], in_order(first, second, alignment, *places)
    if len(mine.reads) != len(other.reads):
        yield f"{len(mine.reads)} operands in the .tflite, {len(other.reads)} in the .onnx"
        return
    for a, b in zip(mine.reads, other.reads, strict=True):
        if a.source != (INPUT if b.source == INPUT else alignment.matched.get(b.source)):
            yield "it reads another layer"
        shapes = _source(first, a.source), _source(second, b.source)
        if shapes[0] != shapes[1] or not shapes[0]:
            yield f"shape of an operand: {shapes[0]} and {shapes[1]}"
        if mine.kind == "add" and shapes[0] != mine.output.shape:
            yield f"an operand of shape {shapes[0]} in a sum of shape {mine.output.shape}"


def _source(reading: Reading, source: int) -> tuple[int, ...]:
    return reading.input.shape if source == INPUT else reading.layers[source].output.shape
