"""Quantise somebody's float model: from a model file to a build folder, without TensorFlow.

    import -> simplify -> calibrate -> quantise -> export -> verify -> publish

The folder is one as `build` makes it: `verify` and `bundle` take it.
"""

import dataclasses
import os
import time
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base import files
from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.data import sources as data_sources
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
from mobiledeploy.pipeline import calibrate, class_order, input_range, publish, qat, resume, stages
from mobiledeploy.runtimes import litert
from mobiledeploy.spec import manifest
from mobiledeploy.spec.channel_scaling import ChannelScaling
from mobiledeploy.spec.config import (
    RANDOM,
    Crop,
    ExportConfig,
    FineTuneConfig,
    Head,
    ImportConfig,
    Io,
    Preprocessing,
)
from mobiledeploy.spec.results import (
    BuildReport,
    ExportResult,
    InputChoice,
    QuantiseResult,
    ScoreLine,
    StageTime,
)
from mobiledeploy.targets import float_tflite, tflite
from mobiledeploy.verify.outputs import image_sets, input_choice
from mobiledeploy.verify.outputs.image_sets import evenly
from mobiledeploy.verify.report import VerifyReport

CALIBRATION_IMAGES: Final = 256
HELD_BACK_IMAGES: Final = 256
"""Synthetic images on which the two files are compared where there are no photos."""
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
            + "\n  ".join(
                f"{node.label}: {node.attributes['reason']}" for node in imported.unsupported
            ),
            hint="leave these layers out, or save the network without them",
        )
    return imported


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
    threads: int = 1,
    fine_tuning: FineTuneConfig | None = None,
    progress: Progress = silent,
) -> BuildReport:
    """Quantise a model file, and write a build folder.

    Args:
        model: See `read_model`.
        root: The build folder.
        data: A folder of photos with one sub-folder a class, `digits`, or `random` for synthetic
            images.
        scaling: How pixels become the network's input, where its file does not say it; None: it is
            chosen by labelled photos, see `input_range.choose`.
        labels: Names of the classes in the order of the output; otherwise those of the file, of a
            file of labels beside it, of the data's folders if there are as many, or numbers.
        crop: How a photo becomes square.
        io: Type of the files' input and output.
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
    shapes = imported.graph.shapes()
    size, classes = _image_size(imported.graph.input_shape), shapes[imported.graph.output][-1]
    clock.lap("import")
    dataset = None
    if data != RANDOM:
        dataset = data_sources.open_dataset(os.fspath(data), progress=progress)
    folders = () if dataset is None else dataset.class_names
    names = class_order.names_of(labels, imported, path, folders, classes)
    tried = scaling is None and not input_range.is_stated(imported)
    if tried and not names.known:
        raise input_range.not_known(path.name)
    if tried or fine_tuning is not None:  # what cannot be done is refused before photos are read
        unscaled = to_network(simplify(imported.graph).graph, PIXELS)
        if fine_tuning is not None:
            qat.check_network(unscaled, fine_tuning, known=names.known)
    seen = Preprocessing(image_size=size, crop=crop)
    taken = _images(dataset, names, seen, threads=threads, progress=progress)
    clock.lap("data")
    choice = None
    if tried:
        choice = input_range.choose(
            imported.graph,
            *taken.labelled(input_choice.TRIED),
            tuple(class_order.orders(names.names).values()),
            threads=threads,
            progress=progress,
        )
        scaling = input_range.chosen(choice, path.name)
    prepared = prepare(imported, path.name, scaling=scaling)
    network = prepared.network
    order = None
    if taken.labels is not None:
        pixels, truth = taken.labelled(CHECKED)
        predicted = _float_logits(prepared, pixels, threads).argmax(axis=1)
        order = class_order.check(predicted, truth, names.names)
        class_order.require_plausible(order, names)
    clock.lap("check")
    head: Head = "softmax" if network.architecture.output.op in _SCORES else "logits"
    mean, std = network.architecture.scaling
    config = ImportConfig(
        model=path.name,
        sha256=files.sha256(path),
        data=str(data),
        preprocessing=Preprocessing(image_size=size, crop=crop, mean=mean, std=std),
        mean=() if scaling is None else scaling.mean,
        std=() if scaling is None else scaling.std,
        calibration_images=CALIBRATION_IMAGES,
        threads=threads,
        export=ExportConfig(int8=True, io=io, head=head),
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
            lambda folder: _quantise(folder, prepared, taken, dataset, names, config, progress),
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
            note=_note(config, prepared, choice, names),
            unreadable=tuple(dict.fromkeys((*taken.unreadable, *quantised.unreadable))),
            files=exported.files,
            verdict=verified.verdict,
            holds=verified.holds,
            times=(*clock.times(), quantise_time, export_time, verify_time),
            warnings=tuple(class_order.words(order, names, folders)),
            input_choice=choice,
            labels_from=names.source,
            class_order=order,
        )
        if verified.holds:
            publish.publish(
                root, config, network.architecture, names.names, report,
                data_digest=taken.digest,
            )  # fmt: skip
    return report


def _quantise(
    folder: Path,
    prepared: Prepared,
    taken: "_Images",
    dataset: Dataset | None,
    names: class_order.Names,
    config: ImportConfig,
    progress: Progress,
) -> QuantiseResult:
    """Calibrate and quantise; write `network.npz`, `ptq.tflite` and, if asked, `qat.tflite`."""
    network = prepared.network
    mean, std = network.architecture.scaling
    inputs = _inputs(taken.calibration, network)
    ranges = calibrate.calibrate(prepared.graph, inputs, threads=config.threads, progress=progress)
    ranges = {**ranges, NETWORK_INPUT: (-mean / std, (255 - mean) / std)}
    integers = to_integers(network, ranges)
    save_network(folder / "network.npz", network)
    files.write_atomic(folder / "ptq.tflite", tflite.write(integers, head=config.export.head))
    if config.qat is not None and dataset is not None:
        photos = qat.Photos(
            dataset=dataset,
            numbers=_numbers(names),
            test=taken.held_back,
            test_labels=taken.labels,
            float_logits=lambda pixels: _float_logits(prepared, pixels, config.threads),
        )
        return qat.quantise_candidates(
            folder, network, integers, ranges, photos, config, progress=progress
        )
    return QuantiseResult(
        candidates=(), chosen="ptq", reason="ptq is shipped: it is the only candidate"
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Images:
    """The images of a quantisation, uint8, shape (images, size, size, 3).

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
        shape = preprocessing.image_size, preprocessing.image_size, 3
        natural = image_sets.natural(shape, images=CALIBRATION_IMAGES + HELD_BACK_IMAGES)
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


def _note(
    config: ImportConfig,
    prepared: Prepared,
    choice: InputChoice | None,
    names: class_order.Names,
) -> str:
    """Return what a user should know of the images and the input, in sentences."""
    said = []
    if config.data == RANDOM:
        said.append(
            "ranges were measured on synthetic images: give photos with `--data` for a file that "
            "is shipped"
        )
    if choice is not None:
        said.append(
            f"the file does not say how pixels become its input: {choice.chosen} was chosen; "
            f"{input_choice.words(choice)}"
        )
    if names.source == "neighbour":
        said.append("the classes are named by the file of labels beside the model")
    if prepared.border:
        said.append(
            f"the first layer pads with a value {abs(prepared.border):.2g} pixel levels from 0, "
            "which has no code of its own"
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
