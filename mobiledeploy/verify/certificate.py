"""`FilesCertificate`: what is proven of a `.tflite` and an `.onnx`, what sampled, and what not.

Everything is read from the files' own bytes. It fails closed: a layer that is not understood, a
kernel that is not the one the proof speaks of, a number that differs: "not proven", and the
certificate does not hold. docs/proof.md explains the methods.
"""

import dataclasses
import platform
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from mobiledeploy.errors import ConversionError
from mobiledeploy.progress import Progress, silent
from mobiledeploy.reading import INPUT, Layer, Reading
from mobiledeploy.runtimes import cpu
from mobiledeploy.verify import execution, model_file, proof_products, proof_softmax, proof_tables
from mobiledeploy.verify.align import Alignment, align
from mobiledeploy.verify.execution import RunCheck
from mobiledeploy.verify.layer_reads import in_order
from mobiledeploy.verify.proof import Finding, LayerProof
from mobiledeploy.verify.side import HERE, Place, Side, open_side

VERSION: Final = 1
MOST_LAYERS: Final = 1024
TFLITE: Final = "model.tflite"
ONNX: Final = "model.onnx"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedFile:
    """A file that the certificate speaks of, and nothing but these bytes.

    Attributes:
        format: `tflite` or `onnx`.
        size: Bytes.
        sha256: Hexadecimal digest of the bytes.
        runtime: What ran it, with version.
    """

    format: str
    size: int
    sha256: str
    runtime: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FilesCertificate:
    """What is known of two files; JSON as docs/schemas/certificate.schema.json says.

    Attributes:
        version: Of this form.
        holds: Whether every layer before the softmax is proven, and every sample as it must be.
        verdict: In a sentence.
        files: The `.tflite`, then the `.onnx`.
        layers: A proof a layer, in the running order of the `.tflite`.
        checks: What was tried on this machine.
        sampled: What was only sampled, in words.
        cpu: On which the samples ran.
        machine: Its architecture.
    """

    version: int
    holds: bool
    verdict: str
    files: tuple[CertifiedFile, ...]
    layers: tuple[LayerProof, ...]
    checks: tuple[RunCheck, ...]
    sampled: tuple[str, ...]
    cpu: str
    machine: str


def certify_files(
    tflite: bytes,
    onnx: bytes,
    *,
    places: tuple[Place, Place] = (HERE, HERE),
    threads: int = 1,
    progress: Progress = silent,
) -> FilesCertificate:
    """Return the certificate of two files.

    Args:
        tflite: The int8 `.tflite`.
        onnx: The int8 `.onnx`.
        places: Where each is run: strangers' files in a `runtimes.child.Child`.
        threads: Images that run at a time.
        progress: Told of every step.

    Raises:
        CorruptFileError: A file is damaged, or its runtime refuses it or dies of it.
        ConversionError: A file is no graph with one input and one output.
        ParityError: A file is no classifier of images.
    """
    sides = (
        open_side(model_file.of_bytes(TFLITE, tflite), places[0]),
        open_side(model_file.of_bytes(ONNX, onnx), places[1]),
    )
    return certify_sides(sides, threads=threads, progress=progress)


