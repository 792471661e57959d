"""Quantise somebody's float model: from a model file to a build folder, without TensorFlow.

    import -> simplify -> calibrate -> quantise -> export -> verify -> publish

The folder is one as `build` makes it: `verify` and `bundle` take it.
"""

import dataclasses
import functools
import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self

from mobiledeploy.base import files
from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.data import evaluation as held_back
from mobiledeploy.data.class_names import near_twins
from mobiledeploy.data.dataset import Dataset
from mobiledeploy.data.evaluation import Evaluation
from mobiledeploy.integer import tflite_reader
from mobiledeploy.network.network import save_network
from mobiledeploy.network.simplify.input_scaling import PIXELS
from mobiledeploy.network.simplify.passes import simplify
from mobiledeploy.network.simplify.to_network import to_network
from mobiledeploy.pipeline import (
    class_order,
    float_agreement,
    known_inputs,
    ladder,
    publish,
    qat,
    resume,
    stages,
    tasks,
)
from mobiledeploy.pipeline.distillation import Distillation
from mobiledeploy.pipeline.float_logits import float_logits
from mobiledeploy.pipeline.int8_logits import logits_runner
from mobiledeploy.pipeline.known_inputs import Known, with_weights_per, without_calibration
from mobiledeploy.pipeline.prepare import read_model
from mobiledeploy.pipeline.quantise_images import CALIBRATION_IMAGES, shared_words
from mobiledeploy.pipeline.stage_clock import Clock
from mobiledeploy.spec import manifest
from mobiledeploy.spec.channel_scaling import ChannelScaling
from mobiledeploy.spec.config import (
    CROPS,
    EFFORTS,
    HEADS,
    IOS,
    RANDOM,
    WEIGHTS_PER,
    Crop,
    Effort,
    ExportConfig,
    FineTuneConfig,
    Head,
    ImportConfig,
    Io,
    Task,
    WeightsPer,
    require_choice,
)
from mobiledeploy.spec.contract import MODELS
from mobiledeploy.spec.results import (
    BuildReport,
    ExportResult,
    InsteadOf,
    LabelScore,
    QuantiseResult,
    ScoreLine,
    named_recalls,
)
from mobiledeploy.targets import tflite
from mobiledeploy.targets.description import Described
from mobiledeploy.verify.outputs import input_choice
from mobiledeploy.verify.report import VerifyReport


