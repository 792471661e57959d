"""Quantise somebody's float model: from a model file to a build folder, without TensorFlow.

    import -> simplify -> calibrate -> quantise -> export -> verify -> publish

The folder is one as `build` makes it: `verify` and `bundle` take it.
"""

import dataclasses
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base import files
from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.data import sources as data_sources
from mobiledeploy.data.class_names import near_twins
from mobiledeploy.data.dataset import Dataset
from mobiledeploy.data.evaluation import Evaluation
from mobiledeploy.data.pixels import load_pixels
from mobiledeploy.integer.quantise import quantise as to_integers
from mobiledeploy.network.float_graph import FloatGraph
from mobiledeploy.network.importers import sources
from mobiledeploy.network.importers.imported import Imported
from mobiledeploy.network.network import Network, save_network
from mobiledeploy.network.simplify.input_scaling import PIXELS
from mobiledeploy.network.simplify.passes import simplify
from mobiledeploy.network.simplify.to_network import to_network
from mobiledeploy.ops.architecture import INPUT as NETWORK_INPUT
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
from mobiledeploy.spec.results import (
    BuildReport,
    ClassOrder,
    ExportResult,
    InputChoice,
    QuantiseResult,
    ScoreLine,
    StageTime,
)
from mobiledeploy.targets import float_tflite, tflite
from mobiledeploy.verify.outputs import image_sets, input_choice
from mobiledeploy.verify.outputs.image_sets import evenly
from mobiledeploy.verify.outputs.parity import decided
from mobiledeploy.verify.report import VerifyReport

