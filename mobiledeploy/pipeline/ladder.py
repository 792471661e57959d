"""Quantise a float network by one technique after the other, and keep those that help.

    extremes -> bias correction -> ranges by error -> equalisation -> weight rounding

Each rung is judged on representative images that decided nothing: by the answers that are the float
network's, and by the noise of the logits.
"""

import dataclasses
import functools
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.accuracy.agreement import Agreement, compare
from mobiledeploy.accuracy.bias_correction import correct_biases
from mobiledeploy.accuracy.equalisation import equalise
from mobiledeploy.accuracy.range_by_error import ranges_by_error
from mobiledeploy.accuracy.weight_rounding import rounded_weights, with_kernels
from mobiledeploy.base.progress import Progress, silent
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.network.float_graph import FloatArray, FloatGraph
from mobiledeploy.network.network import Network
from mobiledeploy.network.simplify.to_network import to_network
from mobiledeploy.ops.architecture import INPUT
from mobiledeploy.ops.ranges import Ranges
from mobiledeploy.ops.tensors import Int8
from mobiledeploy.pipeline import stages
from mobiledeploy.pipeline.calibrate import calibrate
from mobiledeploy.spec.config import Effort, Scaling
from mobiledeploy.spec.results import Rung

Technique: TypeAlias = Literal[
    "bias correction", "ranges by error", "equalisation", "weight rounding"
]
TECHNIQUES: Final[tuple[Technique, ...]] = (
    "bias correction", "ranges by error", "equalisation", "weight rounding",
)  # fmt: skip
"""In the order in which they are tried. Biases first: their mean error hides what others give."""
EFFORTS: Final[Mapping[Effort, int]] = {"quick": 0, "default": 3, "best": 4}
"""How many of the techniques are tried."""
GAIN: Final = 0.1
"""Decibels of SQNR by which a technique must help to be kept."""
FEWEST: Final = 32
"""Fewest representative images of which some only judge."""
JUDGES: Final = 4
"""One of so many representative images judges."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quantised:
    """A quantised network, and how it came to be.

    Attributes:
        network: The float network whose integers they are: of the same function as the one that was
            given, but for what its biases make up for.
        ranges: Of its tensors.
        integers: Its integers.
        rungs: What each technique gave.
    """

    network: Network
    ranges: Ranges
    integers: IntegerGraph
    rungs: tuple[Rung, ...]


def climb(
    graph: FloatGraph,
    scaling: Scaling,
    inputs: npt.NDArray[Any],
    judges: npt.NDArray[Any],
    effort: Effort,
    *,
    feed: Callable[[npt.NDArray[Any]], FloatArray] = np.asarray,
    float_logits: Callable[[npt.NDArray[Any]], FloatArray],
    threads: int = 1,
    progress: Progress = silent,
) -> Quantised:
    """Quantise a network, trying one technique more at a time.

    Args:
        graph: The float network, simplified.
        scaling: Mean and std by which pixels become its input.
        inputs: Representative images, uint8, shape (images, ...).
        judges: Others, by which techniques are judged.
        effort: The last rung: `EFFORTS`.
        feed: Makes the network's inputs, float32, of some images.
        float_logits: Returns the float network's logits of images.
        threads: Images that run at a time.
        progress: Called with what is being done.

    Raises:
        ConversionError: See `calibrate` and `quantise`.
    """
    maker = _Maker(graph, scaling, inputs, feed=feed, threads=threads, progress=progress)
    expected = float_logits(judges)
    kept, best, rungs = frozenset[Technique](), None, list[Rung]()
    for technique in (None, *TECHNIQUES[: EFFORTS[effort]]):
        started = time.perf_counter()
        tried = kept if technique is None else kept | {technique}
        made = maker.make(tried)
        run = stages.logits_runner(made.integers, threads=threads)
        agreement = compare(expected, run(judges))
        helps = best is None or _is_better(agreement, best[1])
        rungs.append(
            Rung(
                name=technique or "extremes",
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
        self,
        graph: FloatGraph,
        scaling: Scaling,
        inputs: npt.NDArray[Any],
        **how: Any,
    ) -> None:
        self._graph, self._scaling, self._inputs, self._how = graph, scaling, inputs, how

    def make(self, techniques: frozenset[Technique]) -> Quantised:
        """Return the network, quantised by some techniques."""
        equalised = "equalisation" in techniques
        graph, network = self._network(equalised=equalised)
        ranges = self._ranges(equalised=equalised, by_error="ranges by error" in techniques)
        integers = quantise(network, ranges)
        kernels: Mapping[str, Int8] = {}
        if "weight rounding" in techniques:
            kernels = rounded_weights(graph, integers, self._inputs, **self._how)
            integers = with_kernels(integers, kernels)
        if "bias correction" in techniques:
            network = correct_biases(graph, network, integers, self._inputs, **self._how)
            integers = with_kernels(quantise(network, ranges), kernels)
        return Quantised(network=network, ranges=ranges, integers=integers, rungs=())

    @functools.cache  # noqa: B019 - the object lives as long as one quantisation
    def _network(self, *, equalised: bool) -> tuple[FloatGraph, Network]:
        graph = self._graph
        if equalised:
            graph = equalise(graph, self._inputs, **self._how)
        return graph, to_network(graph, self._scaling)

    @functools.cache  # noqa: B019 - likewise
    def _ranges(self, *, equalised: bool, by_error: bool) -> Ranges:
        graph, network = self._network(equalised=equalised)
        if by_error:
            extremes = self._ranges(equalised=equalised, by_error=False)
            kept = {INPUT, network.architecture.logits.name}
            names = [name for name in extremes if name not in kept]
            return ranges_by_error(graph, extremes, names, self._inputs, **self._how)
        mean, std = self._scaling
        ranges = calibrate(graph, self._inputs, **self._how)
        return {**ranges, INPUT: (-mean / std, (255 - mean) / std)}
