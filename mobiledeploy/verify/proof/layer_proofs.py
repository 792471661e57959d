"""`prove`: the proof of each layer of two files, from the files' contents.

Corresponding layers are also checked to read corresponding layers, so the proofs of all layers
prove the whole files. An operator with few possible inputs is computed for all of them with each
kernel's arithmetic. One that depends on too many codes at once, such as a softmax, is sampled in
both runtimes; nothing else is run.

Layers with weights are proven by structure. XNNPACK and ONNX Runtime both add up `(input - zero
point) * weight` and the bias in int32, convert the sum to float32 (halves to even), multiply it by
the float32 `input scale * kernel scale / output scale`, round (halves to even), add the zero point
and clip. Equal integers, bit-identical multipliers and sums within int32 therefore give equal
outputs for every input.

Sources: XNNPACK's src/operators/convolution-nhwc.c (`xnn_create_convolution2d_nhwc_qs8_qc8w`) and
src/operators/fully-connected-nc.c for the multiplier, the `fp32` requantisation of
src/qs8-qc8w-gemm, -igemm and -dwconv; ONNX Runtime's
onnxruntime/core/providers/cpu/quantization/qlinearconv.cc and
onnxruntime/contrib_ops/cpu/quantization/quant_gemm.cc (`ComputeOutputScale`), and
onnxruntime/core/mlas/lib/quantize.cpp (`MlasRequantizeOutput`).
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, assert_never

import numpy as np

from mobiledeploy.base.errors import ConversionError, CorruptFileError, RuntimeDiedError
from mobiledeploy.compare.judge import Judgement, LayerJudgement, source_shapes
from mobiledeploy.compare.reachable_codes import Span, multipliers, sums
from mobiledeploy.compare.same_function import (
    compare_weighted,
    keeps_its_grid,
    needs_no_grid,
    node_of,
)
from mobiledeploy.formats.model import Format
from mobiledeploy.integer import oracle
from mobiledeploy.ops import table
from mobiledeploy.ops.capabilities import Certified, MovesCodes, Sampled
from mobiledeploy.ops.each_kernel import architectures, limits
from mobiledeploy.ops.operator import has_weights
from mobiledeploy.ops.products import EXACT
from mobiledeploy.ops.tensors import QMAX, Float32, Int8, Shape
from mobiledeploy.ops.weights import MOST_STEPS, WIDEST_MULTIPLIER
from mobiledeploy.reading import INPUT, LayerInput, Reading, StoredLayer, StoredWeights
from mobiledeploy.runtimes import cpu
from mobiledeploy.runtimes import table as runtimes
from mobiledeploy.verify.layers.layer_outputs import LayerCodes
from mobiledeploy.verify.layers.single_layer import RunPair
from mobiledeploy.verify.report import Accumulator, LayerProof, Method, Status

FORMATS: Final[tuple[Format, Format]] = ("tflite", "onnx")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ProofResult:
    """The result of a proof of one layer; see `LayerProof` for the fields."""

    method: Method
    cases: int = 0
    statement: str = ""
    reasons: tuple[str, ...] = ()
    accumulator: Accumulator | None = None

    @property
    def status(self) -> Status:
        """Proven or sampled, by the method, if no reason speaks against it."""
        if self.reasons:
            return "not proven"
        match self.method:
            case "structure" | "enumeration":
                return "proven"
            case "samples":
                return "sampled"
            case "none":
                return "not proven"
            case _:
                assert_never(self.method)


def prove(
    judgement: Judgement,
    kernel_reasons: Sequence[tuple[str, ...]],
    run: RunPair,
) -> tuple[LayerProof, ...]:
    """Return a proof, or why there is none, for every layer of either file.

    Args:
        judgement: Judgement of the `.tflite` and the `.onnx`.
        kernel_reasons: For each pair of layers, why the kernels that run them are not those of
            the proofs.
        run: Runs a pair of layers, cut out of the files.
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
    if mine.kind != other.kind and "table" not in {mine.kind, other.kind}:
        reasons.append(f"{mine.kind} in the .tflite, {other.kind} in the .onnx")
    if reasons:
        finding = ProofResult(method="none", reasons=tuple(reasons))
    else:
        # A third-party file may hold any scale; what overflows does not count as equal.
        with np.errstate(all="ignore"):
            source = mine.reads[0].source
            finding = _finding(
                judgement,
                layer,
                places,
                lambda codes: run(places, {source: codes.astype(np.int16)}),
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
    judgement: Judgement,
    layer: LayerJudgement,
    places: tuple[int, int],
    run: Callable[[Int8], tuple[LayerCodes, LayerCodes]],
) -> ProofResult:
    """Return the proof of a layer, by the method that its operator allows."""
    first, second = judgement.readings
    mine, other = first.layers[places[0]], second.layers[places[1]]
    known = table.of_kind(mine.kind), table.of_kind(other.kind)
    operator = known[0] or known[1]
    if operator is not None and has_weights(operator):
        return proven_by_structure(mine, other)
    if isinstance(operator, Certified):
        shapes = source_shapes(first, places[0]), source_shapes(second, places[1])
        return _all_cases(operator, mine, other, shapes, layer)
    if isinstance(operator, Sampled):
        return _samples(operator, mine, other, source_shapes(first, places[0]), run)
    if isinstance(operator, MovesCodes):
        return _moved(operator, mine, other, layer)
    return ProofResult(method="none", reasons=(f"there is no proof for a layer `{mine.kind}`",))


