"""Quantise a model that Python holds, on images that it holds.

It is the Python form of the command, for a notebook: a Keras model goes through a file in a
temporary folder, and is read from it as any other file.
"""

import contextlib
import dataclasses
import itertools
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.base import files
from mobiledeploy.base.errors import ConversionError, MobileDeployError, RequestError
from mobiledeploy.base.progress import Progress, silent
from mobiledeploy.data import sources
from mobiledeploy.data.dataset import Dataset, Pixels
from mobiledeploy.network.importers.imported import Imported
from mobiledeploy.pipeline import build, prepare, value_inputs
from mobiledeploy.pipeline import input_range as ranges
from mobiledeploy.pipeline import quantize as from_file
from mobiledeploy.spec import defaults, manifest
from mobiledeploy.spec.channel_scaling import IMPORT_RANGES, ChannelScaling, named
from mobiledeploy.spec.config import Crop, Effort, FineTuneConfig, Io, QatLoss, Task
from mobiledeploy.spec.contract import MODELS
from mobiledeploy.spec.results import BuildReport

Images: TypeAlias = npt.NDArray[np.uint8] | npt.NDArray[np.floating[Any]]
_FAMILIES: Final = ("keras", "tf_keras", "tensorflow")
"""Packages that define Keras models."""


class KerasModel(Protocol):
    """A Keras model of any backend, as far as it is used here."""

    name: str

    def save(self, filepath: str) -> object:
        """Write the model to a file."""
        ...


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Quantised:
    """A quantised model.

    Attributes:
        tflite: The bytes of `model.tflite`.
        onnx: The bytes of `model.onnx`, the same function.
        report: What was measured, with the proof's verdict.
    """

    tflite: bytes = dataclasses.field(repr=False)
    onnx: bytes = dataclasses.field(repr=False)
    report: BuildReport


def quantize(
    model: files.Name | KerasModel,
    images: files.Name | Images,
    *,
    out: files.Name | None = None,
    input_range: str | None = None,
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    labels: Sequence[str] = (),
    crop: Crop = "center",
    io: Io = "int8",
    task: Task | None = None,
    image_size: tuple[int, int] | None = None,
    output: str | None = None,
    effort: Effort | None = None,
    licence: str = "",
    threads: int | None = None,
    qat: bool = False,
    qat_loss: QatLoss | None = None,
    qat_steps: int | None = None,
    learning_rate: float | None = None,
    seed: int | None = None,
    progress: Progress = silent,
) -> Quantised:
    """Quantise a float model to int8, and prove its two files equal; TensorFlow is not needed.

    Args:
        model: A Keras model in memory, of any backend, or a `.keras`, `.h5`, float `.onnx` or
            float `.tflite`.
        images: Images that decide the ranges, and on which the files are compared: uint8 pixels of
            shape (images, height, width, 3 or 1), cropped and resized as photos are; or floats of
            the shape of the network's own input, whose values are taken to the nearest pixel
            level; or a folder of photos, `digits`, or `random`. A network whose input is no image
            takes an array of its inputs, or a `.npy` or `.npz`.
        out: Build folder, for `verify_build` and `bundle`; None to write none.
        input_range: Range of the input for pixels of 0 to 255, `-1..1`, `0..1`, `0..255` or
            `caffe` (pixels in the order blue, green, red less ImageNet's mean), or `-1..1-bgr`,
            `0..1-bgr`, `0..255-bgr` (blue, green, red, as OpenCV reads images), if the model does
            not say it by its layers.
        mean: Mean of the pixels, 0 to 255, one or one a channel, in place of `input_range`.
        std: Standard deviation of the pixels, likewise.
        labels: Names of the classes, in the order of the outputs.
        crop: How a photo becomes square: `center` or `stretch`.
        io: Type of the files' input and output: `int8`, `uint8` or `float32`.
        task: What the outputs are, where the last layer does not show it: `classification`,
            `binary`, `multi-label` or `regression`.
        image_size: Height and width of images, where the model leaves them open.
        output: Name of the output that holds the classes, where a file has several.
        effort: How much is tried to answer as the float network does: `quick` for plain ranges,
            `default` or `best`; None for `default`, or `quick` with `random` images.
        licence: Under which the model may be used, such as `Apache-2.0`, for the metadata of the
            `.tflite`; empty for that of a `.tflite` that states one.
        threads: Images that run at a time; None for one a core.
        qat: Whether the network is fine-tuned with fake quantisation, which needs TensorFlow; the
            better of both is kept.
        qat_loss: `distill`, the default: to answer as its own float outputs do; or `labels`.
        qat_steps: Training steps.
        learning_rate: Peak of the schedule.
        seed: Seed of the order and the variations.
        progress: Called with what is being done.

    Raises:
        ParityError: The two files are not the same function; `out` then holds no finished build.
        RequestError: Nothing says how pixels become the input, or the images do not fit.
        ConversionError: A layer is not supported, or Keras cannot save the model.
        MobileDeployError: See `pipeline.quantize`.
    """
    scaling = _scaling(input_range, mean, std)
    fine_tuning = _fine_tuning(
        asked=qat, loss=qat_loss, steps=qat_steps, learning_rate=learning_rate, seed=seed
    )
    with _named_by_arguments(), tempfile.TemporaryDirectory(prefix="mobiledeploy-") as folder:
        path = (
            files.user_path(model)
            if isinstance(model, str | os.PathLike)
            else _saved(model, Path(folder))
        )
        root = Path(folder) / "build" if out is None else files.user_path(out)
        data, doubts = _data(images, path, Path(folder), scaling, image_size, output)
        report = from_file.quantize(
            path,
            root,
            data=data,
            scaling=scaling,
            labels=tuple(labels),
            crop=crop,
            io=io,
            task=task,
            image_size=image_size,
            output=output,
            threads=threads or os.cpu_count() or 1,
            effort=effort,
            licence=licence,
            fine_tuning=fine_tuning,
            progress=progress,
        )
        build.require(report)
        tflite, onnx = ((root / name).read_bytes() for name in MODELS)
        notes = [report.note, *_resized(data, root)]
    report = dataclasses.replace(
        report,
        note=_by_arguments("; ".join(filter(None, notes))),
        warnings=tuple(_by_arguments(warning) for warning in (*doubts, *report.warnings)),
    )
    return Quantised(tflite=tflite, onnx=onnx, report=report)


