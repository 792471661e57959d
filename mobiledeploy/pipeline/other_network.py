"""Build from a whole model that is none of our networks: from its own graph, as `quantize` does.

Nothing is trained unless quantisation-aware training is asked for, and options that contradict the
file, or would change nothing, are refused.
"""

from collections.abc import Collection, Iterator
from pathlib import Path

from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.progress import Event, Progress
from mobiledeploy.data.dataset import Dataset
from mobiledeploy.network import weight_matching
from mobiledeploy.network.importers.imported import Imported
from mobiledeploy.network.table_matching import scaling_of
from mobiledeploy.network.weight_matching import WholeModel
from mobiledeploy.pipeline import class_order, input_range, prepare, resume, tasks
from mobiledeploy.pipeline import quantize as quantizing
from mobiledeploy.pipeline.preflight import StartingWeights
from mobiledeploy.spec import defaults
from mobiledeploy.spec.channel_scaling import RANGES
from mobiledeploy.spec.config import SCALINGS, BuildConfig, FineTuneConfig, InputRange
from mobiledeploy.spec.results import BuildReport, InsteadOf

_REPEATED = ("quantise", "export", "verify")
"""Stages that there are; nothing is trained."""


def build(
    config: BuildConfig,
    root: Path,
    model: StartingWeights,
    dataset: Dataset,
    why: InsteadOf,
    *,
    asked: Collection[str],
    start: str | None,
    progress: Progress,
) -> BuildReport:
    """Quantise a model's own graph with the photos of a build.

    Args:
        config: The build's configuration.
        root: The build folder.
        model: A whole model.
        dataset: The photos.
        why: Why none of our networks is built.
        asked: Names of the arguments of `defaults.decide` that the caller insists on.
        start: Run this stage and the later ones again.
        progress: Called with what is being done.

    Raises:
        RequestError: An option cannot be used with the file, or its outputs are other classes than
            the folders of photos.
        MobileDeployError: See `quantize.quantize`.
    """
    assert isinstance(model.stored, WholeModel)  # noqa: S101 - weights alone have no graph
    own = weight_matching.image_size_of(model.stored)
    size = (config.model.image_size,) * 2 if own is None else None
    imported = prepare.read_model(model.path, image_size=size)
    _check_options(config, model.stored, imported, why, asked=asked, start=start)
    _check_classes(imported, model.path, dataset)
    fine_tuning = _fine_tuning(config, asked)
    trained = "" if fine_tuning else ", without training"
    progress(Event("import", f"{why.differs}; its own graph is quantised instead{trained}"))
    if start is not None:
        with resume.lock_folder(root):
            resume.delete_results(root, start)
    stated = input_range.is_stated(imported)
    try:
        return quantizing.quantize(
            model.path,
            root,
            data=dataset,
            scaling=None if stated or "input_range" not in asked else RANGES[_range_of(config)],
            crop=config.preprocessing.crop,
            io=config.export.io,
            image_size=size,
            threads=config.train.threads,
            fine_tuning=fine_tuning,
            effort=config.quantise.effort,
            weights_per=config.quantise.weights_per,
            calibration_images=config.quantise.calibration_images,
            calibrate=config.quantise.calibrate or None,
            licence=config.export.license,
            instead_of=why,
            progress=progress,
        )
    except RequestError as error:
        error.hint = f"{error.hint}; `mobiledeploy quantize` has the options that `build` lacks"
        raise


def _fine_tuning(config: BuildConfig, asked: Collection[str]) -> FineTuneConfig | None:
    """Return how the graph is trained with fake quantisation; None unless that is asked for."""
    if not {"qat_steps", "qat_engine"} & set(asked) or not config.quantise.steps:
        return None
    return defaults.decide_fine_tuning(
        steps=config.quantise.steps if "qat_steps" in asked else None, seed=config.train.seed
    )


def _range_of(config: BuildConfig) -> InputRange:
    scaling = config.preprocessing.scaling
    return next(name for name, known in SCALINGS.items() if known == scaling)


def _check_classes(imported: Imported, path: Path, dataset: Dataset) -> None:
    """Check that every folder of photos is a class of the file.

    Raises:
        RequestError: One is not.
    """
    outputs = imported.graph.shapes()[imported.graph.output][-1]
    task = tasks.task_of(imported.graph, outputs, None, path.name)
    classes = tasks.classes_of(task, outputs)
    folders = dataset.class_names
    names = class_order.names_of((), imported, path, folders, classes)
    if not names.known:
        raise RequestError(
            f"expected photos of the {classes} classes of {path.name}, received "
            f"{len(folders)} classes: a new head is trained only on a network of ours",
            hint="if its classes have other names, write them into `labels.txt` beside it, one a "
            "line; `mobiledeploy quantize` takes photos of any classes",
        )


def _check_options(
    config: BuildConfig,
    model: WholeModel,
    imported: Imported,
    why: InsteadOf,
    *,
    asked: Collection[str],
    start: str | None,
) -> None:
    """Check that the options that were given can be used with the file's own graph.

    Raises:
        RequestError: Some cannot; the message names them and says why.
    """
    refused = {
        option: reason
        for name, option, reason in _contradictions(config, model, imported, asked=asked)
        if name in asked
    }
    if start is not None and start not in _REPEATED:
        refused[f"--from {start}"] = f"there are the stages {', '.join(_REPEATED)}"
    if refused:
        listed = ", ".join(f"`{option}` ({reason})" for option, reason in refused.items())
        raise RequestError(
            f"{why.differs}; with its own graph, which is taken instead, some options cannot be "
            f"used: {listed}",
            hint="leave out " + ", ".join(f"`{option.split()[0]}`" for option in refused),
        )


def _contradictions(
    config: BuildConfig, model: WholeModel, imported: Imported, *, asked: Collection[str]
) -> Iterator[tuple[str, str, str]]:
    """Yield arguments of `defaults.decide` that cannot be used: name, option, reason."""
    network, train, export = config.model, config.train, config.export
    table = weight_matching.recognise(model)
    other = "its kernels are not those of this network"
    if table is None or table.arch != network.arch:
        yield "arch", f"--arch {network.arch}", other
    if table is None or table.alpha != network.alpha:
        yield "alpha", f"--alpha {network.alpha:g}", other
    size = imported.graph.input_shape[:-1]
    if size != (network.image_size, network.image_size):
        reason = f"it takes an input of {' x '.join(map(str, size)) or 'numbers'}"
        yield "image_size", f"--image-size {network.image_size}", reason
    name = _range_of(config)
    scaling = scaling_of(imported.graph)
    if scaling is not None and scaling.input_range != name:
        yield "input_range", f"--input-range {name}", "its layers say another one"
    untrained = "it is not trained"
    if train.epochs:
        yield "epochs", f"--epochs {train.epochs}", untrained
    yield "batch_size", f"--batch-size {train.batch_size}", untrained
    yield "learning_rate", f"--learning-rate {train.learning_rate:g}", untrained
    if config.quantise.engine != "folded":
        yield "qat_engine", f"--qat-engine {config.quantise.engine}", "its engine is `folded`"
    if _fine_tuning(config, asked) is None:
        yield "seed", f"--seed {train.seed}", f"{untrained} without `--qat-steps`"
    if not export.int8:
        yield "int8", "--float", "it is quantised"
    scores = tasks.last_operator(imported.graph) in tasks.SCORES
    if (export.head == "softmax") != scores:
        reason = "it ends in scores" if scores else "it ends in logits"
        yield "head", f"--head {export.head}", reason
