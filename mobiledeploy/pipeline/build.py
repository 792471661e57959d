"""Run the stages of a build in order.

    data -> train -> quantise -> export -> verify -> publish

Each stage writes into a folder of its own; a result whose inputs have not changed is reused
(`resume.py`). The stages themselves are in `stages.py`. `publish` then writes the build's files to
the top of the build folder.
"""

import dataclasses
from collections.abc import Collection
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mobiledeploy.base import files
from mobiledeploy.base.errors import ParityError, RequestError
from mobiledeploy.base.progress import Progress, silent
from mobiledeploy.data import pixel_store, sources
from mobiledeploy.data.class_names import near_twins
from mobiledeploy.data.dataset import Dataset
from mobiledeploy.data.evaluation import Evaluation
from mobiledeploy.data.pixels import Images
from mobiledeploy.network.network import load_network
from mobiledeploy.pipeline import (
    class_order,
    float_agreement,
    other_network,
    preflight,
    publish,
    resume,
    stages,
)
from mobiledeploy.pipeline.quantise_images import ignored, shared_words
from mobiledeploy.spec import defaults, manifest
from mobiledeploy.spec.config import BuildConfig
from mobiledeploy.spec.results import (
    BuildReport,
    DataResult,
    ExportResult,
    FloatAgreement,
    InsteadOf,
    QuantiseResult,
    ScoreLine,
    StageTime,
    TrainResult,
    named_recalls,
)
from mobiledeploy.targets.description import Described
from mobiledeploy.verify.outputs.accuracy import FLOAT
from mobiledeploy.verify.outputs.image_sets import Photos
from mobiledeploy.verify.report import VerifyReport


def build(
    config: BuildConfig,
    root: files.Name,
    *,
    progress: Progress = silent,
    start: str | None = None,
    asked: Collection[str] | None = None,
) -> BuildReport:
    """Train, quantise, export and verify a model; reuse the results of stages that are up to date.

    A whole model as weights that is none of our networks is quantised with its own graph, see
    `other_network`.

    Args:
        config: The configuration; `defaults.decide` makes one.
        root: The build folder.
        progress: Called with what is being done.
        start: Run this stage and the later ones again, even if they are up to date.
        asked: Names of the arguments of `defaults.decide` that the caller insists on: with a
            model's own graph some cannot be used. None: those that are no defaults.

    Returns:
        The report. If the two files differ, it says so, and the folder holds the stages' files but
        no finished build; see `require`.

    Raises:
        RequestError: The request cannot be met: options, data or weights that do not fit.
        MissingDependencyError: A package that the build needs is not installed.
        CorruptFileError: The weights are damaged.
        ParityError: The network's outputs are the same for all images, so that they prove nothing.
        StorageError: The folder cannot be written, or another build is running in it.
    """
    root = files.user_path(root)
    if start is not None and start not in resume.STAGES:
        raise RequestError(
            f"expected a stage of {', '.join(resume.STAGES)}; received {start}",
            hint=f"name one with `--from`: {', '.join(resume.STAGES)}",
        )
    preflight.check_packages(config)
    preflight.check_folders(config, root)
    weights = preflight.starting_weights(config, progress=progress)
    with resume.lock_folder(root):
        dataset = sources.open_dataset(config.data, progress=progress)
        differs = preflight.difference(config, weights, classes=len(dataset.class_names))
        if weights is None or not differs:
            return _build(config, root, dataset, weights, start=start, progress=progress)
    return other_network.build(
        config,
        root,
        weights,
        dataset,
        InsteadOf(network=preflight.network_name(config), differs=differs),
        asked=defaults.asked(config) if asked is None else asked,
        start=start,
        progress=progress,
    )


def _build(
    config: BuildConfig,
    root: Path,
    dataset: Dataset,
    weights: preflight.StartingWeights | None,
    *,
    start: str | None,
    progress: Progress,
) -> BuildReport:
    """Run the stages in a folder that is locked."""
    apart, held_back = _apart(config, dataset, progress)
    data_digest = dataset.digest
    if apart is not None:
        data_digest = resume.digest(dataset.digest, apart.dataset.digest)
    versions = tuple(sorted(manifest.versions().items()))
    threads = config.train.threads
    publish.withdraw(root)
    if start is not None:
        resume.delete_results(root, start)

    data, data_time = resume.run(
        "data",
        DataResult,
        (dataset.digest, config.preprocessing, versions),
        lambda folder: pixel_store.write(
            folder, dataset, config.preprocessing, threads=threads, progress=progress
        ),
        root=root,
        progress=progress,
    )
    splits = pixel_store.read(root / "data")

    made_of = (dataset.digest, config.model, config.preprocessing, config.train, versions)
    trained, train_time = resume.run(
        "train",
        TrainResult,
        (*made_of, weights.digest if weights else ""),
        lambda folder: stages.train(
            folder,
            splits,
            data.class_names,
            config,
            weights=weights.stored if weights else None,
            progress=progress,
        ),
        root=root,
        progress=progress,
    )
    network = load_network(root / "train" / "network.npz")

    quantised, quantise_time = QuantiseResult(candidates=(), chosen="", reason=""), None
    if config.export.int8:
        quantised, quantise_time = resume.run(
            "quantise",
            QuantiseResult,
            (
                *made_of,
                trained,
                config.quantise,
                files.sha256(root / "train/network.npz"),
                *(() if apart is None else (apart.dataset.digest,)),
            ),
            lambda folder: stages.quantise_candidates(
                folder, splits, network, config, apart=apart, progress=progress
            ),
            root=root,
            progress=progress,
        )
    chosen = root / "quantise" / f"{quantised.chosen}.tflite" if quantised.chosen else None

    described = Described(
        name=network.architecture.name,
        license=config.export.license,
        preprocessing=config.preprocessing,
        task="classification",
        classes=data.class_names,
    )
    source = files.sha256(chosen or root / "train" / "network.npz")
    exported, export_time = resume.run(
        "export",
        ExportResult,
        (source, config.export, described, versions),
        lambda folder: stages.export(folder, root, network, chosen, config.export, described),
        root=root,
        progress=progress,
    )

    verified, verify_time = resume.run(
        "verify",
        VerifyReport,
        (exported, dataset.digest, config.preprocessing, config.export, versions),
        lambda folder: stages.verify(
            folder,
            _evaluation(root, splits["test"]),
            root / "export",
            config,
            threads=threads,
            progress=progress,
        ),
        root=root,
        progress=progress,
    )

    agreement = float_agreement.measured(verified, "classification", synthetic=False)
    times = (data_time, train_time, quantise_time, export_time, verify_time)
    report = dataclasses.replace(
        _report(data, trained, quantised, exported, verified, tuple(t for t in times if t)),
        ignored=dataset.ignored if apart is None else ignored(dataset, apart.dataset),
        similar_classes=near_twins(dataset.class_names),
        class_order=trained.class_order,
        input_choice=trained.input_choice,
        rungs=quantised.rungs,
        not_tried=quantised.not_tried,
        warnings=_warnings(
            config,
            dataset,
            trained,
            agreement,
            held_back=held_back,
            logits=np.load(root / "train" / "logits.npy", allow_pickle=False),
            labels=splits["test"].labels,
        ),
        float_agreement=agreement,
    )
    if verified.holds:
        publish.publish(
            root,
            config,
            network.architecture,
            data.class_names,
            report,
            data_digest=data_digest,
        )
    return report