CALIBRATION_IMAGES: Final = 256
HELD_BACK_IMAGES: Final = 256
"""Synthetic images on which the two files are compared where there are no photos."""
CHECKED: Final = 64
"""Photos on which the order of the classes is checked, or all that are held back if more."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared:
    """An imported network, ready to be quantised.

    Attributes:
        imported: The network and what its file says.
        graph: The simplified graph, whose input are scaled pixels.
        network: The same as layers and weights.
        border: See `simplify.input_scaling.ScaledGraph`.
    """

    imported: Imported
    graph: FloatGraph
    network: Network
    border: float


def read_model(path: Path) -> Imported:
    """Return the network of a `.keras`, `.h5`, float `.onnx` or float `.tflite`.

    Raises:
        RequestError: There is no such file.
        ConversionError: A layer is not supported; the message names all of them.
        CorruptFileError: The file is damaged.
    """
    imported = sources.read(path)
    if imported.unsupported:
        raise ConversionError(
            f"{path.name}: {len(imported.unsupported)} layers are not supported:\n  "
            + "\n  ".join(
                f"{node.label}: {node.attributes['reason']}" for node in imported.unsupported
            ),
            hint="leave these layers out, or save the network without them",
        )
    return dataclasses.replace(imported, graph=tasks.as_vector(imported.graph))


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
    return Prepared(imported=imported, graph=scaled.graph, network=network, border=scaled.border)


def quantize(
    model: files.Name,
    root: files.Name,
    *,
    data: files.Name = RANDOM,
    scaling: ChannelScaling | None = None,
    labels: tuple[str, ...] = (),
    crop: Crop = "center",
    io: Io = "int8",
    task: Task | None = None,
    threads: int = 1,
    fine_tuning: FineTuneConfig | None = None,
    progress: Progress = silent,
) -> BuildReport:
    """Quantise a model file, and write a build folder.

    Args:
        model: See `read_model`.
        root: The build folder.
        data: A folder of photos with one sub-folder a class, `digits`, a file of values (see
            `value_inputs.read`), or `random` for synthetic images or values.
        scaling: How pixels become the network's input, where its file does not say it; None: it is
            chosen by labelled photos, see `input_range.choose`.
        labels: Names of the classes in the order of the output; otherwise those of the file, of a
            file of labels beside it, of the data's folders if there are as many, or numbers.
        crop: How a photo gets the input's proportions.
        io: Type of the files' input and output.
        task: What the outputs are; None: what `tasks.task_of` takes them for.
        threads: Images that run at a time.
        fine_tuning: How the network is fine-tuned with fake quantisation, which needs TensorFlow;
            None: it is not. See `qat`.
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
        qat.check_request(os.fspath(data))
    root, path = files.user_path(root), files.user_path(model)
    progress(Event("import", "reading the model"))
    imported = read_model(path)
    outputs = imported.graph.shapes()[imported.graph.output][-1]
    task = tasks.task_of(imported.graph, outputs, task, path.name)
    clock.lap("import")
    asked = _Asked(
        imported=imported, path=path, data=os.fspath(data), task=task, scaling=scaling,
        labels=labels, crop=crop, threads=threads, fine_tuning=fine_tuning, progress=progress,
        clock=clock,
    )  # fmt: skip
    values = value_inputs.is_file(data) or (
        data == RANDOM and not value_inputs.is_image(imported.graph.input_shape)
    )
    ready = _with_values(asked, outputs) if values else _with_photos(asked, outputs)
    prepared, taken, names = ready.prepared, ready.taken, ready.names
    network = prepared.network
    head: Head = "softmax" if network.architecture.output.op in tasks.SCORES else "logits"
    scaling = ready.scaling
    config = ImportConfig(
        model=path.name,
        sha256=files.sha256(path),
        data=str(data),
        preprocessing=ready.preprocessing,
        mean=() if scaling is None else scaling.mean,
        std=() if scaling is None else scaling.std,
        calibration_images=CALIBRATION_IMAGES,
        threads=threads,
        export=ExportConfig(int8=True, io=io, head=head),
        task=task,
        qat=fine_tuning,
    )
    with resume.lock_folder(root):
        publish.withdraw(root)
        versions = tuple(sorted(manifest.versions().items()))
        made_of = (config, taken.digest, names.names, versions)
        quantised, quantise_time = resume.run(
            "quantise",
            QuantiseResult,
            made_of,
            lambda folder: _quantise(folder, ready, config, progress),
            root=root,
            progress=progress,
        )
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
                Evaluation(
                    pixels=taken.held_back,
                    labels=taken.labels,
                    names=taken.names,
                    float_logits=_float_logits(prepared, taken.held_back, threads),
                ),
                root / "export",
                config,
                threads=threads,
                progress=progress,
            ),
            root=root,
            progress=progress,
        )
        scores = [
            ScoreLine(name=score.file, test=score.labels, shipped=score.file != "float")
            for score in verified.scores
        ]
        if scores:
            scores[1:1] = [
                ScoreLine(
                    name=f"{each.name} int8", test=each.test, shipped=each.name == quantised.chosen
                )
                for each in quantised.candidates
            ]
        report = BuildReport(
            scores=tuple(scores),
            reason=quantised.reason if quantised.candidates else "",
            note=_note(config, ready),
            unreadable=tuple(dict.fromkeys((*taken.unreadable, *quantised.unreadable))),
            files=exported.files,
            verdict=verified.verdict,
            holds=verified.holds,
            times=(*clock.times(), quantise_time, export_time, verify_time),
            ignored=ready.ignored,
            similar_classes=near_twins(names.names),
            warnings=tuple(class_order.words(ready.order, names, ready.folders)),
            input_choice=ready.choice,
            labels_from=names.source,
            class_order=ready.order,
        )
        if verified.holds:
            publish.publish(
                root, config, network.architecture, names.names, report,
                data_digest=taken.digest,
            )  # fmt: skip
    return report


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Asked:
    """An imported network and what the caller asks for."""

    imported: Imported
    path: Path
    data: str
    task: Task
    scaling: ChannelScaling | None
    labels: tuple[str, ...]
    crop: Crop
    threads: int
    fine_tuning: FineTuneConfig | None
    progress: Progress
    clock: "_Clock"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Ready:
    """A network with the images or values that it is quantised on.

    Attributes:
        prepared: The network.
        taken: Its inputs.
        names: Names of the classes.
        preprocessing: How photos become its input; None if it takes none.
        scaling: What was given or chosen where the file does not say how pixels become its input.
        folders: Names of the photos' folders.
        choice: How the scaling was chosen, if it was.
        order: How well the order of the classes fits, if that is known.
        ignored: Numbers of files that are no photos, by suffix.
        dataset: The photos; None if they are synthetic, or values.
    """

    prepared: Prepared
    taken: "_Images"
    names: class_order.Names
    preprocessing: Preprocessing | None = None
    scaling: ChannelScaling | None = None
    folders: tuple[str, ...] = ()
    choice: InputChoice | None = None
    order: ClassOrder | None = None
    ignored: Mapping[str, int] = dataclasses.field(default_factory=dict)
    dataset: Dataset | None = None


def _check_training(asked: _Asked, network: Network, names: class_order.Names) -> None:
    if asked.fine_tuning is not None:
        qat.check_network(network, asked.fine_tuning, asked.task, known=names.known)


