"""`OpenFile`: a file that is read into layers, with a place where it may be run."""

import dataclasses
import math
import threading
from collections.abc import Sequence
from typing import Final, Protocol, assert_never

import numpy as np

from mobiledeploy import reading
from mobiledeploy.base.errors import ConversionError, CorruptFileError
from mobiledeploy.formats import model_file
from mobiledeploy.formats.model_file import ModelFile
from mobiledeploy.formats.tflite import metadata
from mobiledeploy.formats.tflite.metadata import Classifier
from mobiledeploy.reading import Reading, ShapeContradiction, StoredLayer
from mobiledeploy.runtimes import Array, FileLayer, Runtime, Session, table
from mobiledeploy.spec.channel_scaling import ChannelScaling
from mobiledeploy.spec.results import InputChoice
from mobiledeploy.verify.outputs.answers import FileOutputs

BAD_GRIDS: Final = frozenset({"MD107", "MD108"})
"""Rules of `lint`: scales that are no positive numbers, zero points that are no codes."""


class Place(Protocol):
    """Where files are run: in this process (`HERE`), or in `runtimes.child.Children`."""

    def load(
        self,
        runtime: Runtime,
        model: bytes,
        *,
        threads: int = 1,
        inner_threads: int = 1,
        name: str = "the file",
        hint: str | None = None,
    ) -> Session:
        """Return a session; see `runtimes.Load`."""
        ...

    def tapped(
        self,
        runtime: Runtime,
        model: bytes,
        tensors: Sequence[str],
        *,
        name: str = "the file",
        hint: str | None = None,
    ) -> bytes:
        """Return a copy of a file with some inner tensors added to its outputs."""
        ...

    def once(
        self, runtime: Runtime, model: bytes, batches: Sequence[Array], *, name: str = "the file"
    ) -> tuple[Array, ...]:
        """Return the outputs of a single run of a file, given a batch for each input."""
        ...

    def kernel_reasons(
        self,
        runtime: Runtime,
        model: bytes,
        layers: Sequence[FileLayer],
        *,
        name: str = "the file",
    ) -> list[tuple[str, ...]]:
        """Return why the kernels of layers are not those of the proofs; see `runtimes.Runtime`."""
        ...


class _Here:
    """This process, for files that it wrote itself: files of others may crash it."""

    def __init__(self) -> None:
        # Loading captures the process's stderr for a while.
        self._lock = threading.Lock()

    def load(
        self,
        runtime: Runtime,
        model: bytes,
        *,
        threads: int = 1,
        inner_threads: int = 1,
        name: str = "the file",
        hint: str | None = None,
    ) -> Session:
        del name, hint
        with self._lock:
            return runtime.load(model, threads=threads, inner_threads=inner_threads)

    def tapped(
        self,
        runtime: Runtime,
        model: bytes,
        tensors: Sequence[str],
        *,
        name: str = "the file",
        hint: str | None = None,
    ) -> bytes:
        del name, hint
        return model_file.tap(runtime.format, model, tensors)

    def once(
        self, runtime: Runtime, model: bytes, batches: Sequence[Array], *, name: str = "the file"
    ) -> tuple[Array, ...]:
        del name
        return runtime.load(model, inputs=len(batches)).run(*batches)

    def kernel_reasons(
        self,
        runtime: Runtime,
        model: bytes,
        layers: Sequence[FileLayer],
        *,
        name: str = "the file",
    ) -> list[tuple[str, ...]]:
        del name
        assert runtime.kernel_reasons is not None  # noqa: S101 - who asks has looked
        return runtime.kernel_reasons(model, layers)


HERE: Place = _Here()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OpenFile:
    """A file that is read into layers, and can be run.

    Attributes:
        file: The file's bytes.
        reading: Its layers.
        ends: Its outputs: logits, scores and their grids.
        place: Where it is run.
        scaling: How pixels become its input, where it has no grid and that is known.
        choice: How `scaling` was chosen, or was not; None if it was not tried.
    """

    file: ModelFile
    reading: Reading
    ends: FileOutputs
    place: Place
    scaling: ChannelScaling | None = None
    choice: InputChoice | None = None
    _copies: dict[tuple[str, ...], bytes] = dataclasses.field(
        init=False, default_factory=dict, repr=False
    )

    @property
    def primary(self) -> Runtime:
        """The runtime that apps use."""
        return table.primary(self.file.format)

    @property
    def others(self) -> tuple[Runtime, ...]:
        """All runtimes of the file's format but the one that apps use."""
        return table.running(self.file.format)[1:]

    def load(
        self, runtime: Runtime, *, taps: Sequence[str], threads: int, inner_threads: int = 1
    ) -> Session:
        """Return a session that gives the file's outputs, then the tapped inner tensors.

        Args:
            runtime: The runtime that runs it.
            taps: Names of the inner tensors to add after the file's own outputs.
            threads: See `runtimes.Load`.
            inner_threads: See `runtimes.Load`.

        Raises:
            CorruptFileError: The runtime refuses the file, or a tapped copy of it.
            ConversionError: There is no such tensor, or the runtime does not run such files.
            RuntimeDiedError: The runtime crashed on it; the hint says what our own checks found.
        """
        try:
            return self.place.load(
                runtime,
                self._tapped(tuple(taps)),
                threads=threads,
                inner_threads=inner_threads,
                name=self.file.name,
                hint=self._checked,
            )
        except CorruptFileError as error:
            better = refusal_explained(self.file.name, self.reading, error)
            better = better or _bad_grid(self.file, runtime)
            if better is None:
                raise
            raise better from error

    def _tapped(self, taps: tuple[str, ...]) -> bytes:
        if not taps:
            return self.file.data
        if taps not in self._copies:
            self._copies[taps] = self.place.tapped(
                self.primary, self.file.data, taps, name=self.file.name, hint=self._checked
            )
        return self._copies[taps]

    @property
    def _checked(self) -> str:
        """The hint for a user whose runtime crashed on the file: what our own checks found."""
        faults = [(layer, fault) for layer in self.reading.layers for fault in layer.faults]
        if not faults:
            return (
                "our own checks found no fault in the file: the runtime has one, or the file has "
                "one that they do not detect; try another version of the runtime, or write the "
                "file again with the program that made it"
            )
        layer, fault = faults[0]
        return (
            f"our own checks found this in the file: `{layer.name}`: {fault.detail}; write the "
            "file again with the program that made it"
        )

    @property
    def described(self) -> Classifier:
        """What the metadata of a `.tflite` say about its classes and its input, if anything."""
        if self.file.format != "tflite":
            return Classifier()
        try:
            return metadata.classifier(self.file.data)
        except CorruptFileError:
            return Classifier()  # the network in the file is whole all the same

    @property
    def macs(self) -> int:
        """Multiply-accumulates per image of the layers with weights."""
        return sum(
            layer.weights.kernel.size * math.prod(layer.output.shape[:-1])
            for layer in self.reading.layers
            if layer.weights is not None
        )


