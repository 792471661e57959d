"""Quantise somebody's float model: from a model file to a build folder, without TensorFlow.

    import -> simplify -> calibrate -> quantise -> export -> verify -> publish

The folder is one as `build` makes it: `verify` and `bundle` take it.
"""

import dataclasses
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from mobiledeploy.base import files
from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.data import evaluation as held_back
from mobiledeploy.data import sources as data_sources
from mobiledeploy.data.class_names import near_twins
from mobiledeploy.data.dataset import Dataset
from mobiledeploy.data.evaluation import Evaluation
from mobiledeploy.integer import tflite_reader
from mobiledeploy.integer.quantise import quantise as to_integers
from mobiledeploy.network.float_graph import FloatGraph, FloatNode
from mobiledeploy.network.importers import sources
from mobiledeploy.network.importers.imported import Imported, Notice
from mobiledeploy.network.network import Network, save_network
from mobiledeploy.network.simplify.channel_order import fold_channel_order
from mobiledeploy.network.simplify.input_scaling import PIXELS
from mobiledeploy.network.simplify.passes import simplify
from mobiledeploy.network.simplify.to_network import refused_nodes, to_network
from mobiledeploy.ops.tensors import Shape
from mobiledeploy.pipeline import (
    calibrate,
    class_order,
    input_range,
    publish,
    qat,
    resume,
    stages,
    tasks,
    value_inputs,
)
from mobiledeploy.pipeline.quantise_images import CALIBRATION_IMAGES, QuantiseImages, load
from mobiledeploy.runtimes import litert
from mobiledeploy.spec import manifest
from mobiledeploy.spec.channel_scaling import ChannelScaling
from mobiledeploy.spec.config import (
    IMAGE_SIZES,
    RANDOM,
    Crop,
    ExportConfig,
    FineTuneConfig,
    Head,
    ImportConfig,
    Io,
    Preprocessing,
    Task,
)
from mobiledeploy.spec.contract import MODELS
from mobiledeploy.spec.results import (
    BuildReport,
    ClassOrder,
    ExportResult,
    InputChoice,
    InsteadOf,
    LabelScore,
    QuantiseResult,
    ScoreLine,
    StageTime,
    named_recalls,
)
from mobiledeploy.targets import float_tflite, tflite
from mobiledeploy.verify.outputs import input_choice
from mobiledeploy.verify.outputs.parity import decided
from mobiledeploy.verify.report import VerifyReport

