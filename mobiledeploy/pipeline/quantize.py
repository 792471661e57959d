"""Quantise somebody's float model: from a model file to a build folder, without TensorFlow.

    import -> simplify -> calibrate -> quantise -> export -> verify -> publish

The folder is one as `build` makes it: `verify` and `bundle` take it.
"""

import dataclasses
import os
import time
from collections.abc import Iterator
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
from mobiledeploy.integer.quantise import quantise as to_integers
from mobiledeploy.network.float_graph import FloatGraph, FloatNode
from mobiledeploy.network.importers import sources
from mobiledeploy.network.importers.imported import Imported
from mobiledeploy.network.network import Network, save_network
from mobiledeploy.network.simplify.input_scaling import PIXELS
from mobiledeploy.network.simplify.passes import simplify
from mobiledeploy.network.simplify.to_network import to_network
from mobiledeploy.ops.architecture import INPUT as NETWORK_INPUT
from mobiledeploy.ops.tensors import Shape
from mobiledeploy.pipeline import calibrate, class_order, input_range, publish, resume, stages
from mobiledeploy.pipeline.quantise_images import CALIBRATION_IMAGES, QuantiseImages, load
from mobiledeploy.runtimes import litert
from mobiledeploy.spec import manifest
from mobiledeploy.spec.channel_scaling import ChannelScaling
from mobiledeploy.spec.config import (
    RANDOM,
    Crop,
    ExportConfig,
    Head,
    ImportConfig,
    Io,
    Preprocessing,
)
from mobiledeploy.spec.results import (
    BuildReport,
    ClassOrder,
    ExportResult,
    InputChoice,
    QuantiseResult,
    ScoreLine,
    StageTime,
    named_recalls,
)
from mobiledeploy.targets import float_tflite, tflite
from mobiledeploy.verify.outputs import input_choice
from mobiledeploy.verify.report import VerifyReport