def open_file(file: ModelFile, place: Place) -> OpenFile:
    """Return a file that is read into layers.

    Raises:
        CorruptFileError: It is damaged.
        ConversionError: It is not a graph with one input and one output, or computes in 16 bits.
        ParityError: It is not a classifier.
    """
    try:
        layers = _read(file)
    except (CorruptFileError, ConversionError) as error:
        raise type(error)(f"{file.name}: {error}", hint=error.hint) from error
    if reading.arithmetic(layers) == "wider":
        raise ConversionError(
            f"{file.name}: expected activations of 8 bits or floats, received others, such as the "
            "int16 of a 16x8 quantisation",
            hint="quantise the activations to int8 or uint8: no runtime here has fast kernels for "
            "16 bits",
        )
    _check_grids(layers, file.name)
    return OpenFile(
        file=file, reading=layers, ends=FileOutputs.of(layers, file=file.name), place=place
    )


def _read(file: ModelFile) -> Reading:
    match file.format:
        case "tflite":
            return reading.read_tflite(file.tflite)
        case "onnx":
            return reading.read_onnx(file.onnx)
        case _:
            assert_never(file.format)


def _check_grids(layers: Reading, name: str) -> None:
    """Refuse scales that cannot serve as a unit of differences.

    Raises:
        CorruptFileError: The scale of the input, the logits or the output is not positive.
    """
    ends = [layers.input, layers.output, *([layers.logits.output] if layers.logits else [])]
    for tensor in ends:
        scale = tensor.scale
        if scale is not None and not np.finfo(np.float32).tiny <= scale < np.inf:
            raise CorruptFileError(
                f"{name}: tensor `{tensor.name}`: expected a positive scale, received {scale}",
                hint="a range was empty, or never calibrated: calibrate again; `mobiledeploy "
                "inspect` names every such tensor",
            )


def refusal_explained(
    file: str, layers: Reading, error: CorruptFileError
) -> CorruptFileError | None:
    """Return an error that names the first layer whose shapes contradict each other.

    Not every runtime refuses such files: LiteRT computes shapes itself, and fails only at a later
    layer whose inputs do not fit together.

    Args:
        file: Name of the file.
        layers: Layers of the file.
        error: The runtime's own error.

    Returns:
        None if no layer contradicts itself; the runtime's own error then stands.
    """
    for layer in layers.layers:
        for fault in layer.faults:
            if fault.contradiction is not None:
                return CorruptFileError(
                    f"{file} contradicts itself: {_words(layer, fault.contradiction)}; {error}",
                    hint="the padding or a stated shape was changed after the file was made: "
                    "write it again with the program that made it",
                )
    return None


def _bad_grid(file: ModelFile, runtime: Runtime) -> CorruptFileError | None:
    """Return an error that names the first tensor whose scale or zero point is impossible.

    Runtimes refuse such files in words of their own, without the tensor's name.

    Args:
        file: The file.
        runtime: The runtime that refuses it.

    Returns:
        None if `inspect` finds no such tensor; the runtime's own error then stands.
    """
    from mobiledeploy.lint import inspection  # its rules take a while to import
    from mobiledeploy.lint.graph import Graph

    try:
        with np.errstate(all="ignore"):
            findings = inspection.check(Graph.of(file.parsed))
    except CorruptFileError:
        return None
    for finding in findings:
        if finding.rule in BAD_GRIDS:
            place = finding.places[0]
            return CorruptFileError(
                f"{file.name}: {place.where}: {place.found}, expected {place.expected} "
                f"({finding.rule}: {finding.title}); {runtime.title} does not load it",
                hint=f"{finding.hint}; `mobiledeploy inspect` names every such tensor",
            )
    return None


def _words(layer: StoredLayer, contradiction: ShapeContradiction) -> str:
    padding = f" with padding {contradiction.padding}" if contradiction.padding else ""
    return (
        f"{layer.op} `{layer.name.partition(';')[0]}`{padding} makes {_by(contradiction.given)} "
        f"of {_by(contradiction.source)}, but the file states {_by(contradiction.stated)}"
    )


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
