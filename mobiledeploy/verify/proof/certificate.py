"""`certify`: what is proven, only sampled or not proven of a `.tflite` with an `.onnx`.

Everything is read from the files' own bytes. It fails closed: a layer that is not understood, a
kernel other than the proof's, or a number that differs is "not proven", and the certificate does
not hold. docs/proof.md explains the methods. That the installed runtimes compute what their
sources say is sampled by running them: every layer, and the whole files with several thread counts
and batch sizes, on images of extreme pixel values.
"""

import functools
import hashlib
import platform
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.compare.judge import Judgement
from mobiledeploy.ops import table
from mobiledeploy.ops.capabilities import Sampled
from mobiledeploy.reading import Reading, StoredLayer
from mobiledeploy.runtimes import IN_FLOATS, Array, FileLayer, Session, cpu
from mobiledeploy.runtimes import table as runtimes
from mobiledeploy.verify.layers import extremes, layer_outputs
from mobiledeploy.verify.layers.layer_outputs import LayerOutputs, in_other_runtime
from mobiledeploy.verify.layers.single_layer import open_single_layers
from mobiledeploy.verify.outputs import model_input
from mobiledeploy.verify.outputs.image_sets import synthetic_extremes
from mobiledeploy.verify.outputs.opened_file import OpenFile
from mobiledeploy.verify.proof import layer_proofs
from mobiledeploy.verify.report import CertifiedFile, FilesCertificate, LayerProof, RunCheck

VERSION: Final = 1
IMAGES: Final = 2
"""Images on which a cut-out layer has to give the same codes as in the whole file."""


