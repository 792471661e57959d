"""`Known`: how photos or values become a network's input, with the class of each output."""

import dataclasses
import os
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base import files
from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.progress import Progress
from mobiledeploy.data import sources as data_sources
from mobiledeploy.data.dataset import Dataset
from mobiledeploy.network.importers.imported import Imported
from mobiledeploy.network.simplify.input_scaling import PIXELS
from mobiledeploy.network.simplify.passes import simplify
from mobiledeploy.network.simplify.to_network import to_network
from mobiledeploy.ops.tensors import Shape
from mobiledeploy.pipeline import (
    class_order,
    input_range,
    qat,
    value_inputs,
)
from mobiledeploy.pipeline.float_logits import float_logits
from mobiledeploy.pipeline.prepare import Prepared, prepare
from mobiledeploy.pipeline.quantise_images import (
    CALIBRATION_IMAGES,
    Apart,
    QuantiseImages,
    calibration_rows,
    load,
)
from mobiledeploy.pipeline.stage_clock import Clock
from mobiledeploy.spec.channel_scaling import ChannelScaling
from mobiledeploy.spec.config import (
    IMAGE_SIZES,
    RANDOM,
    Crop,
    FineTuneConfig,
    Preprocessing,
    Task,
    WeightsPer,
)
from mobiledeploy.spec.results import (
    ClassOrder,
    InputChoice,
)
from mobiledeploy.verify.outputs import input_choice
from mobiledeploy.verify.outputs.parity import decided

CHECKED: Final = 64
"""Photos on which the order of the classes is checked, or all that are held back if more."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Known:
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


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Request:
    """An imported network, and what its user says of its inputs and outputs.

    Attributes:
        imported: The network.
        path: Its file.
        data: See `quantize.quantize`.
        scaling: How pixels become its input; None if nobody says so but perhaps the file.
        labels: Names of the classes in the order of the output; empty if they are not given.
        crop: How a photo gets the input's proportions.
        task: What the outputs are.
        classes: How many there are.
        fine_tuning: How the network is fine-tuned; None: it is not.
        calibrate: Photos that decide the ranges; None: those of `data`.
        calibration_images: How many of them do, at most.
    """

    imported: Imported
    path: Path
    data: files.Name | Dataset
    scaling: ChannelScaling | None
    labels: tuple[str, ...]
    crop: Crop
    task: Task
    classes: int
    fine_tuning: FineTuneConfig | None
    calibrate: files.Name | None = None
    calibration_images: int = CALIBRATION_IMAGES


def find(request: Request, *, threads: int, clock: Clock, progress: Progress) -> Known:
    """Find out how photos or values become a network's input, and which class each output is.

    Args:
        request: The network, and what is said of it.
        threads: Images that run at a time.
        clock: Is told when reading, decoding and checking end.
        progress: Called with what is being done.

    Raises:
        MobileDeployError: See `quantize.quantize`.
    """
    if _takes_values(request.imported, request.data):
        known = _of_values(request, clock=clock)
    else:
        known = _of_photos(request, threads=threads, clock=clock, progress=progress)
    return _with_several_labels(known, request.classes) if request.task == "multi-label" else known


def _takes_values(imported: Imported, data: files.Name | Dataset) -> bool:
    """Whether a network gets values of a file, or random ones since it takes no images."""
    if isinstance(data, Dataset):
        return False
    if data == RANDOM:
        return not value_inputs.is_image(imported.graph.input_shape)
    return value_inputs.is_file(data)


def _of_values(request: Request, *, clock: Clock) -> Known:
    """Return a network with values of a file, or random ones.

    Raises:
        RequestError: See `value_inputs.read`; or an input range was given, which is for pixels.
    """
    imported, path, data = request.imported, request.path, request.data
    if request.scaling is not None:
        raise RequestError(
            f"{path.name} takes values, no pixels, but an input range was given",
            hint="leave out `--input-range`, `--mean` and `--std`",
        )
    if request.calibrate is not None:
        raise RequestError(
            f"{path.name} takes values, no pixels, but photos that calibrate were given",
            hint="leave out `--calibrate`: the values of `--data` calibrate",
        )
    shape = imported.graph.input_shape
    names = class_order.names_of(request.labels, imported, path, (), request.classes)
    qat.check_labels(request.fine_tuning, known=names.known)
    clock.lap("import")
    if data == RANDOM or isinstance(data, Dataset):
        values = value_inputs.random(shape)
    else:
        values = value_inputs.read(
            files.user_path(data), shape, request.classes, several=request.task == "multi-label"
        )
    clock.lap("data")
    graph = simplify(imported.graph).graph
    network = to_network(graph, values.scaling)
    rows = calibration_rows(np.arange(len(values.calibration)), request.calibration_images)
    return Known(
        prepared=Prepared(graph=graph, network=network, border=0.0, notices=imported.notices),
        images=QuantiseImages(
            calibration=values.calibration[rows],
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


def _of_photos(request: Request, *, threads: int, clock: Clock, progress: Progress) -> Known:
    """Return a network with photos, or synthetic images.

    What cannot be quantised is refused before photos are read.
    """
    imported, path, data = request.imported, request.path, request.data
    task, scaling = request.task, request.scaling
    seen = _seen(imported.graph.input_shape, request.crop)
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
    only_judge = request.calibrate is not None and request.fine_tuning is None
    if not isinstance(data, Dataset) and data != RANDOM:
        dataset = data_sources.open_dataset(
            os.fspath(data),
            purpose="comparison" if only_judge else "calibration",
            progress=progress,
        )
    folders = () if dataset is None or task == "regression" else dataset.class_names
    names = class_order.names_of(request.labels, imported, path, folders, request.classes)
    if prepared is None and not (names.known and decides):
        why = class_order.no_classes(names) if decides else ""
        raise input_range.not_known(path.name, why)
    qat.check_labels(request.fine_tuning, known=names.known, why=class_order.no_classes(names))
    apart = None
    if request.calibrate is not None:
        if dataset is None:
            raise RequestError(
                "expected photos beside those that calibrate, received synthetic images",
                hint="name the photos that judge with `--data`",
            )
        apart = Apart(
            dataset=data_sources.open_dataset(
                os.fspath(request.calibrate), purpose="comparison", progress=progress
            ),
            judges=np.arange(len(dataset.labels)) if only_judge else dataset.splits["test"],
        )
    images = load(
        dataset,
        names,
        seen,
        apart=apart,
        most=request.calibration_images,
        threads=threads,
        progress=progress,
    )
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
    order, held_logits = None, None
    if images.labels is not None and decides:
        pixels, truth = images.labelled(CHECKED)
        logits = float_logits(prepared.network, pixels, threads=threads)
        held_logits = logits[: len(images.held_back)]
        order = class_order.check(decided(logits), truth, names.names)
        class_order.require_plausible(order, names, labels=True)
    clock.lap("check")
    mean, std = prepared.network.architecture.scaling
    return Known(
        prepared=prepared,
        images=images,
        names=names,
        preprocessing=dataclasses.replace(seen, mean=mean, std=std),
        scaling=scaling,
        choice=choice,
        order=order,
        float_logits=held_logits,
        dataset=dataset,
    )


def _with_several_labels(known: Known, classes: int) -> Known:
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


def with_weights_per(known: Known, weights_per: WeightsPer) -> Known:
    """Return it with a network whose convolutions get scales of a kind."""
    network = dataclasses.replace(known.prepared.network, weights_per=weights_per)
    return dataclasses.replace(
        known, prepared=dataclasses.replace(known.prepared, network=network)
    )


def without_calibration(known: Known) -> Known:
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
