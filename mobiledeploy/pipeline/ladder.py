"""Quantise a float network by techniques that are kept only where each of them helps.

    extremes -> bias correction -> ranges by error -> equalisation -> weight rounding
             -> distillation

Each rung is judged on representative images that decided nothing: by how many answers are those
of the float network, and by the noise of the logits.
"""

import contextlib
import dataclasses
import functools
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.accuracy.agreement import Agreement, compare, gain, noise_of
from mobiledeploy.accuracy.bias_correction import mean_errors, with_corrected_biases
from mobiledeploy.accuracy.equalisation import can_equalise, equalise
from mobiledeploy.accuracy.range_by_error import ranges_by_error
from mobiledeploy.accuracy.weight_rounding import round_weights
from mobiledeploy.base import codec, files
from mobiledeploy.base.errors import ConversionError, CorruptFileError
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.data.preprocess import to_float32
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.network.float_graph import FloatGraph
from mobiledeploy.network.network import Network, load_network, save_network
from mobiledeploy.network.simplify.from_network import from_network
from mobiledeploy.network.simplify.to_network import to_network
from mobiledeploy.ops.architecture import INPUT
from mobiledeploy.ops.ranges import Ranges
from mobiledeploy.pipeline.calibrate import NOT_FINITE, calibrate
from mobiledeploy.pipeline.distillation import Distillation
from mobiledeploy.pipeline.float_logits import float_logits
from mobiledeploy.pipeline.int8_logits import logits_runner
from mobiledeploy.spec.config import Effort, Task
from mobiledeploy.spec.results import Gain, NotTried, Rung, WhyLeftOut, WhyNotTried
from mobiledeploy.verify.outputs.image_sets import evenly

