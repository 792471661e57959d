"""Prove the layers of two files, one by one, from what stands in the files.

Nothing is run but the softmax, which is sampled.

The proofs of the layers make one of the whole because it is also checked that corresponding
layers read corresponding layers.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from mobiledeploy.compare.judge import Judgement, LayerJudgement
from mobiledeploy.ops.tensors import Int8
from mobiledeploy.reading import INPUT, Layer, Reading
from mobiledeploy.verify import proof_products, proof_softmax, proof_tables
from mobiledeploy.verify.alone import RunPair
from mobiledeploy.verify.layer_codes import Codes
from mobiledeploy.verify.proof import Finding, LayerProof


def prove(
    judgement: Judgement,
    kernel_reasons: Sequence[tuple[str, ...]],
    run: RunPair,
) -> tuple[LayerProof, ...]:
    """Return a proof, or why there is none, for every layer of either file.

    Args:
        judgement: Of the `.tflite` and the `.onnx`.
        kernel_reasons: For each pair of layers, why other kernels run them than the proofs speak
            of.
        run: A pair of layers, cut out of the files.
    """
    reasons = iter(kernel_reasons)
    return tuple(
        _pair(judgement, layer, (layer.first, layer.second), next(reasons), run)
        if layer.first is not None and layer.second is not None
        else _in_one_file(judgement, layer)
        for layer in judgement.layers
    )


def _in_one_file(judgement: Judgement, layer: LayerJudgement) -> LayerProof:
    first, second = judgement.readings
    mine = None if layer.first is None else first.layers[layer.first]
    other = None if layer.second is None else second.layers[layer.second]
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
    judgement: Judgement,
    layer: LayerJudgement,
    places: tuple[int, int],
    kernel_reasons: tuple[str, ...],
    run: RunPair,
) -> LayerProof:
    first, second = judgement.readings
    mine, other = first.layers[places[0]], second.layers[places[1]]
    reasons = [
        *(f"`{x.name}`: {fault.detail}" for x in (mine, other) for fault in x.faults),
        *_joint_reasons(judgement, layer, mine, other),
    ]
    if mine.kind != other.kind:
        reasons.append(f"{mine.kind} in the .tflite, {other.kind} in the .onnx")
    if reasons:
        finding = Finding(method="none", reasons=tuple(reasons))
    else:
        # Scales of a stranger's file may be anything; what overflows is no equal number.
        with np.errstate(all="ignore"):
            source = mine.reads[0].source
            finding = _finding(
                mine,
                other,
                _source(first, source),
                lambda codes: run(places, {source: codes.astype(np.int16)}),
                swapped=layer.operands_crossed,
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
    judgement: Judgement, layer: LayerJudgement, mine: Layer, other: Layer
) -> Iterator[str]:
    """Yield why two layers do not read the same: other layers, or other shapes."""
    (first, second), matched = judgement.readings, judgement.alignment.matched
    if len(mine.reads) != len(other.reads):
        yield f"{len(mine.reads)} operands in the .tflite, {len(other.reads)} in the .onnx"
        return
    others = other.reads[::-1] if layer.operands_crossed else other.reads
    for a, b in zip(mine.reads, others, strict=True):
        if a.source != (INPUT if b.source == INPUT else matched.get(b.source)):
            yield "it reads another layer"
        shapes = _source(first, a.source), _source(second, b.source)
        if shapes[0] != shapes[1] or not shapes[0]:
            yield f"shape of an operand: {shapes[0]} and {shapes[1]}"
        if mine.kind == "add" and shapes[0] != mine.output.shape:
            yield f"an operand of shape {shapes[0]} in a sum of shape {mine.output.shape}"


def _source(reading: Reading, source: int) -> tuple[int, ...]:
    return reading.input.shape if source == INPUT else reading.layers[source].output.shape