def quantize(
    model: files.Name,
    root: files.Name,
    *,
    data: files.Name | Dataset = RANDOM,
    scaling: ChannelScaling | None = None,
    labels: tuple[str, ...] = (),
    crop: Crop = "center",
    io: Io = "int8",
    head: Head | None = None,
    task: Task | None = None,
    image_size: tuple[int, int] | None = None,
    output: str | None = None,
    threads: int = 1,
    fine_tuning: FineTuneConfig | None = None,
    effort: Effort | None = None,
    weights_per: WeightsPer = "channel",
    calibration_images: int = CALIBRATION_IMAGES,
    calibrate: files.Name | None = None,
    licence: str = "",
    instead_of: InsteadOf | None = None,
    progress: Progress = silent,
) -> BuildReport:
    """Quantise a model file, and write a build folder.

    Args:
        model: See `read_model`.
        root: The build folder.
        data: A folder of photos with one sub-folder a class, `digits`, a data set, a file of
            values (see `value_inputs.read`), or `random` for synthetic images or values.
        scaling: How pixels become the network's input, where its file does not say it; None: it is
            chosen by labelled photos, see `input_range.choose`.
        labels: Names of the classes in the order of the output; otherwise those of the file, of a
            file of labels beside it, of the data's folders if there are as many, or numbers.
        crop: How a photo gets the input's proportions.
        io: Type of the files' input and output.
        head: Whether the files end in scores or in logits; None: as the network does.
        task: What the outputs are; None: what `tasks.task_of` takes them for.
        image_size: See `read_model`.
        output: See `read_model`.
        threads: Images that run at a time.
        fine_tuning: How the network is fine-tuned with fake quantisation, which needs TensorFlow;
            None: it is not. See `qat`.
        effort: How many techniques are tried to make the int8 network answer as the float one;
            see `ladder`. None: `default`; with synthetic images, which are no judges, `quick`.
        weights_per: Whether each channel of a convolution's kernel has a scale, or all have one.
        calibration_images: How many images, or values, decide the ranges, at most.
        calibrate: Photos that decide the ranges; None: those of `data` that are not held back.
            All others of `data` are held back then, unless some are needed for fine-tuning.
        licence: Under which the files may be used, such as `Apache-2.0`; empty: the model file's
            own, if it is a `.tflite` that states one.
        instead_of: Why `build` does this, for the report; None if it is not `build`.
        progress: Called with what is being done.

    Returns:
        The report. If the two files differ, it says so, and the folder holds no finished build.

    Raises:
        MobileDeployError: See `read_model`, `prepare` and `build.build`; neither the file, the
            caller nor the photos say how pixels become the input; the photos say that the classes
            are in another order.
    """
    clock = Clock()
    if effort is None:
        synthetic = not isinstance(data, Dataset) and data == RANDOM
        effort = "quick" if synthetic else "default"
    require_choice("effort", effort, EFFORTS, option="--effort")
    require_choice("weights per", weights_per, WEIGHTS_PER, option="--weights-per")
    require_choice("io", io, IOS, option="--io")
    require_choice("crop", crop, CROPS, option="--crop")
    require_choice("head", head, (*HEADS, None), option="--head")
    if fine_tuning is not None:
        qat.check_request(random=not isinstance(data, Dataset) and data == RANDOM)
    root, path = files.user_path(root), files.user_path(model)
    progress(Event("import", "reading the model"))
    imported = read_model(path, image_size=image_size, output=output)
    outputs = imported.graph.shapes()[imported.graph.output][-1]
    task = tasks.task_of(imported.graph, outputs, task, path.name)
    if head == "softmax" and tasks.last_operator(imported.graph) not in tasks.SCORES:
        raise RequestError(
            f"expected a network that ends in scores, received {path.name}, which ends in logits",
            hint="leave out `--head`",
        )
    classes = tasks.classes_of(task, outputs)
    if fine_tuning is not None:
        unscaled = to_network(simplify(imported.graph).graph, PIXELS)
        qat.check_network(unscaled.architecture, fine_tuning, task)
    known = known_inputs.find(
        known_inputs.Request(
            imported=imported,
            path=path,
            data=data,
            scaling=scaling,
            labels=labels,
            crop=crop,
            task=task,
            classes=classes,
            fine_tuning=fine_tuning,
            calibrate=calibrate,
            calibration_images=calibration_images,
        ),
        threads=threads,
        clock=clock,
        progress=progress,
    )
    imported_licence, stated = imported.license, imported.input_range
    del imported  # its weights, which the simplified network holds folded
    known = with_weights_per(known, weights_per)
    prepared, taken, names = known.prepared, known.images, known.names
    network = prepared.network
    ends: Head = "softmax" if network.architecture.output.op in tasks.SCORES else "logits"
    config = ImportConfig(
        model=path.name,
        sha256=files.sha256(path),
        data=data.name if isinstance(data, Dataset) else str(data),
        preprocessing=known.preprocessing,
        mean=() if known.scaling is None else known.scaling.mean,
        std=() if known.scaling is None else known.scaling.std,
        bgr=known.scaling is not None and known.scaling.bgr,
        calibration_images=calibration_images,
        threads=threads,
        export=ExportConfig(
            int8=True, io=io, head=head or ends, license=licence or imported_licence
        ),
        task=task,
        qat=fine_tuning,
        effort=effort,
        weights_per=weights_per,
        calibrate="" if calibrate is None else str(calibrate),
    )
    with resume.lock_folder(root), _HeldBack(known, threads) as evaluated:
        publish.withdraw(root)
        versions = tuple(sorted(manifest.versions().items()))
        made_of = (config, taken.digest, names.names, versions)
        quantised, quantise_time = resume.run(
            "quantise",
            QuantiseResult,
            made_of,
            lambda folder: _quantise(folder, known, config, progress, calibrated=evaluated.start),
            root=root,
            progress=progress,
        )
        calibrated = len(taken.calibration)
        known = without_calibration(known)
        taken = known.images
        chosen = root / "quantise" / f"{quantised.chosen}.tflite"
        described = Described(
            name=network.architecture.name,
            license=config.export.license,
            preprocessing=config.preprocessing,
            task=config.task,
            classes=() if names.source == "numbers" else names.names,
        )
        exported, export_time = resume.run(
            "export",
            ExportResult,
            (*made_of, described, files.sha256(chosen)),
            lambda folder: stages.export(folder, root, network, chosen, config.export, described),
            root=root,
            progress=progress,
        )
        verified, verify_time = resume.run(
            "verify",
            VerifyReport,
            (*made_of, exported),
            lambda folder: stages.verify(
                folder,
                evaluated.evaluation(),
                root / "export",
                config,
                packed=evaluated.packed(),
                threads=threads,
                progress=progress,
            ),
            root=root,
            progress=progress,
        )
        scores = [
            ScoreLine(
                name=score.file,
                test=score.labels,
                shipped=score.file != "float",
                balanced=score.balanced,
            )
            for score in verified.scores
        ]
        if scores:
            scores[1:1] = stages.candidate_lines(quantised)
        agreement = float_agreement.measured(
            verified, config.task, synthetic=config.data == RANDOM
        )
        report = BuildReport(
            scores=tuple(scores),
            reason=quantised.reason if quantised.candidates else "",
            note=_note(
                config,
                known,
                instead_of,
                stated=bool(stated),
                licence="" if licence else imported_licence,
            ),
            unreadable=tuple(dict.fromkeys((*taken.unreadable, *quantised.unreadable))),
            files=exported.files,
            verdict=verified.verdict,
            holds=verified.holds,
            times=(*clock.times(), quantise_time, export_time, verify_time),
            recalls=named_recalls(verified.scores[-1].recalls, names.names) if scores else (),
            ignored=taken.ignored,
            similar_classes=near_twins(names.names),
            warnings=(
                *shared_words(
                    taken.shared,
                    of="`--data`",
                    among="those of `--calibrate`",
                    verb="judge",
                ),
                *class_order.words(known.order, names),
                *(
                    []
                    if config.data == RANDOM
                    else float_agreement.one_class(
                        evaluated.evaluation().float_logits, taken.labels, task, names.names
                    )
                ),
                *float_agreement.words(agreement, _what_helps(config, calibrated)),
            ),
            input_choice=known.choice,
            rungs=quantised.rungs,
            not_tried=quantised.not_tried,
            labels_from=names.source,
            class_order=known.order,
            label_scores=_label_scores(known, chosen, threads),
            instead_of=instead_of,
            float_agreement=agreement,
        )
        if verified.holds:
            publish.publish(
                root, config, network.architecture, names.names, report,
                data_digest=taken.digest,
            )  # fmt: skip
    return report