def _warnings(
    config: BuildConfig,
    dataset: Dataset,
    trained: TrainResult,
    agreement: FloatAgreement | None,
    *,
    held_back: tuple[str, ...],
    logits: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
) -> tuple[str, ...]:
    """Return what a user should know although the files agree.

    Args:
        config: The build's configuration.
        dataset: The photos.
        trained: What the training said.
        agreement: How often int8 answers as the float network does.
        held_back: Photos that do not calibrate since they decide or judge.
        logits: The float network's, of the test images.
        labels: The classes of these.
    """
    names = dataset.class_names
    qat = "more `--qat-steps`" if config.quantise.steps else "training with `--qat-steps`"
    order = class_order.words(trained.class_order, class_order.of_folders(names))
    return (
        *shared_words(
            held_back,
            of="`--calibrate`",
            among="those of `--data` that decide or judge",
            verb="calibrate",
        ),
        *(f"before training, {warning}" for warning in order),
        *float_agreement.one_class(
            logits,
            labels,
            "classification",
            names,
            helps="train longer (`--epochs`) or with a lower `--learning-rate`; weights need the "
            "`--input-range` that they were trained with",
        ),
        *float_agreement.words(agreement, ("more photos", qat)),
    )


def _apart(
    config: BuildConfig, dataset: Dataset, progress: Progress
) -> tuple[Photos | None, tuple[str, ...]]:
    """Return photos apart from the data that decide the ranges, and names of those that cannot.

    A photo of the validation or test split does not calibrate.

    Raises:
        RequestError: There are none, or all are of these splits.
    """
    if not config.quantise.calibrate:
        return None, ()
    apart = sources.open_dataset(
        config.quantise.calibrate, purpose="comparison", progress=progress
    )
    judging = np.concatenate([dataset.splits["validation"], dataset.splits["test"]])
    known = {dataset.contents[row] for row in judging.tolist()}
    rows = np.array([content not in known for content in apart.contents])
    if not rows.any():
        raise RequestError(
            "expected photos that calibrate, received only such as are among the validation and "
            "test images of `--data`",
            hint="name other photos with `--calibrate`, or leave it out: training images "
            "calibrate then",
        )
    names = tuple(apart.image_names[row] for row in np.flatnonzero(~rows))
    return Photos(dataset=apart, rows=np.flatnonzero(rows)), names


def _evaluation(root: Path, test: Images) -> Evaluation:
    return Evaluation(
        pixels=np.ascontiguousarray(test.pixels),
        labels=test.labels,
        names=test.names,
        float_logits=np.load(root / "train" / "logits.npy", allow_pickle=False),
    )


def require(report: BuildReport) -> None:
    """Raise an error unless a build's two files are the same function.

    Raises:
        ParityError: They are not.
    """
    if not report.holds:
        raise ParityError(
            f"the proof {report.verdict}",
            hint="verify/report.json in the build folder has the details",
        )


def _report(
    data: DataResult,
    trained: TrainResult,
    quantised: QuantiseResult,
    exported: ExportResult,
    verified: VerifyReport,
    times: tuple[StageTime, ...],
) -> BuildReport:
    by_file = {score.file: score for score in verified.scores}
    original = by_file.get(FLOAT)
    lines = [
        ScoreLine(
            name="float",
            test=trained.test,
            shipped=not quantised.candidates,
            balanced=None if original is None else original.balanced,
        )
    ]
    lines += stages.candidate_lines(quantised)
    lines += [
        ScoreLine(name=name, test=score.labels, shipped=True, balanced=score.balanced)
        for name, score in by_file.items()
        if name != FLOAT
    ]
    return BuildReport(
        scores=tuple(lines),
        reason=quantised.reason,
        note=trained.note,
        unreadable=tuple(dict.fromkeys((*data.unreadable, *quantised.unreadable))),
        files=exported.files,
        verdict=verified.verdict,
        holds=verified.holds,
        times=times,
        recalls=named_recalls(verified.scores[-1].recalls, data.class_names),
    )
