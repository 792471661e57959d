"""Run both files on this machine and compare every layer, with each other and with the oracle.

A proof speaks of kernels as their sources describe them. That the installed runtimes compute what
those sources say is shown here, on samples: images at the edges of what the input can hold.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from mobiledeploy.errors import ConversionError
from mobiledeploy.integer import tflite_reader
from mobiledeploy.progress import Event, Progress
from mobiledeploy.reading import Layer
from mobiledeploy.runtimes import Array, Session, kernels, steadiness
from mobiledeploy.runtimes.kinds import Kind
from mobiledeploy.verify import feeding
from mobiledeploy.verify.inputs import synthetic_extremes
from mobiledeploy.verify.proof import RunCheck
from mobiledeploy.verify.side import Side

PIECE: Final = 4
"""Images whose every tensor is held at a time."""


def layer_by_layer(
    sides: tuple[Side, Side],
    pairs: Sequence[tuple[Layer, Layer]],
    *,
    threads: int,
    progress: Progress,
) -> RunCheck:
    """Return whether all tensors of both files are equal on synthetic extremes.

    Args:
        sides: The `.tflite` and the `.onnx`.
        pairs: Layers that belong together.
        threads: Images that run at a time.
        progress: Told after every few images.

    Raises:
        CorruptFileError: A runtime refuses a file, or dies of it.
        ParityError: A file takes no images.
    """
    pairs = [pair for pair in pairs if pair[0].kind != "softmax"]
    runs = [
        _Run.of(sides[0], "xnnpack", [first for first, _ in pairs], threads),
        _Run.of(sides[1], "ort-optimised", [second for _, second in pairs], threads),
    ]
    main = [run.session for run in runs]
    feeds = feeding.feeds(
        [(side.reading.input, session.input) for side, session in zip(sides, main, strict=True)]
    )
    oracle = _oracle(sides[0], [first for first, _ in pairs], threads)
    images = synthetic_extremes(feeding.image_shape(main[0].input))
    differs: dict[tuple[str, str], int] = {}
    for start in range(0, len(images), PIECE):
        pixels = images.pixels(start, min(start + PIECE, len(images)))
        first, second = (run.codes(feed(pixels)) for run, feed in zip(runs, feeds, strict=True))
        third = oracle[0].codes(oracle[1](pixels)) if oracle else None
        for place, (layer, _) in enumerate(pairs):
            _add(differs, layer.name, "ONNX Runtime", _unlike(first[place], second[place]))
            if third is not None:
                _add(differs, layer.name, "the oracle", _unlike(first[place], third[place]))
        progress(Event("verify", "every layer of both files", start + len(pixels), len(images)))
    said = "the NumPy oracle" if oracle else "no oracle: the .tflite holds what it cannot read"
    return RunCheck(
        name="every layer, run",
        holds=not differs,
        cases=len(images),
        statement=f"{len(pairs)} tensors of both files compared code by code on {len(images)} "
        f"synthetic extremes, in {main[0].runtime}, {main[1].runtime} and {said}",
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


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Run:
    """A file in a runtime, with layers that it gives out.

    Attributes:
        session: The file, tapped.
        layers: In order.
        places: Of each layer among the outputs.
    """

    session: Session
    layers: tuple[Layer, ...]
    places: tuple[int, ...]

    @classmethod
    def of(cls, side: Side, kind: Kind, layers: Sequence[Layer], threads: int) -> "_Run":
        # The file's own output cannot be tapped: it is there already.
        own = side.reading.output.name
        taps = list(dict.fromkeys(layer.name for layer in layers if layer.name != own))
        session = side.load(kind, taps=taps, threads=threads)
        before = len(session.outputs) - len(taps)
        places = (0 if layer.name == own else before + taps.index(layer.name) for layer in layers)
        return cls(session=session, layers=tuple(layers), places=tuple(places))

    def codes(self, batch: Array) -> list[Array]:
        """Return int8 codes of every layer, channels last."""
        outputs = self.session.run(batch)
        return [
            _codes(outputs[place], layer)
            for place, layer in zip(self.places, self.layers, strict=True)
        ]


def _oracle(side: Side, layers: Sequence[Layer], threads: int) -> tuple[_Run, feeding.Feed] | None:
    """Return the oracle and how to feed it; None for a file that holds more than graphs do."""
    try:
        nodes = tflite_reader.read(side.file.data).nodes
    except ConversionError:
        return None
    if len(nodes) != len(side.reading.layers):
        return None
    # The graph's names may lack what the file adds to inner tensors; the order is the same.
    names = {
        id(layer): node.output.name for layer, node in zip(side.reading.layers, nodes, strict=True)
    }
    session = side.load("oracle", taps=[names[id(layer)] for layer in layers], threads=threads)
    run = _Run(
        session=session,
        layers=tuple(layers),
        places=tuple(range(1, len(layers) + 1)),
    )
    (feed,) = feeding.feeds([(side.reading.input, session.input)])
    return run, feed


def _codes(array: Array, layer: Layer) -> Array:
    if array.dtype == np.float32:
        # The file's own output, taken off its grid: dividing gives the codes back exactly.
        scale, zero = float(layer.output.scale or 1), layer.output.zero_point or 0
        array = np.rint(array.astype(np.float64) / scale) + zero
    codes = array.astype(np.int16) - (128 if array.dtype == np.uint8 else 0)
    if codes.ndim == 4 and layer.output.axes == "NCHW":
        codes = codes.transpose(0, 2, 3, 1)
    return codes


def _unlike(a: Array, b: Array) -> int:
    if a.size != b.size:
        return max(a.size, b.size)
    # A vector may be written as an image of one pixel.
    return int((a.ravel() != b.ravel()).sum())


def _add(differs: dict[tuple[str, str], int], name: str, who: str, count: int) -> None:
    if count:
        differs[name, who] = differs.get((name, who), 0) + count