def _all_cases(
    operator: Certified,
    mine: StoredLayer,
    other: StoredLayer,
    shapes: tuple[Sequence[Shape], Sequence[Shape]],
    layer: LayerJudgement,
) -> ProofResult:
    """Return whether two layers give the same code in every possible case.

    Each kernel that may run them was computed with both files' own scales and zero points, by the
    operator's module: see `compare.same_function`.
    """
    crossed = other.reads[::-1] if layer.operands_crossed else other.reads
    known = [
        node_of(x, file, shape)
        for x, file, shape in zip((mine, other), FORMATS, shapes, strict=True)
    ]
    reasons = [
        *_grid_reasons(mine, other, crossed),
        *(
            f"the arithmetic of {x.op} is not known"
            for x in (mine, other)
            if not _is_known(x, operator)
        ),
    ]
    cases = 0
    for number, opened in enumerate(known):
        if opened is None:
            continue
        _, node, inputs = opened
        try:
            node.check(inputs)
            all_cases = operator.all_cases(node, inputs)
        except ConversionError as error:
            reasons.append(str(error))
            continue
        form = (mine, other)[number].op
        reasons += limits(operator, FORMATS[number], node, inputs, form)
        cases = all_cases[0].size
    if reasons or layer.verdict is None:
        return ProofResult(method="enumeration", reasons=tuple(reasons))
    if layer.verdict.equal:
        said = f"{operator.KERNELS.format(form=mine.op)} give one code for each {operator.CASE}"
        return ProofResult(method="enumeration", cases=cases, statement=said)
    reason = "its numbers are not usable"
    if layer.verdict.cases:
        reason = (
            f"{layer.verdict.cases} of {layer.verdict.method} are rounded otherwise by some kernel"
        )
    return ProofResult(method="enumeration", cases=cases, reasons=(reason,))


def _is_known(layer: StoredLayer, operator: Certified) -> bool:
    """Whether the operator's cases are what runtimes compute for a layer."""
    module: Any = table.of_kind(layer.kind)
    if module is operator and table.is_computed(operator, layer.op):
        return True
    return layer.table is not None and (operator.ONE_CODE or len(layer.reads) > 1)