Technique: TypeAlias = Literal[
    "bias correction", "ranges by error", "equalisation", "weight rounding", "distillation"
]
TECHNIQUES: Final[tuple[Technique, ...]] = (
    "bias correction", "ranges by error", "equalisation", "weight rounding", "distillation",
)  # fmt: skip
"""In the order in which they are tried. Biases first: their mean error hides what others give."""
LAST: Final[Mapping[Effort, int]] = {"quick": 0, "default": 4, "best": 5}
"""How many of the techniques are tried."""
PLAIN: Final = "extremes"
"""The first rung: post-training quantisation with the extremes as ranges."""
GAIN: Final = 0.1
"""Decibels of SQNR by which a technique must help to be kept."""
MOST_LOST: Final = 1
"""Most answers that a technique may lose and be kept."""
ENOUGH: Final = Agreement(images=1000, same=995, sqnr=30.0)
"""Share of equal answers, and decibels of SQNR, with which no further technique is tried."""
FEWEST: Final = 32
"""Fewest representative images of which some only judge. Of fewer, one half judges what is made
with the other, and what is kept is made again with all."""
LEAST: Final = 8
"""Fewest representative images of which some judge at all."""
JUDGES: Final = 4
"""One of so many representative images judges."""
LOOKED_AT: Final = 64
"""Most images that a technique looks at; the extremes are those of all images."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quantised:
    """A quantised network, and how it came to be.

    Attributes:
        network: The float network whose integers they are, each weight to the nearest code: the
            function that was given, but for what makes up for rounding.
        uncorrected: The same function exactly: with the same channels, and weights as they were.
        ranges: Of its tensors.
        integers: Its integers.
        rungs: What each technique gave.
        not_tried: The techniques of this effort that were not tried.
    """

    network: Network
    uncorrected: Network
    ranges: Ranges
    integers: IntegerGraph
    rungs: tuple[Rung, ...] = ()
    not_tried: tuple[NotTried, ...] = ()


def climb(
    network: Network,
    pixels: npt.NDArray[np.uint8],
    effort: Effort,
    *,
    task: Task = "classification",
    distillation: Distillation | None = None,
    folder: Path | None = None,
    threads: int = 1,
    progress: Progress = silent,
) -> Quantised:
    """Quantise a network, trying one technique more at a time.

    Args:
        network: The float network.
        pixels: Representative images, or values, uint8, shape (images, ...).
        effort: How far to go: `LAST`.
        task: What the outputs are.
        distillation: How the network is trained; None: it is not.
        folder: Where each finished rung is stored, so that a run that was killed goes on with the
            next one. It must be of the same inputs, and is not deleted. None: nowhere.
        threads: Images that run at a time.
        progress: Called with what is being done.

    Raises:
        ConversionError: See `calibrate` and `quantise`.
        RequestError: The training diverged.
        StorageError: The folder cannot be written.
    """
    last = LAST[effort]

    def plain(why: WhyNotTried) -> Quantised:
        """Quantise by the extremes of all images, of which none judges."""
        ranges = calibrate(network, pixels, threads=threads, progress=progress)
        return Quantised(
            network=network,
            uncorrected=network,
            ranges=ranges,
            integers=quantise(network, ranges),
            not_tried=tuple(NotTried(name=name, why=why) for name in TECHNIQUES[:last]),
        )

    if last == 0 or len(pixels) < LEAST:
        return plain("few images")
    judges = np.arange(len(pixels)) % (JUDGES if len(pixels) >= FEWEST else 2) == 0
    few = len(pixels) < FEWEST
    deciding, judging = pixels[~judges], pixels[judges]
    maker = _Maker(network, deciding, distillation, few=few, threads=threads, progress=progress)
    expected = float_logits(network, judging, threads=threads)
    _require_finite(expected, np.flatnonzero(judges), network)
    store = _Store(folder, progress)
    rungs, not_tried = list[Rung](), list[NotTried]()
    kept: tuple[Technique, ...] = ()
    best: tuple[Quantised, Judgement] | None = None
    for technique in (None, *TECHNIQUES[:last]):
        name = technique or PLAIN
        why: WhyNotTried | None = None
        if best is not None and technique is not None:
            why = (
                "good enough"
                if _is_enough(best[1].agreement)
                else maker.obstacle(technique, best[0])
            )
        if why is not None:
            not_tried.append(NotTried(name=name, why=why))
            continue
        restored = store.restore(len(rungs))
        if restored is not None:
            rung, made, noise = restored
        else:
            started = time.perf_counter()
            tried = kept if technique is None else (*kept, technique)
            try:
                made = maker.make(tried, None if best is None else best[0])
            except ConversionError:
                if best is None:
                    # A tensor that hardly varies on these images may do on the others.
                    return plain("every image calibrates")
                not_tried.append(NotTried(name=name, why="no exact form"))
                continue
            run = logits_runner(made.integers, threads=threads)
            logits = run(judging)
            agreement = compare(expected, logits, task=task)
            noise = noise_of(expected, logits, task=task)
            judged = Judgement(agreement=agreement, noise=noise)
            gained = None if best is None else gain_of(judged, best[1])
            left_out = None if gained is None else why_left_out(gained)
            rung = Rung(
                name=name,
                kept=left_out is None,
                same=None if task == "regression" else agreement.same,
                images=agreement.images,
                sqnr=agreement.sqnr,
                seconds=time.perf_counter() - started,
                gain=gained,
                left_out=left_out,
            )
            store.save(len(rungs), rung, made, noise)
        rungs.append(rung)
        if technique is None and made is not None:
            maker.extremes = made.ranges
        if rung.kept:
            assert made is not None  # noqa: S101 - a network is stored with a rung that was kept
            best = made, Judgement(agreement=_agreement_of(rung), noise=noise)
            kept = kept if technique is None else (*kept, technique)
    assert best is not None  # noqa: S101 - the first rung is always kept
    quantised = best[0]
    if few:
        whole = _Maker(network, pixels, None, few=True, threads=threads, progress=progress)
        # What one half made is known to be right, if all images together have no exact form.
        with contextlib.suppress(ConversionError):
            quantised = whole.make(kept, None)
    return dataclasses.replace(quantised, rungs=tuple(rungs), not_tried=tuple(not_tried))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judgement:
    """A quantised network beside the float network, on the images that judge.

    Attributes:
        agreement: Over all images.
        noise: Power of each image's error, shape (images,).
    """

    agreement: Agreement
    noise: npt.NDArray[np.float64]


def gain_of(judged: Judgement, best: Judgement) -> Gain:
    """Return what a network gained on another, judged on the same images."""
    mean, error = gain(best.noise, judged.noise)
    finite = math.isfinite(mean) and math.isfinite(error)
    return Gain(
        sqnr=judged.agreement.sqnr - best.agreement.sqnr,
        mean=mean if finite else None,
        error=error if finite else None,
        lost=best.agreement.same - judged.agreement.same,
    )


def why_left_out(gained: Gain) -> WhyLeftOut | None:
    """Return why a gain is not enough; None if logits follow the float network's more closely.

    The noise must be less over all, and image by image by more than its standard error: few images
    with much noise decide nothing. One answer less may be chance; NaN is not better than anything.
    """
    if not gained.sqnr >= GAIN:
        return "little gain"
    if gained.lost > MOST_LOST:
        return "answers lost"
    if gained.mean is None or gained.error is None:
        return "chance"
    return None if gained.mean >= max(gained.error, GAIN) else "chance"


def _require_finite(
    logits: npt.NDArray[np.float32], numbers: npt.NDArray[np.int64], network: Network
) -> None:
    """Check logits as `calibrate` checks those of images that decide.

    Raises:
        ConversionError: They are NaN or infinite for an image.
    """
    bad = numbers[~np.isfinite(logits).all(axis=1)]
    if len(bad):
        raise ConversionError(
            f"`{network.architecture.logits.name}` is NaN or infinite for calibration image "
            f"{bad[0]}",
            hint=NOT_FINITE,
        )


def _agreement_of(rung: Rung) -> Agreement:
    same = rung.images if rung.same is None else rung.same
    return Agreement(images=rung.images, same=same, sqnr=rung.sqnr)


def _is_enough(agreement: Agreement) -> bool:
    share = ENOUGH.same / ENOUGH.images
    return agreement.sqnr >= ENOUGH.sqnr and agreement.same >= share * agreement.images


class _Maker:
    """Quantises a network by any of the techniques, and measures nothing twice."""

    def __init__(
        self,
        network: Network,
        pixels: npt.NDArray[np.uint8],
        distillation: Distillation | None,
        *,
        few: bool,
        threads: int,
        progress: Progress,
    ) -> None:
        """Measure nothing yet.

        Args:
            network: The float network.
            pixels: Representative images that decide, uint8, shape (images, ...).
            distillation: How the network is trained; None: it is not.
            few: Whether the images are too few to train with.
            threads: Images that run at a time.
            progress: Called with what is being done.
        """
        self.extremes: Ranges | None = None  # if they are known from a run that was killed
        self._plain, self._pixels = network, pixels
        self._distillation, self._few = distillation, few
        self._some = pixels[evenly(len(pixels), LOOKED_AT)]
        self._how: dict[str, Any] = {
            "feed": functools.partial(to_float32, scaling=network.architecture.scaling),
            "threads": threads,
            "progress": progress,
        }
        self._graph = functools.cache(lambda: from_network(network))
        self._equalised = functools.cache(self._equalise)
        self._network = functools.cache(self._with_kernels)
        self._ranges = functools.cache(self._measured)
        self._integers = functools.cache(self._quantised)
        self._errors = functools.cache(self._mean_errors)

    def obstacle(self, technique: Technique, best: Quantised) -> WhyNotTried | None:
        """Return why a technique is not tried; None if it is."""
        if technique == "equalisation" and not can_equalise(self._graph()):
            return "changes nothing"
        if technique == "distillation":
            if self._distillation is None:
                return "synthetic images"
            return "few images" if self._few else self._distillation.obstacle(best.network)
        return None

    def make(self, techniques: tuple[Technique, ...], best: Quantised | None) -> Quantised:
        """Return the network, quantised by some techniques.

        Args:
            techniques: Which; distillation comes last.
            best: What the others of them made, if that is known.
        """
        if techniques[-1:] == ("distillation",) and self._distillation is not None:
            before = self.make(techniques[:-1], None) if best is None else best
            trained = self._distillation.train(
                before.network, before.ranges, self._plain, self._pixels
            )
            return dataclasses.replace(
                before, network=trained, integers=quantise(trained, before.ranges)
            )
        equalised, rounded = "equalisation" in techniques, "weight rounding" in techniques
        ranges = self._ranges(equalised=equalised, by_error="ranges by error" in techniques)
        network = self._network(equalised=equalised, rounded=rounded)
        if "bias correction" in techniques:
            errors = self._errors(equalised=equalised, rounded=rounded)
            network = with_corrected_biases(network, errors)
        return Quantised(
            network=network,
            uncorrected=self._network(equalised=equalised, rounded=False),
            ranges=ranges,
            integers=quantise(network, ranges),
        )

    def _equalise(self) -> tuple[FloatGraph, Ranges]:
        """Return the graph with rescaled channels, and the ranges of tensors that have them."""
        weights_per = self._plain.weights_per
        equalised = equalise(self._graph(), self._some, weights_per=weights_per, **self._how)
        return equalised.graph, equalised.ranges

    def _graph_of(self, *, equalised: bool) -> FloatGraph:
        return self._equalised()[0] if equalised else self._graph()

    def _with_kernels(self, *, equalised: bool, rounded: bool) -> Network:
        """Return the network with rescaled channels, or with weights nearer to other codes."""
        if rounded:
            network = self._network(equalised=equalised, rounded=False)
            integers = self._integers(equalised=equalised, rounded=False)
            graph = self._graph_of(equalised=equalised)
            return round_weights(graph, network, integers, self._some, **self._how)
        if equalised:
            network = to_network(self._equalised()[0], self._plain.architecture.scaling)
            return dataclasses.replace(network, weights_per=self._plain.weights_per)
        return self._plain

    def _quantised(self, *, equalised: bool, rounded: bool) -> IntegerGraph:
        """Return integers of which only the kernels count: these do not depend on ranges."""
        network = self._network(equalised=equalised, rounded=rounded)
        return quantise(network, self._ranges(equalised=equalised, by_error=False))

    def _mean_errors(
        self, *, equalised: bool, rounded: bool
    ) -> Mapping[str, npt.NDArray[np.float64]]:
        graph = self._graph_of(equalised=equalised)
        integers = self._integers(equalised=equalised, rounded=rounded)
        return mean_errors(graph, integers, self._some, **self._how)

    def _measured(self, *, equalised: bool, by_error: bool) -> Ranges:
        """Return the ranges; those of tensors whose channels stay are not measured again."""
        if equalised:
            graph, rescaled = self._equalised()
            before = self._ranges(equalised=False, by_error=by_error)
            ranges = {name: rescaled.get(name, interval) for name, interval in before.items()}
            names = [name for name in rescaled if name in before]
        else:
            graph = self._graph()
            if not by_error and self.extremes is not None:
                return self.extremes
            if not by_error:
                threads, progress = self._how["threads"], self._how["progress"]
                return calibrate(self._plain, self._pixels, threads=threads, progress=progress)
            ranges = dict(self._ranges(equalised=False, by_error=False))
            names = list(ranges)
        if not by_error:
            return ranges
        # Clipped logits would change answers; the input's range is that of 8-bit pixels.
        kept = {INPUT, self._plain.architecture.logits.name}
        chosen = [name for name in names if name not in kept]
        return ranges_by_error(graph, ranges, chosen, self._some, **self._how)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Finished:
    """A rung in a file.

    Attributes:
        rung: What it gave.
        ranges: Of the network in the file beside it; empty if the rung was not kept.
        noise: Power of each judging image's error.
    """

    rung: Rung
    noise: tuple[float, ...]
    ranges: Mapping[str, tuple[float, float]]


class _Store:
    """Finished rungs in a folder, or nowhere."""

    def __init__(self, folder: Path | None, progress: Progress) -> None:
        self._folder, self._progress = folder, progress

    def save(
        self, number: int, rung: Rung, made: Quantised, noise: npt.NDArray[np.float64]
    ) -> None:
        """Store a rung, and its network if it was kept."""
        if self._folder is None:
            return
        self._folder.mkdir(exist_ok=True)
        if rung.kept:
            save_network(self._folder / f"rung{number}.npz", made.network)
            save_network(self._folder / f"rung{number}-uncorrected.npz", made.uncorrected)
        finished = _Finished(
            rung=rung, noise=tuple(noise.tolist()), ranges=made.ranges if rung.kept else {}
        )
        files.write_atomic(self._folder / f"rung{number}.json", codec.to_json(finished))

    def restore(
        self, number: int
    ) -> tuple[Rung, Quantised | None, npt.NDArray[np.float64]] | None:
        """Return a rung, its network (None if it was not kept) and noise; or None."""
        if self._folder is None or not (self._folder / f"rung{number}.json").is_file():
            return None
        path = self._folder / f"rung{number}.json"
        try:
            finished = codec.from_json(_Finished, path.read_bytes(), where=str(path))
            noise = np.array(finished.noise)
            network, uncorrected = None, None
            if finished.rung.kept:
                network = load_network(path.with_suffix(".npz"))
                uncorrected = load_network(self._folder / f"rung{number}-uncorrected.npz")
        except CorruptFileError:
            return None  # it is made again
        self._progress(Event("quantise", f"{finished.rung.name}: done before"))
        if network is None or uncorrected is None:
            return finished.rung, None, noise
        quantised = Quantised(
            network=network,
            uncorrected=uncorrected,
            ranges=finished.ranges,
            integers=quantise(network, finished.ranges),
        )
        return finished.rung, quantised, noise