def _with_values(asked: _Asked, outputs: int) -> _Ready:
    """Return a network that takes no images, with values of a file or random ones.

    Raises:
        RequestError: See `value_inputs.read`; or an input range was given, which is for pixels.
    """
    if asked.scaling is not None:
        raise RequestError(
            f"{asked.path.name} takes values, no pixels, but an input range was given",
            hint="leave out `--input-range`, `--mean` and `--std`",
        )
    shape, classes = asked.imported.graph.input_shape, tasks.classes_of(asked.task, outputs)
    if asked.data == RANDOM:
        values = value_inputs.random(shape)
    else:
        values = value_inputs.read(files.user_path(asked.data), shape, classes)
    names = class_order.names_of(asked.labels, asked.imported, asked.path, (), classes)
    asked.clock.lap("data")
    graph = simplify(asked.imported.graph).graph
    prepared = Prepared(
        imported=asked.imported, graph=graph, network=to_network(graph, values.scaling), border=0.0
    )
    _check_training(asked, prepared.network, names)
    taken = _Images(
        calibration=values.calibration,
        calibration_labels=None,
        held_back=values.held_back,
        labels=None if asked.task == "regression" else values.labels,
        names=values.names,
        unreadable=(),
        digest=values.digest,
    )
    return _Ready(prepared=prepared, taken=taken, names=names)


def _with_photos(asked: _Asked, outputs: int) -> _Ready:
    """Return a network with photos or synthetic images.

    Raises:
        RequestError: Its input is no image; nobody says how pixels become its input; the photos
            say that the classes are in another order.
    """
    imported, path, scaling = asked.imported, asked.path, asked.scaling
    seen = _seen(imported.graph.input_shape, asked.crop)
    dataset = None
    if asked.data != RANDOM:
        dataset = data_sources.open_dataset(asked.data, progress=asked.progress)
    decides = asked.task in {"classification", "binary"}
    folders = () if dataset is None or asked.task == "regression" else dataset.class_names
    classes = tasks.classes_of(asked.task, outputs)
    names = class_order.names_of(asked.labels, imported, path, folders, classes)
    tried = scaling is None and not input_range.is_stated(imported)
    if tried and not (names.known and decides):
        raise input_range.not_known(path.name)
    if tried or asked.fine_tuning:
        unscaled = to_network(simplify(imported.graph).graph, PIXELS)
        _check_training(asked, unscaled, names)  # what cannot be done is refused before photos
    taken = _images(dataset, names, seen, threads=asked.threads, progress=asked.progress)
    asked.clock.lap("data")
    choice = None
    if tried:
        choice = input_range.choose(
            imported.graph,
            *taken.labelled(input_choice.TRIED),
            tuple(class_order.orders(names.names).values()),
            threads=asked.threads,
            progress=asked.progress,
        )
        scaling = input_range.chosen(choice, path.name)
    prepared = prepare(imported, path.name, scaling=scaling)
    order = None
    if taken.labels is not None and decides:
        pixels, truth = taken.labelled(CHECKED)
        predicted = decided(_float_logits(prepared, pixels, asked.threads))
        order = class_order.check(predicted, truth, names.names)
        class_order.require_plausible(order, names)
    asked.clock.lap("check")
    mean, std = prepared.network.architecture.scaling
    return _Ready(
        prepared=prepared,
        taken=taken,
        names=names,
        preprocessing=dataclasses.replace(seen, mean=mean, std=std),
        scaling=scaling,
        folders=folders,
        choice=choice,
        order=order,
        ignored={} if dataset is None else dataset.ignored,
        dataset=dataset,
    )


