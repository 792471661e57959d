"""Explain a build's accuracy: what its int8 files cost against the float network, and where.

Nothing is guessed: what might help is tried on the build's held-back images, and what it gave is
said.
"""

import dataclasses
import functools
import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.accuracy import one_layer
from mobiledeploy.accuracy.agreement import compare, noise_of
from mobiledeploy.base import codec, files
from mobiledeploy.base.codec import OMIT
from mobiledeploy.base.errors import ConversionError, CorruptFileError, RequestError
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.data import evaluation as held_back
from mobiledeploy.data.evaluation import Evaluation
from mobiledeploy.data.preprocess import preprocess, to_float32, to_int8
from mobiledeploy.data.sources import open_dataset
from mobiledeploy.integer import tflite_reader
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.network.network import Network, load_network
from mobiledeploy.network.simplify.from_network import from_network
from mobiledeploy.pipeline import ladder
from mobiledeploy.pipeline.distillation import Distillation
from mobiledeploy.pipeline.float_logits import float_logits
from mobiledeploy.pipeline.int8_logits import logits_runner
from mobiledeploy.pipeline.ladder import Judgement
from mobiledeploy.report import activations
from mobiledeploy.runtimes import litert
from mobiledeploy.spec import manifest
from mobiledeploy.spec.config import CROPS, RANDOM, Crop, Effort, ImportConfig, Task
from mobiledeploy.spec.contract import LABELS, MODELS, Contract, class_names
from mobiledeploy.spec.results import Accuracy, Gain, NotTried, WhyLeftOut
from mobiledeploy.targets import tflite
from mobiledeploy.verify.outputs.accuracy import EVIDENCE, mcnemar
from mobiledeploy.verify.outputs.image_sets import Photos, evenly, labels_by_name
from mobiledeploy.verify.outputs.parity import decided

Helps: TypeAlias = Literal["logits", "photos", "effort"]
"""What may make int8 answer as the float network: files that end in the logits (`--head logits`),
other calibration images, or more techniques (`--effort best`)."""
WhyUntried: TypeAlias = Literal[
    "not asked", "trained", "synthetic images", "few images", "no exact form"
]
"""Why calibration images and techniques were not tried: nobody asked for it, fake quantisation
trained the int8 network, the images are synthetic, or they are too few; or the network has no int8
form with them."""
JUDGES: Final = 16
"""Images on which one layer at a time is quantised."""
TRACED: Final = 8
"""Images on which the tensors of the whole int8 network are compared with the float network's."""
CALIBRATION_IMAGES: Final = 256
"""Most images that calibrate a trial."""
FEWEST: Final = 8
"""Fewest images that calibrate, or judge, a trial."""
SAME_NETWORK: Final = 40.0
"""Least SQNR in dB of the logits that were stored against those of the stored network."""
_AGAIN: Final = "run `mobiledeploy build` or `quantize` again: it restores the folder"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What the quantisation of a layer costs.

    Attributes:
        name: Of the layer, which is that of its output.
        op: What it computes.
        share: Its part of the noise that all layers cause at the logits, each quantised alone,
            0..1.
        weights_sqnr: Of the logits, dB, with only its weights in int8; None without weights.
        output_sqnr: Of the logits, dB, with only its output in int8.
        sqnr: Of its output, dB, in the whole int8 network: with the noise of all layers before it.
            None where there is no noise or no signal.
    """

    name: str
    op: str
    share: float
    weights_sqnr: float | None
    output_sqnr: float
    sqnr: float | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a network says of an image.

    Attributes:
        classes: Names of its classes: one, or any number of several labels.
        margin: By how much its answer leads, in logits: over the second class, or of the nearest
            label from its threshold.
    """

    classes: tuple[str, ...]
    margin: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """An image that float and int8 answer differently.

    Attributes:
        image: Its name.
        label: Its class; None if it is not known.
        floats: The float network's answer.
        int8: The int8 files'.
    """

    image: str
    label: str | None
    floats: Answer
    int8: Answer


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Something that was tried, on images of which none calibrated.

    Attributes:
        what: What was tried.
        images: How many judged.
        calibrated: How many calibrated; None if that is not what was tried.
        before: Answers as the float network's without it.
        after: With it.
        sqnr_before: Of the logits, dB; None where the logits stay the same.
        sqnr_after: Likewise.
        helps: Whether it made int8 answer more closely as the float network, and not by chance:
            by the rule of `ladder.why_left_out`, or where only answers change by McNemar's test.
        gain: Of the logits; None where they stay the same.
        why_not: Why the gain does not help; None, and absent from the JSON, if it does.
        p: p-value of McNemar's exact test of the answers; None, and absent, where logits differ.
        not_tried: The techniques that were not tried; empty, and absent, if all were.
    """

    what: Helps
    images: int
    calibrated: int | None
    before: int
    after: int
    sqnr_before: float | None
    sqnr_after: float | None
    helps: bool
    gain: Gain | None = dataclasses.field(default=None, metadata=OMIT)
    why_not: WhyLeftOut | None = dataclasses.field(default=None, metadata=OMIT)
    p: float | None = dataclasses.field(default=None, metadata=OMIT)
    not_tried: tuple[NotTried, ...] = dataclasses.field(default=(), metadata=OMIT)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CropTrial:
    """The float network on labelled photos that were cropped in each way.

    Attributes:
        crop: The build's crop.
        right: How often it is right with it.
        other: The other crop.
        right_other: How often it is right with that.
    """

    crop: Crop
    right: Accuracy
    other: Crop
    right_other: Accuracy


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What int8 costs a build, and where.

    Attributes:
        network: Name of the network.
        task: What its outputs are.
        images: How many held-back images were answered.
        same: Of how many the answer is the float network's; None of outputs that are numbers.
        sqnr: Of the logits, dB.
        judges: On how many images one layer at a time was quantised.
        traced: On how many images the tensors of the whole int8 network were compared.
        layers: The layers, the most costly first.
        changed: The images whose answer changed, the float network's surest first.
        trials: What was tried.
        untried: Why calibration images and techniques were not; None if they were.
        crop: The crops, if labelled photos were given.
    """

    network: str
    task: Task
    images: int
    same: int | None
    sqnr: float
    judges: int
    traced: int
    layers: tuple[Layer, ...]
    changed: tuple[Changed, ...]
    trials: tuple[Trial, ...]
    untried: WhyUntried | None
    crop: CropTrial | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Build:
    """What a build folder holds."""

    config: Any
    contract: Contract
    names: tuple[str, ...]
    evaluation: Evaluation
    network: Network
    integers: IntegerGraph