def _what_helps(config: ImportConfig, calibrated: int) -> list[str]:
    """Return what brings int8 nearer to the float network, in words.

    Args:
        config: How it was quantised.
        calibrated: How many images, or values, decided the ranges.
    """
    what = "values" if config.preprocessing is None else "photos"
    if config.data == RANDOM:
        return [f"real {what} with `--data`"]
    more = [f"more {what} ({calibrated} decided the ranges)"]
    return [
        *(["`--effort default`"] if config.effort == "quick" else []),
        # With half of the most that are taken, twice as many would hardly change the ranges.
        *(more if calibrated < CALIBRATION_IMAGES // 2 else []),
        "`--qat`" if config.qat is None else "more `--qat-steps`",
    ]


def _label_scores(known: Known, file: Path, threads: int) -> tuple[LabelScore, ...]:
    """Return how often the labels are right: the float network's, and those of the files."""
    if known.true is None:
        return ()
    pixels = known.images.held_back
    integers = logits_runner(tflite_reader.read_file(file), threads=threads)(pixels)
    return (
        LabelScore.of(
            "float", float_logits(known.prepared.network, pixels, threads=threads) > 0, known.true
        ),
        *(LabelScore.of(name, integers > 0, known.true) for name in MODELS),
    )


def _quantise(
    folder: Path,
    known: Known,
    config: ImportConfig,
    progress: Progress,
    *,
    calibrated: Callable[[], object],
) -> QuantiseResult:
    """Calibrate and quantise; write `network.npz`, `ptq.tflite` and, if asked, `qat.tflite`.

    `network.npz` is the float network with the channels of the candidate that is shipped.

    `calibrated` is called when LiteRT is idle again.
    """
    prepared, taken = known.prepared, known.images
    network = prepared.network
    checkpoints = folder / stages.CHECKPOINTS
    distillation = None
    if config.data != RANDOM:
        distillation = Distillation(
            seed=0 if config.qat is None else config.qat.seed,
            threads=config.threads,
            folder=checkpoints / stages.DISTILLATION,
            progress=progress,
        )
    quantised = ladder.climb(
        network,
        taken.calibration,
        config.effort,
        task=config.task,
        distillation=distillation,
        folder=checkpoints,
        threads=config.threads,
        progress=progress,
    )
    calibrated()
    integers = quantised.integers
    save_network(folder / "network.npz", quantised.uncorrected)
    files.write_atomic(folder / "ptq.tflite", tflite.write(integers, head=config.export.head))
    if config.qat is not None:
        examples = qat.Examples(
            dataset=known.dataset,
            numbers=known.names.numbers,
            values=taken.calibration,
            test=taken.held_back,
            test_labels=taken.labels,
            float_logits=functools.partial(float_logits, network, threads=config.threads),
        )
        result = qat.quantise_candidates(
            folder, network, quantised, examples, config, progress=progress
        )
        return dataclasses.replace(result, rungs=quantised.rungs, not_tried=quantised.not_tried)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return QuantiseResult(
        candidates=(),
        chosen="ptq",
        reason="ptq is shipped: it is the only candidate",
        rungs=quantised.rungs,
        not_tried=quantised.not_tried,
    )


class _HeldBack:
    """The held-back images with the float network's logits, made once; a context manager.

    LiteRT computes the logits and zlib packs the images in the background, while Python writes the
    int8 files.
    """

    def __init__(self, known: Known, threads: int) -> None:
        self._known, self._threads = without_calibration(known), threads
        self._pool = ThreadPoolExecutor(1)
        self._futures: tuple[Future[Evaluation], Future[bytes]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def start(self) -> tuple[Future[Evaluation], Future[bytes]]:
        """Start, if that was not done."""
        if self._futures is None:
            evaluation = self._pool.submit(self._evaluate)
            packed = self._pool.submit(lambda: held_back.to_bytes(evaluation.result()))
            self._futures = evaluation, packed
        return self._futures

    def evaluation(self) -> Evaluation:
        """Return the images with the logits."""
        return self.start()[0].result()

    def packed(self) -> Future[bytes]:
        """Return the bytes of their file."""
        return self.start()[1]

    def _evaluate(self) -> Evaluation:
        images, logits = self._known.images, self._known.float_logits
        if logits is None:
            network = self._known.prepared.network
            logits = float_logits(network, images.held_back, threads=self._threads)
        return Evaluation(
            pixels=images.held_back, labels=images.labels, names=images.names, float_logits=logits
        )


def _note(
    config: ImportConfig,
    known: Known,
    instead_of: InsteadOf | None,
    *,
    stated: bool,
    licence: str,
) -> str:
    """Return what a user should know of the inputs and outputs, in sentences.

    Args:
        config: How it was quantised.
        known: Its inputs and outputs.
        instead_of: Why `build` does this; None if it is not `build`.
        stated: Whether metadata of the model file say how pixels become the input.
        licence: That of the model file, where nobody said another; empty for none.
    """
    said = []
    if instead_of is not None:
        trained = "" if config.qat else ", which was not trained"
        said.append(f"{instead_of.differs}; the files hold its own graph{trained}")
    if config.data == RANDOM and config.preprocessing is not None:
        said.append(
            "ranges were measured on synthetic images: give photos with `--data` for a file that "
            "is shipped"
        )
    elif config.data == RANDOM:
        said.append(
            "ranges were measured on random values, mean 0 and standard deviation 1: give real "
            "ones with `--data FILE.npy` for a file that is shipped"
        )
    if known.choice is not None:
        said.append(
            f"the file does not say how pixels become its input: {known.choice.chosen} was "
            f"chosen; {input_choice.words(known.choice)}"
        )
    if known.images.unused:
        count = len(known.images.held_back)
        said.append(f"{count} of {count + known.images.unused} photos of `--data` judge")
    metadata = [
        *(["how pixels become the input"] if stated and config.preprocessing is not None else []),
        *(["the names of the classes"] if known.names.source == "file" else []),
        *([f"the licence ({licence})"] if licence else []),
    ]
    if metadata:
        said.append("metadata of the model file say " + " and ".join(metadata))
    if known.names.source == "neighbour":
        said.append("the classes are named by the file of labels beside the model")
    if any(notice.kind == "log_scores" for notice in known.prepared.notices):
        said.append(
            "the model gives logarithms of scores (log_softmax), the files the scores themselves"
        )
    if config.task != "classification":
        said.append(f"the outputs are those of a {config.task} task (`--task`)")
    if known.prepared.border:
        level = known.prepared.network.architecture.scaling[0]
        said.append(
            "the model pads its input with 0, which is a pixel of "
            f"{level - known.prepared.border:g}; the files pad with {level:g}, the nearest level, "
            "so values at the edge differ slightly"
        )
    return "; ".join(said)
