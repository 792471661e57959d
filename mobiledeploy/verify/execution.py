"""Run both files on this machine and compare every layer, with each other and with the oracle.

A proof speaks of kernels as their sources describe them. That the installed runtimes compute what
those sources say is shown here, on samples: images at the edges of what the input can hold.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from mobiledeploy.base.progress import Event, Progress
from mobiledeploy.reading import Layer
from mobiledeploy.runtimes import Array, Session, kernels, steadiness
from mobiledeploy.verify import feeding
from mobiledeploy.verify.inputs import synthetic_extremes
from mobiledeploy.verify.proof import RunCheck
from mobiledeploy.verify.side import Side
from mobiledeploy.verify.tapped import Tapped, tap_oracle

PIECE: Final = 4
"""Images whose every tensor is held at a time."""


def layer_by_layer(
    runs: tuple[Tapped, Tapped],
    pairs: Sequence[tuple[int, int]],
    *,
    threads: int,
    progress: Progress,
) -> RunCheck:
    """Return whether all tensors of both files are equal on synthetic extremes.

    Args:
        runs: The `.tflite` and the `.onnx`, every layer tapped.
        pairs: Indices of layers that belong together.
        threads: Images that run at a time in the oracle.
        progress: Told after every few images.

    Raises:
        CorruptFileError: A runtime refuses a file, or dies of it.
        ParityError: A file takes no images.
    """
    one, two = runs
    layers = one.side.reading.layers
    tapped = [(i, j) for i, j in pairs if i in one.place and j in two.place]
    tapped = [(i, j) for i, j in tapped if layers[i].kind != "softmax"]
    oracle = tap_oracle(one, threads=threads)
    images = synthetic_extremes(feeding.image_shape(one.session.input))
    differs: dict[tuple[str, str], int] = {}
    for start in range(0, len(images), PIECE):
        pixels = images.pixels(start, min(start + PIECE, len(images)))
        first, second = one.run(pixels), two.run(pixels)
        third = oracle.run(pixels) if oracle else None
        for i, j in tapped:
            name = layers[i].name
            _add(differs, name, "ONNX Runtime", _unlike(first[i], second[j]))
            if third is not None:
                _add(differs, name, "the oracle", _unlike(first[i], third[i]))
        progress(Event("verify", "every layer of both files", start + len(pixels), len(images)))
    said = "the NumPy oracle" if oracle else "no oracle: the .tflite holds what it cannot read"
    return RunCheck(
        name="every layer, run",
        holds=not differs,
        cases=len(images),
        statement=f"{len(tapped)} tensors of both files compared code by code on {len(images)} "
        f"synthetic extremes, in {one.session.runtime}, {two.session.runtime} and {said}",
        reasons=tuple(
            f"`{name}`: {count} codes in LiteRT differ from {who}"
            for (name, who), count in differs.items()
        ),
    )


def steady(side: Side, session: Session) -> RunCheck:
    """Return whether a file's outputs are the same whatever the threads, batch and repetition.

    Args:
        side: The file.
        session: The file, loaded; it says what the input looks like.

    Raises:
        CorruptFileError: The runtime refuses the file, or dies of it.
        ParityError: It takes no images.
    """
    (feed,) = feeding.feeds([(side.reading.input, session.input)])
    images = synthetic_extremes(feeding.image_shape(session.input))
    count = min(len(images), steadiness.BATCH)
    batch = feed(images.pixels(len(images) - count, len(images)))
    ways = steadiness.variants(side.file.data, side.file.format, batch)
    unlike = [way.name for way in ways if way.digest != ways[0].digest]
    threads = ", ".join(map(str, steadiness.THREADS))
    return RunCheck(
        name=f"same bytes however the .{side.file.format} is run",
        holds=not unlike,
        cases=len(ways),
        statement=f"{count} images in {ways[0].runtime}: {threads} threads, batch "
        f"{steadiness.BATCH} {steadiness.REPEATS} times over, and batch 1",
        reasons=tuple(f"other outputs with {name}" for name in unlike),
    )


def kernel_reasons(
    sides: tuple[Side, Side], pairs: Sequence[tuple[Layer, Layer]]
) -> Sequence[tuple[str, ...]]:
    """Return, for each pair of layers, why the kernels that run them are not those of the proof.

    Raises:
        CorruptFileError: A runtime refuses a file, or dies of it.
    """
    taken = kernels.xnnpack_tensors(sides[0].file.data)
    fused = kernels.ort_kernels(sides[1].file.data)
    found = {op: sum(kind == op for kind, _ in fused) for op in _FUSED.values()}
    wanted = {
        op: sum(_FUSED.get(layer.kind) == op for _, layer in pairs) for op in _FUSED.values()
    }
    return [
        (
            *_litert_reasons(first, taken),
            *_ort_reasons(second, fused, found, wanted),
        )
        for first, second in pairs
    ]


_FUSED: Final = {
    "add": "QLinearAdd",
    "mean": "QLinearGlobalAveragePool",
    "softmax": "QLinearSoftmax",
}
_PRODUCTS: Final = frozenset({"QLinearConv", "QGemm"})
_OWN: Final = frozenset({"SOFTMAX", "AVERAGE_POOL_2D"})
"""Operators for which LiteRT has a kernel of its own, and XNNPACK none."""


def _litert_reasons(layer: Layer, taken: frozenset[str]) -> Iterator[str]:
    if (layer.name in taken) == (layer.op in _OWN):
        yield (
            f"LiteRT gives {layer.op} to XNNPACK"
            if layer.op in _OWN
            else f"XNNPACK does not take {layer.op}, and LiteRT's own kernels round otherwise"
        )


def _ort_reasons(
    layer: Layer,
    fused: Sequence[tuple[str, frozenset[str]]],
    found: dict[str, int],
    wanted: dict[str, int],
) -> Iterator[str]:
    if layer.weights is not None:
        takers = {op for op, inputs in fused if layer.weights.name in inputs}
        if not takers or not takers <= _PRODUCTS:
            yield "ONNX Runtime fuses it into no integer kernel: it computes in float32"
    elif layer.kind in _FUSED:
        op = _FUSED[layer.kind]
        if found[op] != wanted[op]:
            yield (
                f"ONNX Runtime has {found[op]} {op} for {wanted[op]} such layers: it computes the "
                "others in float32"
            )


def _unlike(a: Array, b: Array) -> int:
    if a.size != b.size:
        return max(a.size, b.size)
    # A vector may be written as an image of one pixel.
    return int((a.ravel() != b.ravel()).sum())


def _add(differs: dict[tuple[str, str], int], name: str, who: str, count: int) -> None:
    if count:
        differs[name, who] = differs.get((name, who), 0) + count