def explain(
    root: files.Name,
    *,
    data: files.Name | None = None,
    samples: int | None = None,
    attempts: bool = False,
    threads: int = 1,
    progress: Progress = silent,
) -> Explanation:
    """Return what int8 costs a build against its float network, and where.

    Args:
        root: A build folder, with its stages' folders.
        data: Photos that calibrate the trials, and show how often the float network is right with
            each crop; see `data.sources.open_dataset`. None: half of the held-back images
            calibrate, the others judge.
        samples: How many held-back images to take; None for all.
        attempts: Whether to try what may help.
        threads: Images that run at a time.
        progress: Called with what is being done.

    Raises:
        CorruptFileError: A file is missing, changed, or of another build.
        RequestError: Nothing of the build is quantised, or photos were given that the network
            cannot take.
    """
    build = _opened(files.user_path(root), samples, threads=threads)
    pixels, floats = build.evaluation.pixels, build.evaluation.float_logits
    progress(Event("explain", f"answers of {len(pixels)} held-back images"))
    quantised = logits_runner(build.integers, threads=threads)(pixels)
    agreement = compare(floats, quantised, task=build.contract.task)
    same = _same(build.contract.task, floats, quantised)
    judges, traced = (evenly(len(pixels), count) for count in (JUDGES, TRACED))
    layers = _layers(build, judges, traced, threads=threads, progress=progress)
    photos = None
    if data is not None:
        dataset = open_dataset(os.fspath(data), purpose="calibration", progress=progress)
        photos = Photos(dataset=dataset, rows=np.arange(len(dataset.labels)))
    untried = _untried(build, photos) if attempts else "not asked"
    trials = list(_logits_tried(build, quantised, threads))
    if untried is None:
        try:
            trials += _trials(build, quantised, photos, threads=threads, progress=progress)
        except ConversionError:
            untried = "no exact form"
    return Explanation(
        network=build.network.architecture.name,
        task=build.contract.task,
        images=len(pixels),
        same=None if same is None else int(same.sum()),
        sqnr=agreement.sqnr,
        judges=len(judges),
        traced=len(traced),
        layers=layers,
        changed=_changed(build, quantised, same),
        trials=tuple(trials),
        untried=untried,
        crop=None if photos is None else _crops(build, photos, threads, progress),
    )


