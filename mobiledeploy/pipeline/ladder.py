"""Quantise a float network by techniques that are kept only where each of them helps.

    extremes -> bias correction -> ranges by error -> equalisation -> weight rounding

Each rung is judged on representative images that decided nothing: by how many answers are those
of the float network, and by the noise of the logits.
"""

import dataclasses
import functools
import time
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.accuracy.agreement import Agreement, compare
from mobiledeploy.accuracy.bias_correction import correct_biases
from mobiledeploy.accuracy.equalisation import equalise
from mobiledeploy.accuracy.range_by_error import ranges_by_error
from mobiledeploy.accuracy.weight_rounding import rounded_weights, with_kernels
from mobiledeploy.base.progress import Progress, silent
from mobiledeploy.data.preprocess import to_float32
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.network.float_graph import FloatGraph
from mobiledeploy.network.network import Network
from mobiledeploy.network.simplify.from_network import from_network
from mobiledeploy.network.simplify.to_network import to_network
from mobiledeploy.ops.architecture import INPUT
from mobiledeploy.ops.ranges import Ranges
from mobiledeploy.ops.tensors import Int8
from mobiledeploy.pipeline import stages
from mobiledeploy.pipeline.calibrate import calibrate
from mobiledeploy.pipeline.float_logits import float_logits
from mobiledeploy.spec.config import Effort
from mobiledeploy.spec.results import Rung

Technique: TypeAlias = Literal[
    "bias correction", "ranges by error", "equalisation", "weight rounding"
]
TECHNIQUES: Final[tuple[Technique, ...]] = (
    "bias correction", "ranges by error", "equalisation", "weight rounding",
)  # fmt: skip
"""In the order in which they are tried. Biases first: their mean error hides what others give."""
LAST: Final[Mapping[Effort, int]] = {"quick": 0, "default": 3, "best": 4}
"""How many of the techniques are tried."""
PLAIN: Final = "extremes"
"""The first rung: post-training quantisation with the extremes as ranges."""
GAIN: Final = 0.1
"""Decibels of SQNR by which a technique must help to be kept."""
FEWEST: Final = 32
"""Fewest representative images of which some only judge; of fewer, all decide and judge."""
JUDGES: Final = 4
"""One of so many representative images judges."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quantised:
    """A quantised network, and how it came to be.

    Attributes:
        network: The float network whose integers they are: the function that was given, but for
            what its biases make up for.
        uncorrected: The same function exactly: with the same channels, and biases as they were.
        ranges: Of its tensors.
        integers: Its integers.
        rungs: What each technique gave.
    """

    network: Network
    uncorrected: Network
    ranges: Ranges
    integers: IntegerGraph
    rungs: tuple[Rung, ...]


def climb(
    network: Network,
    pixels: npt.NDArray[np.uint8],
    effort: Effort,
    *,
    threads: int = 1,
    progress: Progress = silent,
) -> Quantised:
    """Quantise a network, trying one technique more at a time.

    Args:
        network: The float network.
        pixels: Representative images, or values, uint8, shape (images, ...).
        effort: How far to go: `LAST`.
        threads: Images that run at a time.
        progress: Called with what is being done.

    Raises:
        ConversionError: See `calibrate` and `quantise`.
    """
    last = LAST[effort]
    if last == 0:
        return _Maker(network, pixels, threads=threads, progress=progress).make(frozenset())
    deciding = judging = pixels
    if len(pixels) >= FEWEST:
        judges = np.arange(len(pixels)) % JUDGES == 0
        deciding, judging = pixels[~judges], pixels[judges]
    maker = _Maker(network, deciding, threads=threads, progress=progress)
    expected = float_logits(network, judging, threads=threads)
    kept: frozenset[Technique] = frozenset()
    best: tuple[Quantised, Agreement] | None = None
    rungs = []
    for technique in (None, *TECHNIQUES[:last]):
        started = time.perf_counter()
        tried = kept if technique is None else kept | {technique}
        made = maker.make(tried)
        agreement = compare(
            expected, stages.logits_runner(made.integers, threads=threads)(judging)
        )
        helps = best is None or _is_better(agreement, best[1])
        rungs.append(
            Rung(
                name=technique or PLAIN,
                kept=helps,
                same=agreement.same,
                images=agreement.images,
                sqnr=agreement.sqnr,
                seconds=time.perf_counter() - started,
            )
        )
        if helps:
            kept, best = tried, (made, agreement)
    assert best is not None  # noqa: S101 - the first rung is always kept
    return dataclasses.replace(best[0], rungs=tuple(rungs))


def _is_better(agreement: Agreement, best: Agreement) -> bool:
    """Whether logits follow the float network's more closely, and no fewer answers do."""
    return agreement.sqnr >= best.sqnr + GAIN and agreement.same >= best.same - 1


class _Maker:
    """Quantises a network by any of the techniques, and measures nothing twice."""

    def __init__(
        self, network: Network, pixels: npt.NDArray[np.uint8], *, threads: int, progress: Progress
    ) -> None:
        self._plain, self._pixels = network, pixels
        self._how: dict[str, Any] = {
            "feed": functools.partial(to_float32, scaling=network.architecture.scaling),
            "threads": threads,
            "progress": progress,
        }
        self._network = functools.cache(self._equalised)
        self._ranges = functools.cache(self._measured)

    def make(self, techniques: frozenset[Technique]) -> Quantised:
        """Return the network, quantised by some techniques."""
        equalised = "equalisation" in techniques
        graph, uncorrected = self._network(equalised=equalised)
        network = uncorrected
        ranges = self._ranges(equalised=equalised, by_error="ranges by error" in techniques)
        integers = quantise(network, ranges)
        kernels: Mapping[str, Int8] = {}
        if "weight rounding" in techniques:
            kernels = rounded_weights(graph, integers, self._pixels, **self._how)
            integers = with_kernels(integers, kernels)
        if "bias correction" in techniques:
            network = correct_biases(graph, network, integers, self._pixels, **self._how)
            integers = with_kernels(quantise(network, ranges), kernels)
        return Quantised(
            network=network, uncorrected=uncorrected, ranges=ranges, integers=integers, rungs=()
        )

    def _equalised(self, *, equalised: bool) -> tuple[FloatGraph, Network]:
        """Return the network as a graph and as layers, its channels rescaled or as they are."""
        graph = from_network(self._plain)
        if not equalised:
            return graph, self._plain
        graph = equalise(graph, self._pixels, **self._how)
        network = to_network(graph, self._plain.architecture.scaling)
        return graph, dataclasses.replace(network, weights_per=self._plain.weights_per)

    def _measured(self, *, equalised: bool, by_error: bool) -> Ranges:
        graph, network = self._network(equalised=equalised)
        if not by_error:
            threads, progress = self._how["threads"], self._how["progress"]
            return calibrate(network, self._pixels, threads=threads, progress=progress)
        extremes = self._ranges(equalised=equalised, by_error=False)
        # Clipped logits would change answers; the input's range is that of 8-bit pixels.
        kept = {INPUT, network.architecture.logits.name}
        names = [name for name in extremes if name not in kept]
        return ranges_by_error(graph, extremes, names, self._pixels, **self._how)
