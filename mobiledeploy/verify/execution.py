"""Run both files on this machine and compare every layer, and every way of running the files.

A proof speaks of kernels as their sources describe them. That the installed runtimes compute what
those sources say is shown here, on samples: images at the edges of what the input can hold.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from mobiledeploy.base.progress import Event, Progress
from mobiledeploy.ops import table
from mobiledeploy.ops.operator import Sampled
from mobiledeploy.reading import Layer
from mobiledeploy.runtimes import Array, FileLayer, Session
from mobiledeploy.verify import feeding
from mobiledeploy.verify.inputs import synthetic_extremes
from mobiledeploy.verify.proof import RunCheck
from mobiledeploy.verify.side import Side
from mobiledeploy.verify.tapped import Tapped, tap_in

PIECE: Final = 4
"""Images whose every tensor is held at a time."""
THREADS: Final = (1, 2, 4)
REPEATS: Final = 3
BATCH: Final = 8


def layer_by_layer(
    runs: tuple[Tapped, Tapped],
    pairs: Sequence[tuple[int, int]],
    *,
    threads: int,
    progress: Progress,
) -> RunCheck:
    """Return whether all tensors of both files are equal on synthetic extremes.

    The first file's also to those that other runtimes of the same arithmetic give.

    Args:
        runs: The `.tflite` and the `.onnx`, every layer tapped.
        pairs: Indices of layers that belong together.
        threads: Images that run at a time in the other runtimes.
        progress: Told after every few images.

    Raises:
        CorruptFileError: A runtime refuses a file.
        RuntimeDiedError: A runtime dies of it.
        ParityError: A file takes no images.
    """
    one, two = runs
    layers = one.side.reading.layers
    tapped = [(i, j) for i, j in pairs if i in one.place and j in two.place]
    tapped = [(i, j) for i, j in tapped if not isinstance(table.of_kind(layers[i].kind), Sampled)]
    exact = [runtime for runtime in one.side.others if runtime.exact]
    tried = {runtime.title: tap_in(runtime, one, threads=threads) for runtime in exact}
    others = {title: found for title, found in tried.items() if found is not None}
    first_engine, second_engine = (run.side.primary.engine for run in runs)
    images = synthetic_extremes(feeding.image_shape(one.session.input))
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
        else f"no {title}: the .{one.side.file.format} holds what it cannot read"
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
            f"`{name}`: {count} codes in {first_engine} differ from {who}"
            for (name, who), count in differs.items()
        ),
    )


def steady(side: Side, session: Session) -> RunCheck:
    """Return whether a file's outputs are the same whatever the threads, batch and repetition.

    The ways are 1, 2 and 4 of the runtime's own threads, several times over, and one image at a
    time.

    Args:
        side: The file.
        session: The file, loaded; it says what the input looks like.

    Raises:
        CorruptFileError: The runtime refuses the file.
        RuntimeDiedError: The runtime dies of it.
        ParityError: It takes no images.
    """
    (feed,) = feeding.feeds([(side.reading.input, session.input)])
    images = synthetic_extremes(feeding.image_shape(session.input))
    count = min(len(images), BATCH)
    ways = list(_ways(side, feed(images.pixels(len(images) - count, len(images)))))
    unlike = [name for name, digest in ways if digest != ways[0][1]]
    threads = ", ".join(map(str, THREADS))
    return RunCheck(
        name=f"same bytes however the .{side.file.format} is run",
        holds=not unlike,
        cases=len(ways),
        statement=f"{count} images in {session.runtime}: {threads} threads, batch {BATCH} "
        f"{REPEATS} times over, and batch 1",
        reasons=tuple(f"other outputs with {name}" for name in unlike),
    )


def _ways(side: Side, batch: Array) -> Iterator[tuple[str, bytes]]:
    """Yield what each way of running a batch is called, and a digest of what it gives."""
    for threads in THREADS:
        session = side.load(side.primary, taps=(), threads=1, inner_threads=threads)
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
    sides: tuple[Side, Side], pairs: Sequence[tuple[Layer, Layer]]
) -> Sequence[tuple[str, ...]]:
    """Return, for each pair of layers, why the kernels that run them are not those of the proof.

    Raises:
        CorruptFileError: A runtime refuses a file.
        RuntimeDiedError: A runtime dies of it.
    """
    found = [
        _kernel_reasons(side, [pair[number] for pair in pairs])
        for number, side in enumerate(sides)
    ]
    return [(*first, *second) for first, second in zip(*found, strict=True)]


def _kernel_reasons(side: Side, layers: Sequence[Layer]) -> Sequence[tuple[str, ...]]:
    runtime = side.primary
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
    return side.place.kernel_reasons(runtime, side.file.data, described, name=side.file.name)


def _unlike(a: Array, b: Array) -> int:
    if a.size != b.size:
        return max(a.size, b.size)
    # A vector may be written as an image of one pixel.
    return int((a.ravel() != b.ravel()).sum())


def _add(differs: dict[tuple[str, str], int], name: str, who: str, count: int) -> None:
    if count:
        differs[name, who] = differs.get((name, who), 0) + count