_RENAMED: Final = {"data": "images", "random": 'images="random"', "license": "licence"}
"""By the option of the command: the argument, where its name differs."""


@contextlib.contextmanager
def _named_by_arguments() -> Iterator[None]:
    """Let errors that are raised inside name arguments where they name the command's options."""
    try:
        yield
    except MobileDeployError as error:
        error.args = tuple(_by_arguments(str(word)) for word in error.args)
        error.hint = None if error.hint is None else _by_arguments(error.hint)
        raise


def _by_arguments(words: str) -> str:
    """Return a sentence with Python's arguments in place of options: `crop="stretch"`."""
    return re.sub(
        r"`(--[^`]+)`", lambda match: f"`{', '.join(_arguments(match[1].split()))}`", words
    )


def _arguments(words: Sequence[str]) -> Iterator[str]:
    """Yield arguments for options that each have a value or none."""
    for word, value in itertools.pairwise((*words, "--")):
        if not word.startswith("--"):
            continue
        name = word.removeprefix("--").replace("-", "_")
        name = _RENAMED.get(name, name)
        if value.startswith("--") or name == "images":
            yield name
        elif re.fullmatch(r"-?\d+(\.\d+)?(,-?\d+(\.\d+)?)*", value):
            yield f"{name}=({value.replace(',', ', ')})" if "," in value else f"{name}={value}"
        else:
            yield f'{name}="{value}"'


_QAT: Final = {
    "loss": "qat_loss", "steps": "qat_steps", "learning_rate": "learning_rate", "seed": "seed",
}  # fmt: skip
"""By the argument of `defaults.decide_fine_tuning`: that of `quantize`."""