def _grid_reasons(
    mine: StoredLayer, other: StoredLayer, crossed: Sequence[LayerInput]
) -> Iterator[str]:
    for a, b in zip(mine.reads, crossed, strict=True):
        if _zeros_differ((mine, other), (a.zero_point, b.zero_point)):
            yield f"zero points of an operand: {a.zero_point} and {b.zero_point}"
    if _zeros_differ((mine, other), (mine.output.zero_point, other.output.zero_point)):
        yield f"zero points: {mine.output.zero_point} and {other.output.zero_point}"
    if mine.output.shape != other.output.shape:
        yield f"output shape: {mine.output.shape} and {other.output.shape}"
    for layer in (mine, other):
        scales = [*(read.scale for read in layer.reads), layer.output.scale]
        if layer.table is not None or layer.multiplier is not None or needs_no_grid(layer):
            # Its table, its multiplier and zero points, or codes alone say all that it computes.
            scales = [scale for scale in scales if scale is not None]
        if not all(s is not None and np.finfo(np.float32).tiny <= s < np.inf for s in scales):
            yield "a scale is no positive number"


def _zeros_differ(
    layers: tuple[StoredLayer, StoredLayer], zeros: tuple[int | None, int | None]
) -> bool:
    """Whether two zero points are not the same, or missing where codes are computed by them."""
    if None not in zeros:
        return zeros[0] != zeros[1]
    return any(
        zero is None and layer.table is None and not needs_no_grid(layer)
        for layer, zero in zip(layers, zeros, strict=True)
    )


def _samples(
    operator: Sampled,
    mine: StoredLayer,
    other: StoredLayer,
    shapes: Sequence[Shape],
    run: Callable[[Int8], tuple[LayerCodes, LayerCodes]],
) -> ProofResult:
    """Return how far both files' layers are from the exact result, on codes hard to round.

    Such a layer depends on all codes at once and cannot be enumerated, and its kernels need not
    round to the exact result's code. The layer is cut out of both files and run.
    """
    known = node_of(mine, FORMATS[0], shapes), node_of(other, FORMATS[1], shapes)
    reasons = list(_sample_reasons(operator, mine, other))
    for layer, opened in zip((mine, other), known, strict=True):
        if opened is None:
            reasons.append(f"`{layer.name}` is no {layer.kind} of an integer graph")
            continue
        try:
            opened[1].check(opened[2])
        except ConversionError as error:
            reasons.append(f"`{layer.name}`: {error}")
    if reasons or known[0] is None:
        return ProofResult(method="samples", reasons=tuple(reasons))
    module, node, inputs = known[0]
    codes = operator.samples(node, inputs)
    try:
        both = run(codes)
    except (ConversionError, CorruptFileError, RuntimeDiedError) as error:
        return ProofResult(method="samples", reasons=(f"it could not be run: {error}",))
    one, two = (runtimes.primary(file).engine for file in FORMATS)
    answers = {one: both[0], two: both[1]}
    expected = operator.exact_codes(node, inputs, codes)
    reasons = [
        f"{name} gives results of shape {answer.shape[1:]}"
        for name, answer in answers.items()
        if answer.shape != expected.shape
    ]
    if reasons:
        return ProofResult(method="samples", reasons=tuple(reasons))
    off = {name: _off(answer, expected) for name, answer in answers.items()}
    computed = {
        kernel: _off(oracle.layer(node, inputs, [codes], kernels=kernel), expected)
        for kernel in architectures(module, FORMATS[0])
    }
    here = cpu.this_architecture()
    # The first runtime may be off by as much as its kernel for this CPU is known to be.
    allowed = {one: max(operator.WITHIN, computed[here]), two: operator.WITHIN}
    reasons = [
        f"{name} misses the exact {mine.kind} by {worst} LSB, expected at most {allowed[name]}"
        for name, worst in off.items()
        if worst > allowed[name]
    ]
    worst = ", ".join(f"{name} by at most {value} LSB" for name, value in off.items())
    others = ", ".join(
        f"TFLite's kernel for {kernel}, computed, by at most {value} LSB"
        for kernel, value in computed.items()
        if kernel != here
    )
    return ProofResult(
        method="samples",
        cases=len(codes),
        statement=f"on {len(codes)} adversarial and random {operator.SAMPLES} {worst} from the "
        f"exact {mine.kind}, {_off(*both)} LSB from each other; {others}",
        reasons=tuple(reasons),
    )


