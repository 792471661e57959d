"""`FilesCertificate`: what is proven of a `.tflite` and an `.onnx`, what sampled, and what not.

Everything is read from the files' own bytes. It fails closed: a layer that is not understood, a
kernel that is not the one the proof speaks of, a number that differs: "not proven", and the
certificate does not hold. docs/proof.md explains the methods.
"""

import functools
import platform
from collections.abc import Iterator, Sequence
from typing import Final

from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.progress import Progress, silent
from mobiledeploy.compare.judge import Judgement
from mobiledeploy.reading import Reading
from mobiledeploy.runtimes import cpu, table
from mobiledeploy.verify import execution, extremes, feeding, layer_proofs, tapped
from mobiledeploy.verify.alone import cut_pairs
from mobiledeploy.verify.inputs import synthetic_extremes
from mobiledeploy.verify.proof import CertifiedFile, FilesCertificate, LayerProof, RunCheck
from mobiledeploy.verify.side import Side

VERSION: Final = 1
IMAGES: Final = 2
"""On which a layer, cut out, has to give what it gives in the whole file."""


def certify_sides(
    sides: tuple[Side, Side],
    judgement: Judgement,
    *,
    threads: int = 1,
    progress: Progress = silent,
) -> FilesCertificate:
    """Return the certificate of two files.

    Args:
        sides: The int8 `.tflite` and the int8 `.onnx`.
        judgement: Of them, in the same order.
        threads: Images that run at a time.
        progress: Told of every step.

    Raises:
        CorruptFileError: A runtime refuses a file.
        RuntimeDiedError: A runtime dies of it.
        ParityError: A file is no classifier of images.
        RequestError: They are not a `.tflite` and an `.onnx`, in this order.
    """
    if [side.file.format for side in sides] != ["tflite", "onnx"]:
        raise RequestError(
            "expected a .tflite and an .onnx, received "
            + " and ".join(f"{side.file.name}, a .{side.file.format}" for side in sides)
        )
    first, second = (side.reading for side in sides)
    pairs = judgement.pairs
    found = [(first.layers[i], second.layers[j]) for i, j in pairs]
    reasons = execution.kernel_reasons(sides, found)
    indices = [i for i, _ in pairs], [j for _, j in pairs]
    runs = tapped.tap(sides, indices, threads=threads)
    bench = cut_pairs(runs, judgement.alignment)
    images = synthetic_extremes(feeding.image_shape(runs[0].session.input))
    pixels = images.pixels(len(images) - IMAGES, len(images))
    run = functools.partial(bench.run, whole=(runs[0].run(pixels), runs[1].run(pixels)))
    layers = layer_proofs.prove(judgement, reasons, run)
    sessions = [side.load(side.primary, taps=(), threads=1) for side in sides]
    checks = (
        *border_checks(judgement),
        execution.layer_by_layer(runs, pairs, threads=threads, progress=progress),
        *extremes.each_layer(bench, pairs, run, progress=progress),
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
        sampled=tuple(_sampled(first, second, layers, checks)),
        cpu=cpu.name(),
        machine=platform.machine(),
    )


def border_checks(judgement: Judgement) -> tuple[RunCheck, ...]:
    """Return whether both files take the same images and give the same layer's codes.

    Args:
        judgement: Of the `.tflite` and the `.onnx`.
    """
    return _input(*judgement.readings), _output(judgement)


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
    return RunCheck(
        name="one input grid",
        holds=not reasons,
        cases=0,
        statement=f"the .tflite takes {a.dtype}, the .onnx {b.dtype}, in steps of {a.scale}",
        reasons=tuple(reasons),
    )


def _output(judgement: Judgement) -> RunCheck:
    """Return whether corresponding layers give both files' outputs, on the same grid."""
    first, second = judgement.readings
    a, b = first.output, second.output
    reasons = []
    if judgement.alignment.matched.get(second.output_of) != first.output_of:
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


def _sampled(
    first: Reading, second: Reading, layers: Sequence[LayerProof], checks: Sequence[RunCheck]
) -> Iterator[str]:
    if not {first.input.dtype, second.input.dtype} <= {"int8", "uint8"}:
        yield "float32 inputs were given in the middle of a step of the input's grid only"
    for layer in layers:
        if layer.status == "sampled":
            yield f"`{layer.layer}`: {layer.statement}"
    for check in checks:
        if check.cases:
            yield f"{check.name}: {check.statement}"
    yield (
        "that the installed runtimes compute what their sources say was sampled on this CPU only; "
        "other CPUs and versions were not run"
    )
    for runtime in (table.primary(first.format), table.primary(second.format)):
        if runtime.saturation_option:
            yield (
                f"nothing is said of a program that leaves {runtime.engine} without "
                f"{runtime.saturation_option} on x86 without VNNI: its products saturate there"
            )