def certify_sides(
    sides: tuple[Side, Side], *, threads: int = 1, progress: Progress = silent
) -> FilesCertificate:
    """Return the certificate of two files that are open; see `certify_files`.

    Raises:
        CorruptFileError: A runtime refuses a file, or dies of it.
        ParityError: A file is no classifier of images.
        ConversionError: A file has far more layers than a classifier.
    """
    first, second = (side.reading for side in sides)
    if max(len(first.layers), len(second.layers)) > MOST_LAYERS:
        raise ConversionError(f"expected at most {MOST_LAYERS} layers in each file")
    alignment = align(first, second)
    pairs = [
        (first.layers[i], second.layers[j])
        for i, j in alignment.pairs
        if i is not None and j is not None
    ]
    kernel_reasons = iter(execution.kernel_reasons(sides, pairs))
    layers = tuple(
        _alone(
            first.layers[i] if i is not None else None, second.layers[j] if j is not None else None
        )
        if i is None or j is None
        else _pair(first, second, alignment, (i, j), next(kernel_reasons))
        for i, j in alignment.pairs
    )
    sessions = [
        sides[0].load("xnnpack", taps=(), threads=1),
        sides[1].load("ort-optimised", taps=(), threads=1),
    ]
    checks = (
        _input(first, second),
        _output(first, second, alignment),
        execution.layer_by_layer(sides, pairs, threads=threads, progress=progress),
        *(execution.steady(side, run) for side, run in zip(sides, sessions, strict=True)),
    )
    files = tuple(
        CertifiedFile(
            format=side.file.format,
            size=side.file.size,
            sha256=side.file.sha256,
            runtime=session.runtime,
        )
        for side, session in zip(sides, sessions, strict=True)
    )
    holds = all(layer.status != "not proven" for layer in layers) and all(
        check.holds for check in checks
    )
    return FilesCertificate(
        version=VERSION,
        holds=holds,
        verdict=_verdict(layers, checks),
        files=files,
        layers=layers,
        checks=checks,
        sampled=tuple(_sampled(layers, checks)),
        cpu=cpu.name(),
        machine=platform.machine(),
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
            finding = _finding(mine, other, _source(first, mine.reads[0].source), swapped=swapped)
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


def _finding(mine: Layer, other: Layer, source: tuple[int, ...], *, swapped: bool) -> Finding:
    match mine.kind:
        case "conv" | "depthwise" | "dense":
            return proof_products.prove(mine, other)
        case "add":
            return proof_tables.prove_add(mine, other, swapped=swapped)
        case "mean":
            return proof_tables.prove_mean(mine, other, source)
        case "softmax":
            return proof_softmax.sample(mine, other)
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


def _input(first: Reading, second: Reading) -> RunCheck:
    """Return whether both files put the same images on the same grid."""
    a, b = first.input, second.input
    reasons = []
    if a.scale is None or (a.scale, a.zero_point) != (b.scale, b.zero_point):
        reasons.append(f"grids {a.scale}, {a.zero_point} and {b.scale}, {b.zero_point}")
    if a.shape != b.shape:
        reasons.append(f"shapes {a.shape} and {b.shape}")
    others = [name for reading in (first, second) for name in reading.other_outputs]
    if others:
        reasons.append(f"further outputs: {', '.join(others)}")
    floats = [tensor.dtype for tensor in (a, b) if tensor.dtype not in {"int8", "uint8"}]
    return RunCheck(
        name="one input grid",
        holds=not reasons,
        cases=0,
        statement=(
            f"the .tflite takes {a.dtype}, the .onnx {b.dtype}, in steps of {a.scale}: "
            + (
                "float32 values were sampled in the middle of a step only"
                if floats
                else "the codes are the same up to an offset"
            )
        ),
        reasons=tuple(reasons),
    )


def _output(first: Reading, second: Reading, alignment: Alignment) -> RunCheck:
    """Return whether corresponding layers give both files' outputs, on the same grid."""
    a, b = first.output, second.output
    reasons = []
    if alignment.matched.get(second.output_of) != first.output_of:
        reasons.append("another layer gives the output")
    for reading in (first, second):
        inside, outside = reading.layers[reading.output_of].output, reading.output
        if (inside.scale, inside.zero_point) != (outside.scale, outside.zero_point):
            reasons.append(f"the .{reading.format} moves its output to another grid")
    if a.scale is None or (a.scale, a.zero_point) != (b.scale, b.zero_point):
        reasons.append(f"grids {a.scale}, {a.zero_point} and {b.scale}, {b.zero_point}")
    return RunCheck(
        name="one output grid",
        holds=not reasons,
        cases=0,
        statement=f"the .tflite gives {a.dtype}, the .onnx {b.dtype}, in steps of {a.scale}",
        reasons=tuple(reasons),
    )


def _verdict(layers: Sequence[LayerProof], checks: Sequence[RunCheck]) -> str:
    open_ones = [layer for layer in layers if layer.status == "not proven"]
    failed = [check for check in checks if not check.holds]
    if open_ones:
        worst = open_ones[0]
        name = worst.layer or worst.counterpart
        return (
            f"not proven: {len(open_ones)} of {len(layers)} layers, the first `{name}`: "
            f"{worst.reasons[0]}"
        )
    if failed:
        return f"not proven: {failed[0].name}: {failed[0].reasons[0]}"
    proven = sum(layer.status == "proven" for layer in layers)
    rest = "" if proven == len(layers) else "; the softmax is sampled"
    return f"{proven} layers are proven to be the same function in both files{rest}"


def _sampled(layers: Sequence[LayerProof], checks: Sequence[RunCheck]) -> Iterator[str]:
    for layer in layers:
        if layer.status == "sampled":
            yield f"`{layer.layer}`: {layer.statement}"
    for check in checks:
        yield f"{check.name}: {check.statement}"
    yield (
        "that the installed runtimes compute what their sources say was sampled on this CPU only; "
        "other CPUs and versions were not run"
    )
