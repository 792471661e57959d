"""Open model files with what turns a photo into their input.

How pixels become an input is stated by a build's contract, by the grid of the input, by metadata
in the file or by the user. Where nobody states it the file is refused: a wrong range gives answers
that look like those of a bad network.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, assert_never

import numpy as np
import numpy.typing as npt

from mobiledeploy.base import codec
from mobiledeploy.base.errors import ConversionError, CorruptFileError, ParityError, RequestError
from mobiledeploy.base.files import printable
from mobiledeploy.data import class_names
from mobiledeploy.data.dataset import Pixels
from mobiledeploy.data.preprocess import to_float32, to_grey, to_int8
from mobiledeploy.data.resize import resize
from mobiledeploy.formats import model_file
from mobiledeploy.formats.model_file import ModelFile
from mobiledeploy.prediction.report import Kind, PredictingFile, StatedBy
from mobiledeploy.reading import StoredTensor
from mobiledeploy.runtimes import Array, Session, TensorInfo, table
from mobiledeploy.runtimes.child import Children
from mobiledeploy.spec import manifest
from mobiledeploy.spec.channel_scaling import (
    SCALINGS,
    ChannelScaling,
    named,
    options_of,
)
from mobiledeploy.spec.config import Crop
from mobiledeploy.spec.contract import LABELS, MODELS, Contract
from mobiledeploy.verify.outputs import answers, model_input
from mobiledeploy.verify.outputs.answers import FileOutputs, OutputGrid
from mobiledeploy.verify.outputs.image_sets import centred
from mobiledeploy.verify.outputs.opened_file import OpenFile, open_file

_CONTRACT: Final = "contract.json"
_UNIT: Final = OutputGrid(scale=1.0, zero_point=0)
"""The steps in which outputs without a grid are counted: their real values."""
_SYMMETRIC: Final = 1 / 127
"""Scale of a symmetric grid of -1..1: the file may as well have been trained on 0..1."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Classifier:
    """A file in the runtime that apps use.

    Attributes:
        facts: What the report states of it.
        session: The loaded file.
        feed: From images, uint8, shape (images, height, width, 3), to the file's input.
        grid: Grid of the output's int8 codes; None if there is none.
        labels: Names of the classes in the file's metadata; empty if it holds none, or is a file
            of a build.
        binary: Whether a single output decides between two classes, by its contract.
    """

    facts: PredictingFile
    session: Session
    feed: Callable[[Pixels], Array]
    grid: OutputGrid | None
    labels: tuple[str, ...] = ()
    binary: bool = False

    @property
    def classes(self) -> int:
        """How many classes there are: one for each output, or two if it is binary."""
        return 2 if self.binary else math.prod(self.session.outputs[0].shape)

    def answer(self, pixels: Pixels) -> npt.NDArray[np.generic]:
        """Return the outputs for some images, shape (images, classes).

        They are int8 codes as int16, or float32 where there is no grid.

        Raises:
            ParityError: An output is NaN or infinite.
            CorruptFileError: The runtime refused the file.
            RuntimeDiedError: The runtime crashed, or took too long or too much memory.
        """
        outputs = self.session.run(self.feed(pixels))[:1]
        ends = FileOutputs(
            taps=(), logits=self.grid, scores=None, softmax=False, unstated=self.grid is None
        )
        who = f"{self.facts.name} in {self.session.runtime}"
        logits = answers.read(outputs, ends, self.grid or _UNIT, who=who).logits
        return self._both(logits) if self.binary else logits

    def _both(self, second: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the outputs of both classes: scores add up to 1, logits to 0."""
        grid = self.grid or _UNIT
        total = 1 if self.facts.values == "scores" else 0
        both = second.dtype.type(total / grid.scale + 2 * grid.zero_point)
        return np.concatenate([both - second, second], axis=1)

    def values(self, outputs: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
        """Return outputs as real numbers, same shape."""
        grid = self.grid or _UNIT
        values: npt.NDArray[np.float64] = outputs.astype(np.float64) - grid.zero_point
        return values * grid.scale


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Classifiers:
    """One or two files that take the same photos.

    Attributes:
        files: The files.
        image_size: Height and width of their input.
        crop: How a photo gets that shape.
        labels: Names of the classes; empty if they are not known.
        labels_by: What states them; None if nothing does.
    """

    files: tuple[Classifier, ...]
    image_size: tuple[int, int]
    crop: Crop
    labels: tuple[str, ...]
    labels_by: StatedBy | None

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return self.files[0].classes

    def fit(self, photo: Pixels, *, size: tuple[int, int] | None = None) -> Pixels:
        """Return what the network sees of a photo, or the same in another size.

        Args:
            photo: Upright RGB pixels of any size.
            size: Height and width; None for those of the input.
        """
        height, width = size or self.image_size
        match self.crop:
            case "center":
                return centred((height, width, 3))(photo)
            case "stretch":
                return resize(photo, height, width)
            case _:
                assert_never(self.crop)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a user says about files.

    Attributes:
        labels: Names of the classes in the order of the output; None to take what is stated.
        scaling: How pixels become the input; None to take what is stated.
        crop: How a photo gets the shape of the input; None for the contract's, or the centre.
    """

    labels: tuple[str, ...] | None = None
    scaling: ChannelScaling | None = None
    crop: Crop | None = None


NOTHING: Final = Said()


def open_build(root: Path, said: Said, children: Children, *, threads: int) -> Classifiers:
    """Return the two files of a build; see `open_files`.

    Raises:
        RequestError: There is no such folder.
        CorruptFileError: It holds no finished build, or a file is not the one that was built.
    """
    manifest.read(root, holding=(_CONTRACT, LABELS, *MODELS))
    return open_files([root / name for name in MODELS], said, children, threads=threads)


def open_files(
    paths: Sequence[Path], said: Said, children: Children, *, threads: int
) -> Classifiers:
    """Return model files that take the same photos.

    Args:
        paths: A `.tflite`, an `.onnx`, or two files.
        said: What the user says about them.
        children: Where they are run.
        threads: Images that run at a time.

    Raises:
        RequestError: There is no such file, nothing states how pixels become its input, the
            contract beside it states something else than the user, or there are more or fewer
            labels than classes.
        ParityError: A file does not take photos, or the files are not of the same classifier.
        CorruptFileError: A file is damaged, or a runtime refuses it.
        ConversionError: A file is not a graph with one input and one output.
        RuntimeDiedError: A runtime crashes on a file.
    """
    names = [path.name for path in paths]
    if len(set(names)) < len(names):
        names = [printable(path) for path in paths]
    files = [model_file.read(path, name=name) for path, name in zip(paths, names, strict=True)]
    children.start([table.primary(kind) for kind in sorted({file.format for file in files})])
    contracts = [_contract_of(path, file) for path, file in zip(paths, files, strict=True)]
    crop = _crop(said, contracts)
    same_runtime = len({file.format for file in files}) < len(files)
    opened = []
    for file, contract in zip(files, contracts, strict=True):
        runtime = table.primary(file.format)
        title = f"{runtime.title} of {file.name}" if same_runtime else runtime.title
        opened.append(
            _by_file(file, said, children, title=title, threads=threads)
            if contract is None
            else _by_contract(file, contract, said, children, title=title, threads=threads)
        )
    sizes = [_image_size(classifier.session.input, classifier.facts.name) for classifier in opened]
    claims = [
        f"takes {height} x {width} and has {classifier.classes} outputs"
        for (height, width), classifier in zip(sizes, opened, strict=True)
    ]
    if len(set(claims)) > 1:
        told = [f"{file.name} {claim}" for file, claim in zip(files, claims, strict=True)]
        raise ParityError("; ".join(told), hint="they are not the same classifier")
    labels, labels_by = _labels(paths, opened, contracts, said)
    return Classifiers(
        files=tuple(opened),
        image_size=sizes[0],
        crop=crop,
        labels=labels,
        labels_by=labels_by,
    )


def _image_size(info: TensorInfo, name: str) -> tuple[int, int]:
    """Return height and width of an input.

    Raises:
        ParityError: It takes no images.
    """
    if len(info.shape) == 1:
        raise ParityError(
            f"{name}: expected images as input `{info.name}`, received a vector of "
            f"{info.shape[0]} values",
            hint="a photo is not what this network was made for",
        )
    return model_input.image_shape(info)[:2]


def _contract_of(path: Path, file: ModelFile) -> Contract | None:
    """Return the contract beside a file if it is the file's: by its name and its digest."""
    beside = path.parent / _CONTRACT
    if path.name not in MODELS or not beside.is_file():
        return None
    contract = codec.from_json(Contract, beside.read_bytes(), where=str(beside))
    listed = {stated.path: stated.sha256 for stated in contract.files}
    return contract if listed.get(path.name) == file.sha256 else None


def _crop(said: Said, contracts: Sequence[Contract | None]) -> Crop:
    """Return how photos get the shape of the input.

    Raises:
        RequestError: The user or another file says something else than a contract.
    """
    stated = {contract.for_photos().crop for contract in contracts if contract is not None}
    if len({*stated, *([said.crop] if said.crop else [])}) > 1:
        raise RequestError(
            f"{_CONTRACT} says `--crop {' and '.join(sorted(stated))}`"
            + (f", received `--crop {said.crop}`" if said.crop else ""),
            hint="leave out `--crop`" if said.crop else "ask one file after the other",
        )
    return next(iter(stated), said.crop or "center")


def _by_contract(
    file: ModelFile,
    contract: Contract,
    said: Said,
    children: Children,
    *,
    title: str,
    threads: int,
) -> Classifier:
    """Return a file of a build.

    Raises:
        RequestError: The user says how pixels become the input as well.
    """
    if said.scaling is not None:
        raise RequestError(
            f"{_CONTRACT} says how pixels become the input of {file.name}, but an input range was "
            "given",
            hint="leave out `--input-range`, `--mean` and `--std`",
        )
    session = children.load(table.primary(file.format), file.data, threads=threads, name=file.name)
    grid = contract.output.grid
    dtype, seen = contract.input.dtype, contract.for_photos()
    words = {
        "int8": "pixel - 128",
        "uint8": "pixel",
        "float32": f"(pixel - {seen.mean:g}) / {seen.std:g}",
    }

    def feed(pixels: Pixels) -> Array:
        if seen.colour == "grey":
            pixels = to_grey(pixels)
        match dtype:
            case "int8":
                return to_int8(pixels)
            case "uint8":
                return pixels
            case "float32":
                return to_float32(pixels, seen.scaling)
            case _:
                assert_never(dtype)

    return Classifier(
        facts=_facts(
            file,
            session,
            title=title,
            fed=words[dtype],
            by="contract",
            values="scores" if contract.head == "softmax" else "outputs",
        ),
        session=session,
        feed=feed,
        grid=None if grid is None else OutputGrid(scale=grid.scale, zero_point=grid.zero_point),
        binary=contract.task == "binary",
    )


def _by_file(
    file: ModelFile, said: Said, children: Children, *, title: str, threads: int
) -> Classifier:
    """Return a file of which no contract speaks."""
    opened = open_file(file, children)
    scaling, by = _scaling(opened, said)
    session = opened.load(opened.primary, taps=(), threads=threads)
    channels = model_input.image_shape(session.input)[2]
    if len(scaling.mean) not in {1, channels}:
        raise RequestError(
            f"expected one mean and std, or one for each of the {channels} channels of "
            f"{file.name}; received {len(scaling.mean)}",
            hint="give as many numbers to `--mean` and `--std` as there are channels",
        )
    feed = model_input.feed(opened.reading.input, session.input, scaling)
    ends = opened.ends
    return Classifier(
        facts=_facts(
            file,
            session,
            title=title,
            fed=feed.words,
            by=by,
            values="scores" if ends.softmax else "outputs",
        ),
        session=session,
        feed=feed,
        grid=ends.scores if ends.softmax else ends.logits,
        labels=_labels_inside(opened),
    )


def _labels_inside(opened: OpenFile) -> tuple[str, ...]:
    if opened.file.format == "tflite":
        return opened.described.labels
    from mobiledeploy.network.importers import onnx

    return onnx.labels_in(opened.file.onnx)


def _facts(
    file: ModelFile, session: Session, *, title: str, fed: str, by: StatedBy, values: Kind
) -> PredictingFile:
    return PredictingFile(
        name=file.name,
        format=file.format,
        sha256=file.sha256,
        runtime=session.runtime,
        title=title,
        input=fed,
        input_by=by,
        values=values,
    )


def _scaling(opened: OpenFile, said: Said) -> tuple[ChannelScaling, StatedBy]:
    """Return how pixels become a file's input, and what states it.

    The metadata of a file that takes codes may state the scaling of its float network, or none,
    since codes are pixels there: its grid comes first.

    Raises:
        RequestError: Nothing states it.
    """
    if said.scaling is not None:
        return said.scaling, "option"
    tensor = opened.reading.input
    by_grid = _of_grid(tensor)
    if by_grid is not None:
        return by_grid, "grid"
    stated = opened.described.normalisation
    if stated:
        mean, std = zip(*stated, strict=True)
        return named(mean, std), "metadata"
    by_network = _of_network(opened.file)
    if by_network is not None:
        return by_network
    name = opened.file.name
    covers = ""
    if tensor.scale is not None and tensor.zero_point is not None:
        low, high = model_input.span(tensor)
        covers = f": its grid covers {low:.4g} to {high:.4g}, as that of several ranges may"
    raise RequestError(
        f"{name} does not say how pixels become its input{covers}",
        hint="say what it was trained with: `--input-range -1..1`, `0..1` or `0..255`; for "
        f"torchvision and timm `{options_of(SCALINGS['torchvision'])}`",
    )


def _of_grid(tensor: StoredTensor) -> ChannelScaling | None:
    """Return the scaling that an input's grid covers from end to end; None if none or several."""
    if tensor.scale is None or tensor.zero_point is None:
        return None
    scale = float(tensor.scale)
    if tensor.zero_point == 0 and math.isclose(scale, _SYMMETRIC, rel_tol=1e-3):
        return None
    low, high = model_input.span(tensor)
    channels = tensor.shape[-1]
    for scaling in SCALINGS.values():
        if len(scaling.mean) not in {1, channels}:
            continue
        values = scaling.values(channels)
        ends = abs(low - values.min()), abs(high - values.max())
        if max(ends) <= model_input.NEAR * scale:
            return scaling
    return None


def _of_network(file: ModelFile) -> tuple[ChannelScaling, StatedBy] | None:
    """Return what a float file's metadata or its first layer states; None for nothing."""
    # A build and most int8 files start faster without the importers.
    from mobiledeploy.network.importers import onnx, tflite

    try:
        imported = (
            tflite.read_model(file.tflite, name=file.name)
            if file.format == "tflite"
            else onnx.read_model(file.onnx, name=file.name)
        )
    except (ConversionError, RequestError):
        return None  # it is not float, or of a kind that cannot be imported: that states nothing
    if imported.scaling is None:
        return None
    return imported.scaling, "metadata" if imported.input_range else "layers"


def _labels(
    paths: Sequence[Path],
    opened: Sequence[Classifier],
    contracts: Sequence[Contract | None],
    said: Said,
) -> tuple[tuple[str, ...], StatedBy | None]:
    """Return the names of the classes, and what states them; none if nothing does.

    Raises:
        RequestError: The user's, or the only ones, are of another number of classes; or those of
            two files differ.
    """
    classes = opened[0].classes
    if said.labels is not None:
        if len(said.labels) != classes:
            raise RequestError(
                f"expected {classes} labels, one for each output, received {len(said.labels)}",
                hint="name a file with one label a line, in the order of the outputs",
            )
        return said.labels, "option"
    stated: dict[tuple[str, ...], StatedBy] = {}
    for path, classifier, contract in zip(paths, opened, contracts, strict=True):
        if contract is not None:
            stated.setdefault(_of_contract(path.parent, contract), "contract")
        elif classifier.labels:
            stated.setdefault(classifier.labels, "metadata")
        elif labels := class_names.beside(path):
            stated.setdefault(labels, "neighbour")
    fitting = {labels: by for labels, by in stated.items() if len(labels) == classes}
    if len(fitting) == 1:
        return next(iter(fitting.items()))
    if not stated:
        return (), None
    counts = " and ".join(f"{len(labels)} ({by})" for labels, by in stated.items())
    raise RequestError(
        f"expected {classes} labels, one for each output, received {counts}"
        if not fitting
        else "the two files have different labels",
        hint="name the right ones with `--labels FILE`, one label a line",
    )


def _of_contract(folder: Path, contract: Contract) -> tuple[str, ...]:
    """Return the labels that a contract lists, after checking their digest.

    Raises:
        CorruptFileError: The file is missing, was changed, or has another number of lines.
    """
    labels = class_names.read_labels(contract.labels.check(folder))
    if len(labels) != contract.classes:
        raise CorruptFileError(
            f"{folder / LABELS}: expected {contract.classes} labels, received {len(labels)}"
        )
    return labels