def _quantise(
    folder: Path, ready: _Ready, config: ImportConfig, progress: Progress
) -> QuantiseResult:
    """Calibrate and quantise; write `network.npz`, `ptq.tflite` and, if asked, `qat.tflite`."""
    prepared, taken = ready.prepared, ready.taken
    network = prepared.network
    mean, std = network.architecture.scaling
    inputs = _inputs(taken.calibration, network)
    ranges = calibrate.calibrate(prepared.graph, inputs, threads=config.threads, progress=progress)
    ranges = {**ranges, NETWORK_INPUT: (-mean / std, (255 - mean) / std)}
    integers = to_integers(network, ranges)
    save_network(folder / "network.npz", network)
    files.write_atomic(folder / "ptq.tflite", tflite.write(integers, head=config.export.head))
    if config.qat is not None:
        examples = qat.Examples(
            dataset=ready.dataset,
            numbers=_numbers(ready.names),
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


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Images:
    """The images of a quantisation, uint8, shape (images, height, width, 3 or 1), or values.

    Attributes:
        calibration: Those that decide the ranges.
        calibration_labels: Their classes; None if they are not known.
        held_back: Others, on which the two files are compared.
        labels: Their classes, likewise.
        names: Of those held back.
        unreadable: One line for each photo that could not be read.
        digest: SHA-256 of the data.
    """

    calibration: npt.NDArray[np.uint8]
    calibration_labels: npt.NDArray[np.int64] | None
    held_back: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64] | None
    names: tuple[str, ...]
    unreadable: tuple[str, ...]
    digest: str

    def labelled(self, most: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """Return photos and their classes: all that are held back, filled up with others."""
        assert self.labels is not None  # noqa: S101 - the caller has looked
        assert self.calibration_labels is not None  # noqa: S101 - so do these
        rows = evenly(len(self.calibration), max(most - len(self.held_back), 1))
        return (
            np.concatenate([self.held_back, self.calibration[rows]]),
            np.concatenate([self.labels, self.calibration_labels[rows]]),
        )


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


def _images(
    dataset: Dataset | None,
    names: class_order.Names,
    preprocessing: Preprocessing,
    *,
    threads: int,
    progress: Progress,
) -> _Images:
    """Decode the photos, or make synthetic ones if there are none.

    Raises:
        RequestError: More photos cannot be decoded than 1 % of the whole data set.
    """
    if dataset is None:
        natural = image_sets.natural(
            preprocessing.shape, images=CALIBRATION_IMAGES + HELD_BACK_IMAGES
        )
        pixels = natural.pixels(0, len(natural))
        return _Images(
            calibration=pixels[:CALIBRATION_IMAGES],
            calibration_labels=None,
            held_back=pixels[CALIBRATION_IMAGES:],
            labels=None,
            names=tuple(natural.names[CALIBRATION_IMAGES:]),
            unreadable=(),
            digest=RANDOM,
        )
    train = dataset.splits["train"]
    rows = np.linspace(0, len(train) - 1, min(CALIBRATION_IMAGES, len(train)))
    calibration, held_back = (
        load_pixels(dataset, indices, preprocessing, threads=threads, progress=progress)
        for indices in (train[rows.round().astype(np.int64)], dataset.splits["test"])
    )
    numbers = _numbers(names)
    return _Images(
        calibration=calibration.pixels,
        calibration_labels=None if numbers is None else numbers[calibration.labels],
        held_back=np.ascontiguousarray(held_back.pixels),
        labels=None if numbers is None else numbers[held_back.labels],
        names=held_back.names,
        unreadable=(*calibration.unreadable, *held_back.unreadable),
        digest=dataset.digest,
    )


def _numbers(names: class_order.Names) -> npt.NDArray[np.int64] | None:
    """Return the output of each folder of photos; None if it is not known."""
    return np.array(names.places, np.int64) if names.known else None


def _inputs(pixels: npt.NDArray[np.uint8], network: Network) -> npt.NDArray[np.float32]:
    mean, std = network.architecture.scaling
    return (pixels.astype(np.float32) - np.float32(mean)) / np.float32(std)


def _float_logits(
    prepared: Prepared, pixels: npt.NDArray[np.uint8], threads: int
) -> npt.NDArray[np.float32]:
    """Return the float network's logits, shape (images, classes)."""
    architecture = prepared.network.architecture
    graph = dataclasses.replace(prepared.graph, output=architecture.logits.name)
    session = litert.load(float_tflite.write(graph), threads=threads)
    (logits,) = session.run(_inputs(pixels, prepared.network))
    return logits.reshape(len(pixels), architecture.classes)


def _note(config: ImportConfig, ready: _Ready) -> str:
    """Return what a user should know of the inputs and outputs, in sentences."""
    said = []
    photos = config.preprocessing is not None
    if config.data == RANDOM and photos:
        said.append(
            "ranges were measured on synthetic images: give photos with `--data` for a file that "
            "is shipped"
        )
    elif config.data == RANDOM:
        said.append(
            "ranges were measured on random values, mean 0 and standard deviation 1: give real "
            "ones with `--data FILE.npy` for a file that is shipped"
        )
    if ready.choice is not None:
        said.append(
            f"the file does not say how pixels become its input: {ready.choice.chosen} was "
            f"chosen; {input_choice.words(ready.choice)}"
        )
    if ready.names.source == "neighbour":
        said.append("the classes are named by the file of labels beside the model")
    if config.task != "classification":
        said.append(f"the outputs are those of a {config.task} task (`--task`)")
    if ready.prepared.border:
        said.append(
            f"the first layer pads with a value {abs(ready.prepared.border):.2g} pixel levels "
            "from 0, which has no code of its own"
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