def _opened(root: Path, samples: int | None, *, threads: int) -> _Build:
    """Read a build folder, with so many of its held-back images.

    Raises:
        CorruptFileError: See `explain`.
        RequestError: Likewise.
    """
    held = manifest.read(root, holding=("contract.json", "evaluation.npz", LABELS, *MODELS))
    contract = codec.from_json(
        Contract, (root / "contract.json").read_bytes(), where="contract.json"
    )
    if contract.tolerance is None:
        raise RequestError(
            f"expected a build with int8 files, received {root}, whose files are float32",
            hint="build with `--int8`",
        )
    evaluation = held_back.read(root / "evaluation.npz")
    rows = evenly(len(evaluation.names), samples)
    evaluation = Evaluation(
        pixels=np.ascontiguousarray(evaluation.pixels[rows]),
        labels=None if evaluation.labels is None else evaluation.labels[rows],
        names=tuple(evaluation.names[row] for row in rows),
        float_logits=evaluation.float_logits[rows],
    )
    path = next(
        (
            path
            for stage in ("quantise", "train")
            if (path := root / stage / "network.npz").is_file()
        ),
        None,
    )
    if path is None:
        raise CorruptFileError(
            f"{root} lacks the float network: neither quantise/ nor train/ holds network.npz",
            hint=_AGAIN,
        )
    network = load_network(path)
    few = evaluation.pixels[:FEWEST]
    fits = network.architecture.input_shape == few.shape[1:]
    shown = (
        compare(evaluation.float_logits[:FEWEST], float_logits(network, few, threads=threads)).sqnr
        if fits and network.architecture.classes == evaluation.float_logits.shape[1]
        else -math.inf
    )
    if not shown >= SAME_NETWORK:
        raise CorruptFileError(
            f"{path} is not the float network of this build: it gives other logits than those in "
            "evaluation.npz",
            hint=_AGAIN,
        )
    return _Build(
        config=held.config,
        contract=contract,
        names=class_names(root),
        evaluation=evaluation,
        network=network,
        integers=tflite_reader.read_file(root / MODELS[0]),
    )


def _layers(
    build: _Build,
    judges: Sequence[int] | npt.NDArray[np.int64],
    traced: Sequence[int] | npt.NDArray[np.int64],
    *,
    threads: int,
    progress: Progress,
) -> tuple[Layer, ...]:
    """Return the layers' costs, the greatest first."""
    network, integers, pixels = build.network, build.integers, build.evaluation.pixels
    graph = dataclasses.replace(from_network(network), output=network.architecture.logits.name)
    costs = one_layer.one_by_one(
        graph,
        integers,
        pixels[judges],
        task=build.contract.task,
        feed=functools.partial(to_float32, scaling=network.architecture.scaling),
        threads=threads,
        progress=progress,
    )
    measured = activations.measure(
        integers,
        to_int8(pixels[traced]),
        [build.evaluation.names[row] for row in traced],
        # Keras has the output channels last, integer graphs have them first.
        {
            name: (np.moveaxis(weights.kernel, -1, 0), weights.bias)
            for name, weights in network.weights.items()
        },
        threads=threads,
        progress=progress,
    )
    sqnr = {tensor.name: tensor.sqnr for tensor in measured}
    noise = math.fsum(cost.noise for cost in costs) or 1.0
    return tuple(
        Layer(
            name=cost.name,
            op=cost.op,
            share=cost.noise / noise,
            weights_sqnr=None if cost.weights is None else cost.weights.sqnr,
            output_sqnr=cost.output.sqnr,
            sqnr=sqnr[cost.name],
        )
        for cost in sorted(costs, key=lambda cost: -cost.noise)
    )


def _same(
    task: Task, floats: npt.NDArray[np.floating[Any]], others: npt.NDArray[np.floating[Any]]
) -> npt.NDArray[np.bool_] | None:
    """Return of which images the answer is the same; None of outputs that are numbers."""
    if task == "regression":
        return None
    same: npt.NDArray[np.bool_] = (_said(task, floats) == _said(task, others)).all(axis=1)
    return same