def _moved(
    operator: MovesCodes, mine: StoredLayer, other: StoredLayer, layer: LayerJudgement
) -> ProofResult:
    """Return whether two layers move codes alike: no number is computed that could be rounded."""
    crossed = other.reads[::-1] if layer.operands_crossed else other.reads
    reasons = [
        *_grid_reasons(mine, other, crossed),
        *_form_reasons(mine, other),
        *(
            f"`{x.name}` reads codes by another grid than it writes them"
            for x in (mine, other)
            if not keeps_its_grid(x)
        ),
    ]
    if not reasons and (layer.verdict is None or not layer.verdict.equal):
        reasons.append("the numbers by which they move codes differ")
    said = f"{operator.MOVES}: no number is computed, so that no kernel rounds one"
    return ProofResult(
        method="structure",
        statement="" if reasons else said,
        reasons=tuple(dict.fromkeys(reasons)),
    )


def _off(a: LayerCodes | Int8, b: LayerCodes | Int8) -> int:
    return int(np.abs(a.astype(np.int64) - b).max())


def _sample_reasons(operator: Sampled, mine: StoredLayer, other: StoredLayer) -> Iterator[str]:
    a, b = mine.reads[0], other.reads[0]
    if (a.scale, a.zero_point) != (b.scale, b.zero_point):
        yield f"grids of the input: {a.scale}, {a.zero_point} and {b.scale}, {b.zero_point}"
    if not operator.same_numbers(mine, other):
        yield "the numbers by which they compute differ"
    if mine.output.shape != other.output.shape:
        yield f"output shape: {mine.output.shape} and {other.output.shape}"


def _joint_reasons(
    judgement: Judgement, layer: LayerJudgement, mine: StoredLayer, other: StoredLayer
) -> Iterator[str]:
    """Yield why two layers do not read corresponding tensors: other layers, or other shapes."""
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


def _source(reading: Reading, source: int) -> tuple[int, ...]:
    return reading.input.shape if source == INPUT else reading.layers[source].output.shape


BIAS_SCALE: Final = 3e-7
"""Relative error allowed between bias scale and input scale x kernel scale: float32 rounding."""


def proven_by_structure(first: StoredLayer, second: StoredLayer) -> ProofResult:
    """Return whether two layers with weights give the same outputs for every input.

    Args:
        first: The layer of the `.tflite`.
        second: The layer of the `.onnx`.
    """
    a, b = first.weights, second.weights
    if a is None or b is None:
        return ProofResult(method="none", reasons=("its weights are not int8 constants",))
    reasons = [
        *_form_reasons(first, second),
        *_zero_reasons(first, second),
        *_weight_reasons(a, b),
        *_own_reasons(first, a),
        *_own_reasons(second, b),
    ]
    if reasons:
        return ProofResult(method="structure", reasons=tuple(dict.fromkeys(reasons)))
    every = Span.full(a.kernel.shape)
    span, factors, others = sums(first, every), multipliers(first), multipliers(second)
    if span is None or factors is None or others is None:
        return ProofResult(method="structure", reasons=("its sums have no bounds",))
    low, high = int(span.low.min()), int(span.high.max())
    reasons += _range_reasons(span, np.maximum(factors, others))
    exact = max(-low, high) <= EXACT
    said = (
        f"{a.kernel.size} equal weights and {a.bias.size} equal biases; sums within "
        f"{low}..{high}, "
        + ("all of them float32 values" if exact else "rounded to float32 beyond 2**24 in both")
    )
    accumulator = Accumulator(lowest=low, highest=high, exact=exact)
    differs = np.flatnonzero(factors != others)
    if not differs.size:
        said = f"{factors.size} equal float32 multipliers, {said}"
        return ProofResult(
            method="structure", statement=said, reasons=tuple(reasons), accumulator=accumulator
        )
    worst = differs[np.argmax(np.abs(factors / others - 1)[differs])]
    multipliers_differ = (
        f"{differs.size} of {factors.size} float32 multipliers differ, most in channel {worst}: "
        f"{factors[worst]:.9g} and {others[worst]:.9g}"
    )
    if not exact or not compare_weighted(first, second, every).equal:
        reasons.append(multipliers_differ)
    return ProofResult(
        method="enumeration",
        cases=int((span.high - span.low + 1).sum()),
        statement=f"{said}; {multipliers_differ}, but around every step of the codes both give "
        "the same",
        reasons=tuple(reasons),
        accumulator=accumulator,
    )