def _fine_tuning(*, asked: bool, **given: Any) -> FineTuneConfig | None:
    """Return how the network is fine-tuned; None if it is not.

    Raises:
        RequestError: A choice is impossible, or is made without `qat`.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    if asked:
        return defaults.decide_fine_tuning(**chosen)
    if chosen:
        raise RequestError(
            f"{', '.join(_QAT[name] for name in chosen)} would change nothing without `qat=True`",
            hint="add `qat=True` to train the network",
        )
    return None


def _scaling(
    given: str | None, mean: Sequence[float], std: Sequence[float]
) -> ChannelScaling | None:
    """Return how pixels become the input; None if the caller does not say it.

    Raises:
        RequestError: There is no such range, or both are given.
    """
    if given is None:
        return (
            named(tuple(map(float, mean)), tuple(map(float, std)))
            if len(mean) or len(std)
            else None
        )
    if given not in IMPORT_RANGES or len(mean) or len(std):
        raise RequestError(
            f"expected an input range of {', '.join(IMPORT_RANGES)}, or `mean` and `std`; "
            f"received {given}" + (" and a mean or std" if len(mean) or len(std) else ""),
            hint='for example `input_range="0..1"`',
        )
    return IMPORT_RANGES[given]


def _saved(model: KerasModel, folder: Path) -> Path:
    """Write a Keras model to a file, by its own method.

    Raises:
        RequestError: It is no Keras model.
        ConversionError: Keras cannot save it.
    """
    packages = [cls.__module__.partition(".")[0] for cls in type(model).__mro__]
    package = next((name for name in packages if name in _FAMILIES), None)
    if package is None:
        raise RequestError(
            f"expected a Keras model or the name of a file, received {type(model).__module__}."
            f"{type(model).__qualname__}",
            hint="export a PyTorch model with `torch.onnx.export`, and name the .onnx",
        )
    # Keras 3 writes a configuration and weights; only HDF5 has both in older versions.
    version = getattr(sys.modules.get(package), "__version__", "")
    suffix = ".keras" if package == "keras" and not version.startswith("2.") else ".h5"
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", str(getattr(model, "name", "")))[:64].strip(".")
    path = folder / f"{name or 'model'}{suffix}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that HDF5 is old, and that nothing was compiled
            model.save(str(path))
    except (NotImplementedError, TypeError, ValueError, AttributeError) as error:
        raise ConversionError(
            f"Keras cannot save the model `{name}`: {error}",
            hint="build it of Keras layers with the functional or sequential API",
        ) from error
    return path


def _data(
    images: files.Name | Images,
    path: Path,
    folder: Path,
    scaling: ChannelScaling | None,
    image_size: tuple[int, int] | None,
    output: str | None,
) -> tuple[files.Name | Dataset, list[str]]:
    """Return images as the pipeline takes them, and what makes one doubt their scale.

    Raises:
        RequestError: They do not fit the network.
    """
    if isinstance(images, str | os.PathLike):
        return images, []
    try:
        array: npt.NDArray[Any] = np.asarray(images)
    except ValueError as error:
        raise RequestError(
            f"expected one array of images, received some of different shapes: {error}",
            hint="resize all images to one size, or name a folder of photos",
        ) from error
    if array.dtype.kind != "f":
        dataset = sources.from_array(array)
        return dataset, _doubts(array, (0.0, 255.0), array.min(), array.max())
    imported = prepare.read_model(path, image_size=image_size, output=output)
    if not value_inputs.is_image(imported.graph.input_shape):
        np.save(folder / "values.npy", array)
        return folder / "values.npy", []
    pixels, doubts = _pixels(array, imported, path.name, scaling)
    return sources.from_array(pixels), doubts


def _pixels(
    values: npt.NDArray[np.floating[Any]],
    imported: Imported,
    name: str,
    given: ChannelScaling | None,
) -> tuple[Pixels, list[str]]:
    """Return values of a network's own input as the nearest pixels, and doubts of their scale.

    Raises:
        RequestError: They have another shape or range than the input, or its range is not known.
    """
    scaling = given or imported.scaling
    if scaling is None:
        raise ranges.not_known(name)
    if values.shape[1:] != imported.graph.input_shape:
        raise RequestError(
            f"expected images of the network's input, {imported.graph.input_shape}, received "
            f"{values.shape[1:]}",
            hint="give pixels as uint8 to have them cropped and resized; channels come last",
        )
    finite = np.isfinite(values)
    if not finite.all():
        place = tuple(np.argwhere(~finite)[0].tolist())
        raise RequestError(
            f"expected finite values, received {values[place]} at {list(place)}: image, row, "
            "column, channel",
            hint="leave such images out",
        )
    ordered = values[..., ::-1] if scaling.bgr else values
    levels = ordered.astype(np.float64) * scaling.std + scaling.mean
    least, most = float(levels.min(initial=0)), float(levels.max(initial=0))
    ends = (
        min((0 - m) / s for m, s in zip(scaling.mean, scaling.std, strict=True)),
        max((255 - m) / s for m, s in zip(scaling.mean, scaling.std, strict=True)),
    )
    inside = least >= -0.5 and most <= 255.5
    if not inside or (values.size and np.ptp(levels) < _NO_IMAGE):
        raise RequestError(
            f"expected values of {ends[0]:.4g} to {ends[1]:.4g}, as pixels give with "
            f"{scaling.name}; received {values.min():.4g} to {values.max():.4g}"
            + (f", which are less than {_NO_IMAGE} of 255 levels" if inside else ""),
            hint="give the network's own input, or pixels as uint8",
        )
    pixels: Pixels = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return pixels, _doubts(pixels, ends, values.min(initial=0), values.max(initial=0))


_NO_IMAGE: Final = 3
"""Values that differ by fewer levels are no images in the scale that is assumed."""
_NARROW: Final = 153
"""Levels, six tenths of all, that the images of a data set together hardly ever do not reach."""


def _doubts(pixels: Pixels, expected: tuple[float, float], least: float, most: float) -> list[str]:
    """Return a warning if values are in a small part of the range, as in another scale they are.

    Args:
        pixels: The values as pixels.
        expected: The values of pixels of 0 and 255.
        least: The least value that was received.
        most: The largest.
    """
    if np.ptp(pixels) >= _NARROW:
        return []
    warning = (
        f"expected values of {expected[0]:.4g} to {expected[1]:.4g}, received {least:.4g} to "
        f"{most:.4g} only: check whether the images have the scale that the network takes"
    )
    return [warning]


def _resized(data: files.Name | Dataset, root: Path) -> list[str]:
    """Return a sentence if an array's images are of another size than the network's input."""
    if not isinstance(data, Dataset):
        return []
    preprocessing = manifest.read(root).config.preprocessing
    if preprocessing is None:
        return []
    given, taken = data.decode(0).shape[:2], preprocessing.shape[:2]
    if given == taken:
        return []
    how = "stretched" if preprocessing.crop == "stretch" else "cropped and resized"
    return [f"the images are of {_size(given)} and were {how} to {_size(taken)}"]


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} x {shape[1]}"