def certify(
    both: tuple[OpenFile, OpenFile],
    judgement: Judgement,
    *,
    threads: int = 1,
    progress: Progress = silent,
) -> FilesCertificate:
    """Return the certificate of two files.

    Args:
        both: The int8 `.tflite` and the int8 `.onnx`.
        judgement: Judgement of the two files, in the same order.
        threads: Images that run at a time.
        progress: Called at every step.

    Raises:
        CorruptFileError: A runtime refuses a file.
        RuntimeDiedError: A runtime crashes on it.
        ParityError: A file is not a classifier of images.
        RequestError: They are not a `.tflite` and an `.onnx`, in this order.
    """
    if [opened.file.format for opened in both] != ["tflite", "onnx"]:
        raise RequestError(
            "expected a .tflite and an .onnx, received "
            + " and ".join(f"{opened.file.name}, a .{opened.file.format}" for opened in both)
        )
    first, second = (opened.reading for opened in both)
    pairs = judgement.pairs
    layers_of_both = [(first.layers[i], second.layers[j]) for i, j in pairs]
    reasons = kernel_reasons(both, layers_of_both)
    indices = [i for i, _ in pairs], [j for _, j in pairs]
    runs = layer_outputs.give_out_layers(both, indices, threads=threads)
    single_layers = open_single_layers(runs, judgement.alignment)
    images = synthetic_extremes(model_input.pixel_shape(runs[0].session.input))
    pixels = images.pixels(len(images) - IMAGES, len(images))
    run = functools.partial(single_layers.run, whole=(runs[0].run(pixels), runs[1].run(pixels)))
    layers = layer_proofs.prove(judgement, reasons, run)
    sessions = [opened.load(opened.primary, taps=(), threads=1) for opened in both]
    checks = (
        *border_checks(judgement),
        layer_by_layer(runs, pairs, threads=threads, progress=progress),
        *extremes.each_layer(single_layers, pairs, run, progress=progress),
        *(steady(opened, run) for opened, run in zip(both, sessions, strict=True)),
    )
    files = tuple(
        CertifiedFile(
            format=opened.file.format,
            size=opened.file.size,
            sha256=opened.file.sha256,
            runtime=session.runtime,
            external_data=opened.file.external,
        )
        for opened, session in zip(both, sessions, strict=True)
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
    """Return whether both files' inputs, and both files' outputs, have the same grid.

    Args:
        judgement: Judgement of the `.tflite` and the `.onnx`.
    """
    return _input(*judgement.readings), _output(judgement)


def _input(first: Reading, second: Reading) -> RunCheck:
    """Return whether both files quantise images to the same input grid."""
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
    # Codes of a grid that a file leaves to the app are the other file's if the layers are.
    grids = {(end.scale, end.zero_point) for end in (a, b) if not end.unstated}
    if a.scale is None or len(grids) != 1:
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
    for runtime in (runtimes.primary(first.format), runtimes.primary(second.format)):
        if runtime.saturation_option:
            yield (
                f"nothing is said of a program that leaves {runtime.engine} without "
                f"{runtime.saturation_option} on x86 without VNNI: its products saturate there"
            )


PIECE: Final = 4
"""Images whose tensors are in memory at a time."""
THREADS: Final = (1, 2, 4)
REPEATS: Final = 3
BATCH: Final = 8


def layer_by_layer(
    runs: tuple[LayerOutputs, LayerOutputs],
    pairs: Sequence[tuple[int, int]],
    *,
    threads: int,
    progress: Progress,
) -> RunCheck:
    """Return whether all tensors of both files are equal on synthetic extremes.

    The first file's are also compared with those of other exact runtimes of its format.

    Args:
        runs: The `.tflite` and the `.onnx`, every layer tapped.
        pairs: Indices of corresponding layers.
        threads: Images that run at a time in the other runtimes.
        progress: Called after every few images.

    Raises:
        CorruptFileError: A runtime refuses a file.
        RuntimeDiedError: A runtime crashes on it.
        ParityError: A file does not take images.
    """
    one, two = runs
    layers = one.opened.reading.layers
    tapped = [(i, j) for i, j in pairs if i in one.place and j in two.place]
    tapped = [(i, j) for i, j in tapped if not isinstance(table.of_kind(layers[i].kind), Sampled)]
    exact = [runtime for runtime in one.opened.others if runtime.exact]
    tried = {runtime.title: in_other_runtime(runtime, one, threads=threads) for runtime in exact}
    others = {title: run for title, run in tried.items() if run is not None}
    first_engine, second_engine = (run.opened.primary.engine for run in runs)
    images = synthetic_extremes(model_input.pixel_shape(one.session.input))
    differs: dict[tuple[str, str], int] = {}
    for start in range(0, len(images), PIECE):
        pixels = images.pixels(start, min(start + PIECE, len(images)))
        first, second = one.run(pixels), two.run(pixels)
        third = {title: other.run(pixels) for title, other in others.items()}
        for i, j in tapped:
            name = layers[i].name
            _add(differs, name, second_engine, _unlike(first[i], second[j]))
            for title, codes in third.items():
                _add(differs, name, f"the {title}", _unlike(first[i], codes[i]))
        progress(Event("verify", "every layer of both files", start + len(pixels), len(images)))
    said = [
        f"the {title}"
        if title in others
        else f"no {title}: the .{one.opened.file.format} holds what it cannot read"
        for title in tried
    ]
    return RunCheck(
        name="every layer, run",
        holds=not differs,
        cases=len(images),
        statement=f"{len(tapped)} tensors of both files compared code by code on {len(images)} "
        f"synthetic extremes, in {', '.join([one.session.runtime, two.session.runtime])} and "
        f"{' and '.join(said)}",
        reasons=tuple(
            f"`{name}`: {count} code{'s' * (count > 1)} in {first_engine} differ"
            f"{'s' * (count == 1)} from {who}"
            for (name, who), count in differs.items()
        ),
    )


def steady(opened: OpenFile, session: Session) -> RunCheck:
    """Return whether a file's outputs depend on threads, batch size or repetition.

    It runs with 1, 2 and 4 of the runtime's own threads, several times as a batch, then one image
    at a time.

    Args:
        opened: The file.
        session: The loaded file, which describes the input.

    Raises:
        CorruptFileError: The runtime refuses the file.
        RuntimeDiedError: The runtime crashes on it.
        ParityError: It does not take images.
    """
    (feed,) = model_input.feeds([(opened.reading.input, session.input)], [opened.scaling])
    images = synthetic_extremes(model_input.pixel_shape(session.input))
    count = min(len(images), BATCH)
    ways = list(_ways(opened, feed(images.pixels(len(images) - count, len(images)))))
    unlike = [name for name, digest in ways if digest != ways[0][1]]
    threads = ", ".join(map(str, THREADS))
    return RunCheck(
        name=f"same bytes however the .{opened.file.format} is run",
        holds=not unlike,
        cases=len(ways),
        statement=f"{count} images in {session.runtime}: {threads} threads, batch {BATCH} "
        f"{REPEATS} times over, and batch 1",
        reasons=tuple(f"other outputs with {name}" for name in unlike),
    )


def _ways(opened: OpenFile, batch: Array) -> Iterator[tuple[str, bytes]]:
    """Yield the name of each way to run a batch, and a digest of the outputs."""
    for threads in THREADS:
        session = opened.load(opened.primary, taps=(), threads=1, inner_threads=threads)
        said = f"{threads} thread{'s' * (threads > 1)}"
        for repeat in range(REPEATS):
            yield f"{said}, batch {BATCH}, run {repeat + 1}", _digest(session.run(batch))
        rows = [session.run(batch[i : i + 1]) for i in range(len(batch))]
        single = [np.concatenate(output) for output in zip(*rows, strict=True)]
        yield f"{said}, batch 1", _digest(single)


def _digest(outputs: Sequence[Array]) -> bytes:
    digest = hashlib.sha256()
    for output in outputs:
        digest.update(np.ascontiguousarray(output).tobytes())
    return digest.digest()


def kernel_reasons(
    both: tuple[OpenFile, OpenFile], pairs: Sequence[tuple[StoredLayer, StoredLayer]]
) -> Sequence[tuple[str, ...]]:
    """Return, for each pair of layers, why the kernels that run them are not those of the proof.

    Raises:
        CorruptFileError: A runtime refuses a file.
        RuntimeDiedError: A runtime crashes on it.
    """
    by_file = [
        reasons_in_file(opened, [pair[number] for pair in pairs])
        for number, opened in enumerate(both)
    ]
    return [(*first, *second) for first, second in zip(*by_file, strict=True)]


def reasons_in_file(opened: OpenFile, layers: Sequence[StoredLayer]) -> Sequence[tuple[str, ...]]:
    """Return, for each layer of a file, why the kernel that runs it is not that of the proof.

    Raises:
        CorruptFileError: A runtime refuses the file.
        RuntimeDiedError: A runtime crashes on it.
    """
    runtime = opened.primary
    if runtime.kernel_reasons is None:
        return [(f"{runtime.title} does not say which kernels it takes",)] * len(layers)
    described = [
        FileLayer(
            name=layer.name,
            operator=layer.op,
            kind=layer.kind,
            weights="" if layer.weights is None else layer.weights.name,
        )
        for layer in layers
    ]
    return opened.place.kernel_reasons(runtime, opened.file.data, described, name=opened.file.name)


_ON_CODES: Final = ("QGemm", "QLinear")


def in_floats(opened: OpenFile) -> frozenset[str]:
    """Return the names of the layers of a file that its runtime computes in floats.

    Of layers that are not understood nothing is said. A node on codes computes with them, whatever
    kernel runs it.

    Raises:
        CorruptFileError: The runtime refuses the file.
        RuntimeDiedError: It crashes on it.
    """
    if opened.file.format != "onnx":
        return frozenset()
    layers = opened.reading.layers
    return frozenset(
        layer.name
        for layer, why in zip(layers, reasons_in_file(opened, layers), strict=True)
        if IN_FLOATS in why and layer.kind != "unknown" and not layer.op.startswith(_ON_CODES)
    )


def _unlike(a: Array, b: Array) -> int:
    if a.size != b.size:
        return max(a.size, b.size)
    # A vector may be stored as an image of one pixel.
    return int((a.ravel() != b.ravel()).sum())


def _add(differs: dict[tuple[str, str], int], name: str, who: str, count: int) -> None:
    if count:
        differs[name, who] = differs.get((name, who), 0) + count