SINGLY: Final = 5
"""Most layers of one kind with the same fault that have a line each in an error."""
CHECKED: Final = 64
"""Photos on which the order of the classes is checked, or all that are held back if more."""
BATCH: Final = 16
"""Images of which the float inputs are in memory at a time."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared:
    """An imported network, ready to be quantised.

    Attributes:
        graph: The simplified graph, whose input are scaled pixels.
        network: The same as layers and weights.
        border: See `simplify.input_scaling.ScaledGraph`.
        notices: Of the import.
    """

    graph: FloatGraph
    network: Network
    border: float
    notices: tuple[Notice, ...]


def read_model(
    path: Path, *, image_size: tuple[int, int] | None = None, output: str | None = None
) -> Imported:
    """Return the network of a `.keras`, `.h5`, float `.onnx` or float `.tflite`.

    Args:
        path: The file.
        image_size: Height and width of images, where the file leaves them open.
        output: Name of the output, where an `.onnx` or `.tflite` has several.

    Raises:
        RequestError: There is no such file, or it leaves the size or the output open.
        ConversionError: A layer is not supported; the message names all of them.
        CorruptFileError: The file is damaged.
    """
    imported = sources.read(path, image_size=image_size, output=output)
    if imported.unsupported:
        raise ConversionError(
            f"{path.name}: {_counted(len(imported.unsupported))} not supported:\n  "
            + "\n  ".join(_unsupported(imported)),
            hint="do what the reasons say, or save the network without these layers; "
            "`mobiledeploy convert` takes files that are quantised already",
        )
    return _with_vector(imported)


def _counted(layers: int) -> str:
    return "1 layer is" if layers == 1 else f"{layers} layers are"


def _with_vector(imported: Imported) -> Imported:
    """Return a supported network with a vector as output and channels in the order of pixels.

    Raises:
        ConversionError: See `tasks.as_vector`.
    """
    graph = tasks.as_vector(fold_channel_order(imported.graph))
    return dataclasses.replace(imported, graph=graph)


def _unsupported(imported: Imported) -> Iterator[str]:
    """Yield a line for each layer that is not supported, or for all of one kind and reason."""
    groups: dict[tuple[str, str], list[FloatNode]] = {}
    for node in imported.unsupported:
        groups.setdefault((node.kind, node.attributes["reason"]), []).append(node)
    for (kind, reason), nodes in groups.items():
        if len(nodes) <= SINGLY:
            yield from (f"{node.label}: {reason}" for node in nodes)
        else:
            names = ", ".join(f"`{node.name}`" for node in nodes)
            yield f"{len(nodes)} layers {kind}: {reason}: {names}"


def refusals(imported: Imported, name: str) -> tuple[tuple[FloatNode, str], ...]:
    """Return the layers that are not supported or have no int8 operator, with the reasons.

    Args:
        imported: The network.
        name: Name of its file, for messages.

    Raises:
        RequestError: The file states an input range that pixels cannot have.
        ConversionError: The network does not fit together, or its output is no vector.
    """
    if imported.unsupported:
        return tuple((node, node.attributes["reason"]) for node in imported.unsupported)
    imported = _with_vector(imported)
    if value_inputs.is_image(imported.graph.input_shape) and input_range.is_stated(imported):
        pixels = input_range.of_pixels(imported, None, name)
        return refused_nodes(simplify(pixels, pixels=True).graph)
    return refused_nodes(simplify(imported.graph).graph)


def prepare(imported: Imported, name: str, *, scaling: ChannelScaling | None = None) -> Prepared:
    """Simplify an imported network.

    Args:
        imported: The network.
        name: Name of its file, for messages.
        scaling: How pixels become the network's input, where its file does not say it.

    Raises:
        RequestError: Nobody says how pixels become the network's input, or the file and the caller
            both do.
        ConversionError: A layer cannot be quantised; the message names all of them.
    """
    scaled = simplify(input_range.of_pixels(imported, scaling, name), pixels=True)
    network = to_network(scaled.graph, scaled.scaling)
    return Prepared(
        graph=scaled.graph,
        network=network,
        border=scaled.border,
        notices=imported.notices,
    )


def quantize(
    model: files.Name,
    root: files.Name,
    *,
    data: files.Name | Dataset = RANDOM,
    scaling: ChannelScaling | None = None,
    labels: tuple[str, ...] = (),
    crop: Crop = "center",
    io: Io = "int8",
    task: Task | None = None,
    image_size: tuple[int, int] | None = None,
    output: str | None = None,
    threads: int = 1,
    fine_tuning: FineTuneConfig | None = None,
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
        task: What the outputs are; None: what `tasks.task_of` takes them for.
        image_size: See `read_model`.
        output: See `read_model`.
        threads: Images that run at a time.
        fine_tuning: How the network is fine-tuned with fake quantisation, which needs TensorFlow;
            None: it is not. See `qat`.
        instead_of: Why `build` does this, for the report; None if it is not `build`.
        progress: Called with what is being done.

    Returns:
        The report. If the two files differ, it says so, and the folder holds no finished build.

    Raises:
        MobileDeployError: See `read_model`, `prepare` and `build.build`; neither the file, the
            caller nor the photos say how pixels become the input; the photos say that the classes
            are in another order.
    """
    clock = _Clock()
    if fine_tuning is not None:
        qat.check_request(random=not isinstance(data, Dataset) and data == RANDOM)
    root, path = files.user_path(root), files.user_path(model)
    progress(Event("import", "reading the model"))
    imported = read_model(path, image_size=image_size, output=output)
    outputs = imported.graph.shapes()[imported.graph.output][-1]
    task = tasks.task_of(imported.graph, outputs, task, path.name)
    classes = tasks.classes_of(task, outputs)
    if fine_tuning is not None:
        unscaled = to_network(simplify(imported.graph).graph, PIXELS)
        qat.check_network(unscaled.architecture, fine_tuning, task)
    if _takes_values(imported, data):
        known = _of_values(
            imported, path, data, scaling, labels, task, classes, fine_tuning, clock=clock
        )
    else:
        known = _of_photos(
            imported, path, data, scaling, labels, crop, task, classes, fine_tuning,
            threads=threads, clock=clock, progress=progress,
        )  # fmt: skip
    del imported  # its weights, which the simplified network holds folded
    if task == "multi-label":
        known = _with_several_labels(known, classes)
    prepared, taken, names = known.prepared, known.images, known.names
    network = prepared.network
    head: Head = "softmax" if network.architecture.output.op in tasks.SCORES else "logits"
    config = ImportConfig(
        model=path.name,
        sha256=files.sha256(path),
        data=data.name if isinstance(data, Dataset) else str(data),
        preprocessing=known.preprocessing,
        mean=() if known.scaling is None else known.scaling.mean,
        std=() if known.scaling is None else known.scaling.std,
        bgr=known.scaling is not None and known.scaling.bgr,
        calibration_images=CALIBRATION_IMAGES,
        threads=threads,
        export=ExportConfig(int8=True, io=io, head=head),
        task=task,
        qat=fine_tuning,
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
        known = _without_calibration(known)
        taken = known.images
        chosen = root / "quantise" / f"{quantised.chosen}.tflite"
        exported, export_time = resume.run(
            "export",
            ExportResult,
            (*made_of, files.sha256(chosen)),
            lambda folder: stages.export(folder, root, network, chosen, config.export),
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
        report = BuildReport(
            scores=tuple(scores),
            reason=quantised.reason if quantised.candidates else "",
            note=_note(config, known, instead_of),
            unreadable=tuple(dict.fromkeys((*taken.unreadable, *quantised.unreadable))),
            files=exported.files,
            verdict=verified.verdict,
            holds=verified.holds,
            times=(*clock.times(), quantise_time, export_time, verify_time),
            recalls=named_recalls(verified.scores[-1].recalls, names.names) if scores else (),
            ignored=taken.ignored,
            similar_classes=near_twins(names.names),
            warnings=tuple(class_order.words(known.order, names, taken.folders)),
            input_choice=known.choice,
            labels_from=names.source,
            class_order=known.order,
            label_scores=_label_scores(known, chosen, threads),
            instead_of=instead_of,
        )
        if verified.holds:
            publish.publish(
                root, config, network.architecture, names.names, report,
                data_digest=taken.digest,
            )  # fmt: skip
    return report


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Known:
    """A network whose input and classes are known, and images for it.

    Attributes:
        prepared: The network.
        images: The images.
        names: The names of the classes.
        preprocessing: How photos become its input; None if it takes none.
        scaling: How pixels become its input; None if its file says so.
        choice: How `scaling` was chosen; None if it was given.
        order: Whether the order of the classes fits; None without labelled photos.
        float_logits: The float network's logits of the held-back images; None if they were not
            needed so far.
        dataset: The photos; None if they are synthetic, or values.
        true: Whether each label holds for each of the held-back images, shape (images, labels), if
            several may; None otherwise, and if it is not known.
    """

    prepared: Prepared
    images: QuantiseImages
    names: class_order.Names
    preprocessing: Preprocessing | None
    scaling: ChannelScaling | None = None
    choice: InputChoice | None = None
    order: ClassOrder | None = None
    float_logits: npt.NDArray[np.float32] | None = None
    dataset: Dataset | None = None
    true: npt.NDArray[np.bool_] | None = None


def _with_several_labels(known: _Known, classes: int) -> _Known:
    """Return it with the labels of each image in place of its one class.

    That an image is in a folder says that it has no other label.
    """
    labels = known.images.labels
    if labels is not None and labels.ndim == 1:
        labels = np.eye(classes, dtype=np.int64)[labels]
    return dataclasses.replace(
        known,
        true=None if labels is None else labels != 0,
        images=dataclasses.replace(known.images, labels=None, calibration_labels=None),
    )


def _label_scores(known: _Known, file: Path, threads: int) -> tuple[LabelScore, ...]:
    """Return how often the labels are right: the float network's, and those of the files."""
    if known.true is None:
        return ()
    pixels = known.images.held_back
    integers = stages.logits_runner(tflite_reader.read_file(file), threads=threads)(pixels)
    return (
        LabelScore.of("float", _float_logits(known.prepared, pixels, threads) > 0, known.true),
        *(LabelScore.of(name, integers > 0, known.true) for name in MODELS),
    )


def _takes_values(imported: Imported, data: files.Name | Dataset) -> bool:
    """Whether a network gets values of a file, or random ones since it takes no images."""
    if isinstance(data, Dataset):
        return False
    if data == RANDOM:
        return not value_inputs.is_image(imported.graph.input_shape)
    return value_inputs.is_file(data)


def _of_values(
    imported: Imported,
    path: Path,
    data: files.Name | Dataset,
    scaling: ChannelScaling | None,
    labels: tuple[str, ...],
    task: Task,
    classes: int,
    fine_tuning: FineTuneConfig | None,
    *,
    clock: "_Clock",
) -> _Known:
    """Return a network with values of a file, or random ones.

    Raises:
        RequestError: See `value_inputs.read`; or an input range was given, which is for pixels.
    """
    if scaling is not None:
        raise RequestError(
            f"{path.name} takes values, no pixels, but an input range was given",
            hint="leave out `--input-range`, `--mean` and `--std`",
        )
    shape = imported.graph.input_shape
    names = class_order.names_of(labels, imported, path, (), classes)
    qat.check_labels(fine_tuning, known=names.known)
    clock.lap("import")
    if data == RANDOM or isinstance(data, Dataset):
        values = value_inputs.random(shape)
    else:
        values = value_inputs.read(
            files.user_path(data), shape, classes, several=task == "multi-label"
        )
    clock.lap("data")
    graph = simplify(imported.graph).graph
    network = to_network(graph, values.scaling)
    return _Known(
        prepared=Prepared(graph=graph, network=network, border=0.0, notices=imported.notices),
        images=QuantiseImages(
            calibration=values.calibration,
            calibration_labels=None,
            held_back=values.held_back,
            labels=values.labels,
            names=values.names,
            unreadable=(),
            ignored={},
            folders=(),
            digest=values.digest,
        ),
        names=names,
        preprocessing=None,
    )


def _of_photos(
    imported: Imported,
    path: Path,
    data: files.Name | Dataset,
    scaling: ChannelScaling | None,
    labels: tuple[str, ...],
    crop: Crop,
    task: Task,
    classes: int,
    fine_tuning: FineTuneConfig | None,
    *,
    threads: int,
    clock: "_Clock",
    progress: Progress,
) -> _Known:
    """Find out how pixels become a network's input, and which class each output is.

    What cannot be quantised is refused before photos are read. Arguments and errors are those of
    `quantize`.
    """
    seen = _seen(imported.graph.input_shape, crop)
    decides = task in {"classification", "binary"}
    prepared = None
    if scaling is not None or input_range.is_stated(imported):
        prepared = prepare(imported, path.name, scaling=scaling)
    else:
        to_network(simplify(imported.graph).graph, PIXELS)
        if not isinstance(data, Dataset) and data == RANDOM:
            raise input_range.not_known(path.name)
    clock.lap("import")
    dataset = data if isinstance(data, Dataset) else None
    if not isinstance(data, Dataset) and data != RANDOM:
        dataset = data_sources.open_dataset(
            os.fspath(data), purpose="calibration", progress=progress
        )
    folders = () if dataset is None or task == "regression" else dataset.class_names
    names = class_order.names_of(labels, imported, path, folders, classes)
    if prepared is None and not (names.known and decides):
        raise input_range.not_known(path.name)
    qat.check_labels(fine_tuning, known=names.known)
    images = load(dataset, names, seen, threads=threads, progress=progress)
    if task == "regression":
        images = dataclasses.replace(images, folders=())
    clock.lap("data")
    choice = None
    if prepared is None:
        choice = input_range.choose(
            imported.graph,
            *images.labelled(input_choice.TRIED),
            tuple(class_order.orders(names.names).values()),
            threads=threads,
            progress=progress,
        )
        scaling = input_range.chosen(choice, path.name)
        prepared = prepare(imported, path.name, scaling=scaling)
    order, float_logits = None, None
    if images.labels is not None and decides:
        pixels, truth = images.labelled(CHECKED)
        logits = _float_logits(prepared, pixels, threads)
        float_logits = logits[: len(images.held_back)]
        order = class_order.check(decided(logits), truth, names.names)
        class_order.require_plausible(order, names, labels=True)
    clock.lap("check")
    mean, std = prepared.network.architecture.scaling
    return _Known(
        prepared=prepared,
        images=images,
        names=names,
        preprocessing=dataclasses.replace(seen, mean=mean, std=std),
        scaling=scaling,
        choice=choice,
        order=order,
        float_logits=float_logits,
        dataset=dataset,
    )


def _quantise(
    folder: Path,
    known: _Known,
    config: ImportConfig,
    progress: Progress,
    *,
    calibrated: Callable[[], object],
) -> QuantiseResult:
    """Calibrate and quantise; write `network.npz`, `ptq.tflite` and, if asked, `qat.tflite`.

    `calibrated` is called when LiteRT is idle again.
    """
    prepared, taken = known.prepared, known.images
    network = prepared.network
    ranges = calibrate.calibrate(
        network, taken.calibration, threads=config.threads, progress=progress
    )
    calibrated()
    integers = to_integers(network, ranges)
    save_network(folder / "network.npz", network)
    files.write_atomic(folder / "ptq.tflite", tflite.write(integers, head=config.export.head))
    if config.qat is not None:
        examples = qat.Examples(
            dataset=known.dataset,
            numbers=known.names.numbers,
            values=taken.calibration,
            test=taken.held_back,
            test_labels=taken.labels,
            float_logits=lambda pixels: _float_logits(prepared, pixels, config.threads),
        )
        return qat.quantise_candidates(
            folder, network, integers, ranges, examples, config, progress=progress
        )
    return QuantiseResult(
        candidates=(), chosen="ptq", reason="ptq is shipped: it is the only candidate"
    )


def _without_calibration(known: _Known) -> _Known:
    """Return what is known without the images that decided the ranges, to free their memory."""
    images = dataclasses.replace(known.images, calibration=known.images.calibration[:0].copy())
    return dataclasses.replace(known, images=images)


def _seen(shape: Shape, crop: Crop) -> Preprocessing:
    """Return how photos become an input of a shape; mean and std are not known yet.

    Raises:
        RequestError: It is no image.
    """
    if not value_inputs.is_image(shape):
        raise RequestError(
            f"expected a network of images with 1 or 3 channels and sides of "
            f"{IMAGE_SIZES[0]} to {IMAGE_SIZES[1]} pixels, received an input of shape {shape}",
            hint="for other inputs name a file of values, `--data FILE.npy` or `FILE.npz`",
        )
    height, width, channels = shape
    return Preprocessing(
        image_size=height,
        image_width=None if width == height else width,
        crop=crop,
        colour="grey" if channels == 1 else "rgb",
    )


def _inputs(pixels: npt.NDArray[np.uint8], network: Network) -> npt.NDArray[np.float32]:
    mean, std = network.architecture.scaling
    values = pixels.astype(np.float32)
    values -= np.float32(mean)
    values /= np.float32(std)
    return values


def _float_logits(
    prepared: Prepared, pixels: npt.NDArray[np.uint8], threads: int
) -> npt.NDArray[np.float32]:
    """Return the float network's logits, shape (images, classes)."""
    architecture = prepared.network.architecture
    graph = dataclasses.replace(prepared.graph, output=architecture.logits.name)
    session = litert.load(float_tflite.write(graph), threads=threads)
    batches = (pixels[start : start + BATCH] for start in range(0, len(pixels), BATCH))
    logits = [session.run(_inputs(batch, prepared.network))[0] for batch in batches]
    return np.concatenate(logits).reshape(len(pixels), architecture.classes)


class _HeldBack:
    """The held-back images with the float network's logits, made once; a context manager.

    LiteRT computes the logits and zlib packs the images in the background, while Python writes the
    int8 files.
    """

    def __init__(self, known: _Known, threads: int) -> None:
        self._known, self._threads = _without_calibration(known), threads
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
            logits = _float_logits(self._known.prepared, images.held_back, self._threads)
        return Evaluation(
            pixels=images.held_back, labels=images.labels, names=images.names, float_logits=logits
        )


def _note(config: ImportConfig, known: _Known, instead_of: InsteadOf | None) -> str:
    """Return what a user should know of the inputs and outputs, in sentences."""
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


class _Clock:
    """Seconds of each stage."""

    def __init__(self) -> None:
        self._last, self._times = time.perf_counter(), list[StageTime]()

    def lap(self, stage: str) -> None:
        """End a stage."""
        now = time.perf_counter()
        self._times.append(StageTime(stage=stage, seconds=now - self._last))
        self._last = now

    def times(self) -> tuple[StageTime, ...]:
        """Return all stages so far."""
        return tuple(self._times)