def _said(task: Task, logits: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.bool_]:
    """Return for each image and output whether it is part of the answer."""
    if task == "classification":
        said: npt.NDArray[np.bool_] = (
            np.arange(logits.shape[1]) == logits.argmax(axis=1)[:, np.newaxis]
        )
        return said
    return np.asarray(logits > 0)


def _changed(
    build: _Build,
    quantised: npt.NDArray[np.float32],
    same: npt.NDArray[np.bool_] | None,
) -> tuple[Changed, ...]:
    """Return the images whose answer is another one, the float network's surest first."""
    if same is None:
        return ()
    task, names, evaluation = build.contract.task, build.names, build.evaluation
    rows = np.flatnonzero(~same)
    differ = _said(task, evaluation.float_logits) != _said(task, quantised)
    changed = [
        Changed(
            image=evaluation.names[row],
            label=None if evaluation.labels is None else names[evaluation.labels[row]],
            floats=_answer(task, evaluation.float_logits[row], differ[row], names),
            int8=_answer(task, quantised[row], differ[row], names),
        )
        for row in rows
    ]
    return tuple(sorted(changed, key=lambda each: -each.floats.margin))


def _answer(
    task: Task,
    logits: npt.NDArray[np.floating[Any]],
    differ: npt.NDArray[np.bool_],
    names: tuple[str, ...],
) -> Answer:
    """Return what logits of one image say; the margin is that of outputs that differ."""
    if task == "classification":
        second, first = np.sort(logits)[-2:]
        return Answer(classes=(names[int(logits.argmax())],), margin=float(first - second))
    margin = float(np.abs(logits[differ]).min())
    if task == "binary":
        return Answer(classes=(names[int(logits[0] > 0)],), margin=margin)
    return Answer(classes=tuple(names[i] for i in np.flatnonzero(logits > 0)), margin=margin)


def _logits_tried(
    build: _Build, quantised: npt.NDArray[np.float32], threads: int
) -> Iterator[Trial]:
    """Try files that end in the logits, if these end in the scores of classes."""
    task, evaluation = build.contract.task, build.evaluation
    if build.contract.head == "softmax" and task == "classification":
        session = litert.load(tflite.write(build.integers), threads=threads)
        scores = session.run(to_int8(evaluation.pixels))[0].reshape(quantised.shape)
        yield _trial_of_logits(
            *(
                evaluation.float_logits.argmax(axis=1) == each.argmax(axis=1)
                for each in (scores, quantised)
            )
        )


def _trials(
    build: _Build,
    quantised: npt.NDArray[np.float32],
    photos: Photos | None,
    *,
    threads: int,
    progress: Progress,
) -> Iterator[Trial]:
    """Try other calibration images, and more techniques.

    Raises:
        ConversionError: With these images the network has no int8 form.
        RequestError: Too few of the photos are no held-back images.
    """
    task, evaluation = build.contract.task, build.evaluation
    calibration, judges = _divided(build, photos, threads, progress)
    if len(calibration) < FEWEST:
        raise RequestError(
            f"expected {FEWEST} photos that are not held back, received {len(calibration)}",
            hint="leave out `--data`: half of the held-back images calibrate then",
        )
    floats = evaluation.float_logits[judges]

    def judged(logits: npt.NDArray[np.float32]) -> Judgement:
        same = _same(task, floats, logits)
        agreement = compare(floats, logits, task=task)
        return Judgement(
            agreement=dataclasses.replace(agreement, same=0 if same is None else int(same.sum())),
            noise=noise_of(floats, logits, task=task),
        )

    def made(effort: Effort) -> tuple[Judgement, tuple[NotTried, ...]]:
        with tempfile.TemporaryDirectory() as folder:
            quantised = ladder.climb(
                build.network,
                calibration,
                effort,
                task=task,
                distillation=Distillation(
                    seed=_seed(build), threads=threads, folder=Path(folder), progress=progress
                ),
                threads=threads,
                progress=progress,
            )
        run = logits_runner(quantised.integers, threads=threads)
        return judged(run(evaluation.pixels[judges])), quantised.not_tried

    def trial(
        what: Helps, before: Judgement, after: Judgement, not_tried: tuple[NotTried, ...]
    ) -> Trial:
        gain = ladder.gain_of(after, before)
        why_not = ladder.why_left_out(gain)
        return Trial(
            what=what,
            images=len(judges),
            calibrated=len(calibration),
            before=before.agreement.same,
            after=after.agreement.same,
            sqnr_before=before.agreement.sqnr,
            sqnr_after=after.agreement.sqnr,
            helps=why_not is None,
            gain=gain,
            why_not=why_not,
            not_tried=not_tried,
        )

    effort = _effort(build)
    own, not_tried = made(effort)
    yield trial("photos", judged(quantised[judges]), own, not_tried)
    if effort != "best":
        yield trial("effort", own, *made("best"))