SINGLY: Final = 5
"""Most layers of one kind with the same fault that have a line each in an error."""
CHECKED: Final = 64
"""Photos on which the order of the classes is checked, or all that are held back if more."""
_SCORES: Final = frozenset({"softmax", "logistic"})
"""Operators whose output are scores of what they read."""


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
            + "\n  ".join(_unsupported(imported)),
            hint="do what the reasons say, or save the network without these layers",
        )
    return imported


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
    data: files.Name | Dataset = RANDOM,
    scaling: ChannelScaling | None = None,
    labels: tuple[str, ...] = (),
    crop: Crop = "center",
    io: Io = "int8",
    threads: int = 1,
    progress: Progress = silent,
) -> BuildReport:
    """Quantise a model file, and write a build folder.

    Args:
        model: See `read_model`.
        root: The build folder.
        data: A folder of photos with one sub-folder a class, `digits`, `random` for synthetic
            images, or a data set.
        scaling: How pixels become the network's input, where its file does not say it; None: it is
            chosen by labelled photos, see `input_range.choose`.
        labels: Names of the classes in the order of the output; otherwise those of the file, of a
            file of labels beside it, of the data's folders if there are as many, or numbers.
        crop: How a photo becomes square.
        io: Type of the files' input and output.
        threads: Images that run at a time.
        progress: Called with what is being done.

    Returns:
        The report. If the two files differ, it says so, and the folder holds no finished build.

    Raises:
        MobileDeployError: See `read_model`, `prepare` and `build.build`; neither the file, the
            caller nor the photos say how pixels become the input; the photos say that the classes
            are in another order.
    """
    clock = _Clock()
    root, path = files.user_path(root), files.user_path(model)
    known = _known(
        path, data, scaling, labels, crop,
        threads=threads, clock=clock, progress=progress,
    )  # fmt: skip
    prepared, taken, names = known.prepared, known.images, known.names
    network = prepared.network
    head: Head = "softmax" if network.architecture.output.op in _SCORES else "logits"
    mean, std = network.architecture.scaling
    config = ImportConfig(
        model=path.name,
        sha256=files.sha256(path),
        data=data.name if isinstance(data, Dataset) else str(data),
        preprocessing=Preprocessing(
            image_size=network.architecture.input_shape[0], crop=crop, mean=mean, std=std
        ),
        mean=() if known.scaling is None else known.scaling.mean,
        std=() if known.scaling is None else known.scaling.std,
        calibration_images=CALIBRATION_IMAGES,
        threads=threads,
        export=ExportConfig(int8=True, io=io, head=head),
    )
    with resume.lock_folder(root):
        publish.withdraw(root)
        versions = tuple(sorted(manifest.versions().items()))
        made_of = (config, taken.digest, names.names, versions)
        quantised, quantise_time = resume.run(
            "quantise",
            QuantiseResult,
            made_of,
            lambda folder: _quantise(folder, prepared, taken, config, progress),
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
                    float_logits=_float_logits(prepared, taken.held_back, threads)
                    if known.float_logits is None
                    else known.float_logits,
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
            ScoreLine(
                name=score.file,
                test=score.labels,
                shipped=score.file != "float",
                balanced=score.balanced,
            )
            for score in verified.scores
        ]
        report = BuildReport(
            scores=tuple(scores),
            reason="",
            note=_note(config, known),
            unreadable=taken.unreadable,
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
        scaling: How pixels become its input; None if its file says so.
        choice: How `scaling` was chosen; None if it was given.
        order: Whether the order of the classes fits; None without labelled photos.
        float_logits: The float network's logits of the held-back images; None if they were not
            needed so far.
    """

    prepared: Prepared
    images: QuantiseImages
    names: class_order.Names
    scaling: ChannelScaling | None
    choice: InputChoice | None
    order: ClassOrder | None
    float_logits: npt.NDArray[np.float32] | None


def _known(
    path: Path,
    data: files.Name | Dataset,
    scaling: ChannelScaling | None,
    labels: tuple[str, ...],
    crop: Crop,
    *,
    threads: int,
    clock: "_Clock",
    progress: Progress,
) -> _Known:
    """Find out how pixels become a network's input, and which class each output is.

    What cannot be quantised is refused before photos are read. Arguments and errors are those of
    `quantize`.
    """
    progress(Event("import", "reading the model"))
    imported = read_model(path)
    size = _image_size(imported.graph.input_shape)
    classes = imported.graph.shapes()[imported.graph.output][-1]
    prepared = None
    if scaling is not None or input_range.is_stated(imported) or data == RANDOM:
        prepared = prepare(imported, path.name, scaling=scaling)
    else:
        to_network(simplify(imported.graph).graph, PIXELS)
    clock.lap("import")
    dataset = data if isinstance(data, Dataset) else None
    if not isinstance(data, Dataset) and data != RANDOM:
        dataset = data_sources.open_dataset(os.fspath(data), progress=progress)
    folders = () if dataset is None else dataset.class_names
    names = class_order.names_of(labels, imported, path, folders, classes)
    if prepared is None and not names.known:
        raise input_range.not_known(path.name)
    seen = Preprocessing(image_size=size, crop=crop)
    images = load(dataset, names, seen, threads=threads, progress=progress)
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
    if images.labels is not None:
        pixels, truth = images.labelled(CHECKED)
        logits = _float_logits(prepared, pixels, threads)
        float_logits = logits[: len(images.held_back)]
        order = class_order.check(logits.argmax(axis=1), truth, names.names)
        class_order.require_plausible(order, names, labels=True)
    clock.lap("check")
    return _Known(
        prepared=prepared,
        images=images,
        names=names,
        scaling=scaling,
        choice=choice,
        order=order,
        float_logits=float_logits,
    )


def _quantise(
    folder: Path,
    prepared: Prepared,
    taken: QuantiseImages,
    config: ImportConfig,
    progress: Progress,
) -> QuantiseResult:
    """Calibrate and quantise, and write `network.npz` and `ptq.tflite`."""
    network = prepared.network
    mean, std = network.architecture.scaling
    inputs = _inputs(taken.calibration, network)
    ranges = calibrate.calibrate(prepared.graph, inputs, threads=config.threads, progress=progress)
    pixels = (-mean / std, (255 - mean) / std)
    integers = to_integers(network, {**ranges, NETWORK_INPUT: pixels})
    save_network(folder / "network.npz", network)
    files.write_atomic(folder / "ptq.tflite", tflite.write(integers, head=config.export.head))
    return QuantiseResult(
        candidates=(), chosen="ptq", reason="ptq is shipped: it is the only candidate"
    )


def _image_size(shape: Shape) -> int:
    """Return the side of a network's images.

    Raises:
        RequestError: Its input is none that a build folder's contract can describe.
    """
    if len(shape) != 3 or shape[0] != shape[1] or shape[2] != 3:
        raise RequestError(
            f"expected a network of square colour images, received an input of shape {shape}",
            hint="other inputs are not supported yet",
        )
    return shape[0]


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


def _note(config: ImportConfig, known: _Known) -> str:
    """Return what a user should know of the images and the input, in sentences."""
    said = []
    if config.data == RANDOM:
        said.append(
            "ranges were measured on synthetic images: give photos with `--data` for a file that "
            "is shipped"
        )
    if known.choice is not None:
        said.append(
            f"the file does not say how pixels become its input: {known.choice.chosen} was "
            f"chosen; {input_choice.words(known.choice)}"
        )
    if known.names.source == "neighbour":
        said.append("the classes are named by the file of labels beside the model")
    if known.prepared.border:
        said.append(
            f"the first layer pads with a value {abs(known.prepared.border):.2g} pixel levels "
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