def _form_reasons(first: StoredLayer, second: StoredLayer) -> Iterator[str]:
    for field in ("window", "strides", "dilations", "pads", "groups", "clamp", "parameters"):
        a, b = getattr(first, field), getattr(second, field)
        if a != b:
            yield f"{field}: {a} in the .tflite, {b} in the .onnx"
    if first.output.shape != second.output.shape:
        yield f"output shape: {first.output.shape} and {second.output.shape}"


def _zero_reasons(first: StoredLayer, second: StoredLayer) -> Iterator[str]:
    for what, a, b in (
        ("zero points of the input", first.reads[0].zero_point, second.reads[0].zero_point),
        ("zero points of the output", first.output.zero_point, second.output.zero_point),
    ):
        if a is None or a != b:
            yield f"{what}: {a} and {b}"


def _weight_reasons(a: StoredWeights, b: StoredWeights) -> Iterator[str]:
    if a.kernel.shape != b.kernel.shape:
        yield f"kernel shape: {a.kernel.shape} and {b.kernel.shape}"
        return
    for what, mine, other in (("weights", a.kernel, b.kernel), ("biases", a.bias, b.bias)):
        differs = int((mine != other).sum())
        if differs:
            yield f"{differs} of {mine.size} {what} differ"


def _own_reasons(layer: StoredLayer, weights: StoredWeights) -> Iterator[str]:
    """Yield why the kernels' arithmetic is not known for a layer."""
    if weights.kernel_zero.any():
        yield "weights with a zero point"
    if weights.kernel.min() < -QMAX:
        yield "a weight of -128, outside of TFLite's specification"
    read, out = layer.reads[0].scale, layer.output.scale
    if read is None or out is None:
        yield "floats"
        return
    scales = [np.asarray(read), np.asarray(out), weights.kernel_scale, weights.bias_scale]
    if not all(_positive(scale) for scale in scales):
        yield "a scale is no positive number"
        return
    if not np.allclose(weights.bias_scale, read * weights.kernel_scale, rtol=BIAS_SCALE, atol=0):
        yield "the bias scale is not input scale x kernel scale"


def _positive(values: Float32) -> bool:
    return bool((np.isfinite(values) & (values >= np.finfo(np.float32).tiny)).all())


def _range_reasons(span: Span, factors: Float32) -> Iterator[str]:
    if not factors.max() < WIDEST_MULTIPLIER:
        kernels = runtimes.primary("tflite").kernels
        yield f"a multiplier of {factors.max():.3g}: {kernels} takes less than {WIDEST_MULTIPLIER}"
    int32 = np.iinfo(np.int32)
    if span.low.min() < int32.min or span.high.max() > int32.max:
        yield f"sums within {span.low.min()}..{span.high.max()} do not fit int32"
    steps = (np.maximum(-span.low, span.high) * factors.astype(np.float64)).max()
    if not steps < MOST_STEPS:
        yield f"sums of {steps:.3g} output steps, where kernels for x86 wrap around"
