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

from mobiledeploy.progress import Progress, silent
from mobiledeploy.reading import INPUT, Layer, Reading
from mobiledeploy.runtimes import cpu
from mobiledeploy.verify import execution, model_file, proof_products, proof_softmax, proof_tables
from mobiledeploy.verify.counterparts import Counterparts, counterparts
from mobiledeploy.verify.execution import RunCheck
from mobiledeploy.verify.proof import Finding, LayerProof
from mobiledeploy.verify.side import HERE, Place, Side, open_side

VERSION: Final = 1
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
    """
    first, second = (side.reading for side in sides)
    matched = counterparts(first, second)
    pairs = [
        (first.layers[pair.first], second.layers[pair.second])
        for pair in matched
        if pair.first is not None and pair.second is not None
    ]
    kernel_reasons = iter(execution.kernel_reasons(sides, pairs))
    layers = tuple(
        _layer(first, second, pair, () if _alone(pair) else next(kernel_reasons))
        for pair in matched
    )
    sessions = [
        sides[0].load("xnnpack", taps=(), threads=1),
        sides[1].load("ort-optimised", taps=(), threads=1),
    ]
    checks = (
        _input(first, second),
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


def _alone(pair: Counterparts) -> bool:
    return pair.first is None or pair.second is None


def _layer(
    first: Reading, second: Reading, pair: Counterparts, kernel_reasons: tuple[str, ...]
) -> LayerProof:
    mine = None if pair.first is None else first.layers[pair.first]
    other = None if pair.second is None else second.layers[pair.second]
    if mine is not None and other is not None:
        # Scales of a stranger's file may be anything; what overflows is no equal number.
        with np.errstate(all="ignore"):
            finding = _finding(first, second, mine, other, pair)
        finding = dataclasses.replace(finding, reasons=(*finding.reasons, *kernel_reasons))
    else:
        finding = Finding(method="none", reasons=("the other file has no such layer",))
    named = mine or other
    return LayerProof(
        layer=mine.name if mine else "",
        counterpart=other.name if other else "",
        kind=named.kind if named else "",
        status=finding.status,
        method=finding.method,
        cases=finding.cases,
        statement=finding.statement,
        reasons=finding.reasons,
        accumulator=finding.accumulator,
    )


def _finding(
    first: Reading, second: Reading, mine: Layer, other: Layer, pair: Counterparts
) -> Finding:
    reasons = [
        f"{fault.field} of `{layer.name}`: {fault.detail}"
        for layer in (mine, other)
        for fault in layer.faults
    ]
    if mine.kind != other.kind:
        reasons.append(f"{mine.kind} in the .tflite, {other.kind} in the .onnx")
    reasons += _joint_reasons(first, second, mine, other, pair)
    if reasons:
        return Finding(method="none", reasons=tuple(reasons))
    match mine.kind:
        case "conv" | "depthwise" | "dense":
            return proof_products.prove(mine, other)
        case "add":
            return proof_tables.prove_add(mine, other, swapped=pair.swapped)
        case "mean":
            return proof_tables.prove_mean(mine, other, _source(first, mine.reads[0].source))
        case "softmax":
            return proof_softmax.sample(mine, other)
        case kind:
            return Finding(method="none", reasons=(f"there is no proof for a layer `{kind}`",))


def _joint_reasons(
    first: Reading, second: Reading, mine: Layer, other: Layer, pair: Counterparts
) -> Iterator[str]:
    """Yield why two layers do not read the same: operands, or their shapes."""
    reads = other.reads[::-1] if pair.swapped else other.reads
    if len(mine.reads) != len(reads):
        yield f"{len(mine.reads)} operands in the .tflite, {len(reads)} in the .onnx"
        return
    for a, b in zip(mine.reads, reads, strict=True):
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