def _trial_of_logits(by_scores: npt.NDArray[np.bool_], by_logits: npt.NDArray[np.bool_]) -> Trial:
    """Return what files that end in the logits give.

    Args:
        by_scores: Whether the answer is the float network's by the scores, shape (images,).
        by_logits: Likewise by the logits.
    """
    more, fewer = int((by_logits & ~by_scores).sum()), int((by_scores & ~by_logits).sum())
    p = mcnemar(fewer, more)
    return Trial(
        what="logits",
        images=len(by_scores),
        calibrated=None,
        before=int(by_scores.sum()),
        after=int(by_logits.sum()),
        sqnr_before=None,
        sqnr_after=None,
        helps=more > fewer and p < EVIDENCE,
        p=p,
    )


def _effort(build: _Build) -> Effort:
    """Return how many techniques the build tried."""
    config = build.config
    return config.effort if isinstance(config, ImportConfig) else config.quantise.effort


def _seed(build: _Build) -> int:
    """Return the seed with which the build distils."""
    config = build.config
    if isinstance(config, ImportConfig):
        return 0 if config.qat is None else config.qat.seed
    seed: int = config.train.seed
    return seed


def _untried(build: _Build, photos: Photos | None) -> WhyUntried | None:
    """Return why nothing can be calibrated anew; None if it can."""
    if _is_trained(build):
        return "trained"
    if photos is None and build.config.data == RANDOM:
        return "synthetic images"
    images = len(build.evaluation.pixels) // 2 if photos is None else len(photos.rows)
    return "few images" if images < FEWEST else None


def _is_trained(build: _Build) -> bool:
    """Whether fake quantisation may have trained the int8 network: no trial is its equal."""
    if isinstance(build.config, ImportConfig):
        return build.config.qat is not None
    return bool(build.config.quantise.steps)


def _divided(
    build: _Build, photos: Photos | None, threads: int, progress: Progress
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return images that calibrate trials, and the numbers of the held-back images that judge.

    Photos that are held-back images themselves do not calibrate.
    """
    pixels = build.evaluation.pixels
    numbers = np.arange(len(pixels))
    if photos is None:
        return pixels[1::2][:CALIBRATION_IMAGES], numbers[::2]
    rows = evenly(len(photos.rows), CALIBRATION_IMAGES)
    chosen = dataclasses.replace(photos, rows=photos.rows[rows])
    decoded = _decoded(build, chosen, None, threads, progress)
    known = {image.tobytes() for image in pixels}
    new = [image for image in decoded[0] if image.tobytes() not in known]
    return np.array(new, np.uint8).reshape(-1, *pixels.shape[1:]), numbers


def _decoded(
    build: _Build, photos: Photos, crop: Crop | None, threads: int, progress: Progress
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64] | None]:
    """Return photos as the build, or another crop, makes pixels of them, and their classes.

    Raises:
        RequestError: The network takes no photos, or none can be decoded.
    """
    seen = build.contract.for_photos()
    if crop is not None:
        seen = dataclasses.replace(seen, crop=crop)
    by_class = build.contract.task in {"classification", "binary"}
    images = photos.decode(
        lambda pixels: preprocess(pixels, seen),
        labels=labels_by_name(photos.dataset, build.names) if by_class else None,
        threads=threads,
        progress=progress,
    ).images
    return images.pixels(0, len(images)), images.labels


def _crops(build: _Build, photos: Photos, threads: int, progress: Progress) -> CropTrial | None:
    """Return how often the float network is right with each crop; None without labels."""
    own = build.contract.for_photos().crop
    (other,) = (crop for crop in CROPS if crop != own)
    right = {}
    for crop in (own, other):
        pixels, labels = _decoded(build, photos, crop, threads, progress)
        if labels is None:
            return None
        logits = float_logits(build.network, pixels, threads=threads)
        answers = decided(logits)
        right[crop] = Accuracy.of(answers, labels)
    return CropTrial(crop=own, right=right[own], other=other, right_other=right[other])
