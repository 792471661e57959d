"""One of the two files: read into layers, and with a place where it may be run."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from mobiledeploy import reading
from mobiledeploy.base.errors import ConversionError, CorruptFileError
from mobiledeploy.reading import Reading
from mobiledeploy.runtimes import Array, Session, kinds
from mobiledeploy.runtimes.kinds import Kind
from mobiledeploy.verify.answers import Ends
from mobiledeploy.verify.model_file import ModelFile


class Place(Protocol):
    """Where files are run: in this process (`HERE`), or in a `runtimes.child.Child`."""

    def load(
        self,
        kind: Kind,
        model: bytes,
        *,
        taps: Sequence[str] | None = None,
        threads: int = 1,
        name: str = "the file",
    ) -> Session:
        """Return a session; see `runtimes.kinds.load`."""
        ...

    def once(
        self, kind: Kind, model: bytes, batches: Sequence[Array], *, name: str = "the file"
    ) -> tuple[Array, ...]:
        """Return the outputs of a file that is run once, on a batch for each input."""
        ...


class _Here:
    """This process: for files that it wrote itself."""

    def load(
        self,
        kind: Kind,
        model: bytes,
        *,
        taps: Sequence[str] | None = None,
        threads: int = 1,
        name: str = "the file",
    ) -> Session:
        del name
        return kinds.load(kind, model, taps=taps, threads=threads)

    def once(
        self, kind: Kind, model: bytes, batches: Sequence[Array], *, name: str = "the file"
    ) -> tuple[Array, ...]:
        del name
        return kinds.load(kind, model, taps=(), inputs=len(batches)).run(*batches)


HERE: Place = _Here()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Side:
    """A file to compare.

    Attributes:
        file: The bytes.
        reading: Its layers.
        ends: What its outputs mean.
        place: Where it is run.
    """

    file: ModelFile
    reading: Reading
    ends: Ends
    place: Place

    def load(self, kind: Kind, *, taps: Sequence[str], threads: int) -> Session:
        """Return a session for the file; see `runtimes.kinds.load`."""
        return self.place.load(
            kind, self.file.data, taps=taps, threads=threads, name=self.file.name
        )

    @property
    def macs(self) -> int:
        """Multiplications an image, of the layers with weights."""
        return sum(
            layer.weights.kernel.size * math.prod(layer.output.shape[:2])
            if layer.kind != "dense"
            else layer.weights.kernel.size
            for layer in self.reading.layers
            if layer.weights is not None
        )


def open_side(file: ModelFile, place: Place) -> Side:
    """Return a file, read.

    Raises:
        CorruptFileError: It is damaged.
        ConversionError: It is no graph with one input and one output, or computes in 16 bits.
        ParityError: It is no classifier.
    """
    try:
        found = _read(file)
    except (CorruptFileError, ConversionError) as error:
        raise type(error)(f"{file.name}: {error}", hint=error.hint) from error
    if reading.arithmetic(found) == "wider":
        raise ConversionError(
            f"{file.name}: expected activations of 8 bits or floats, received others, such as the "
            "int16 of a 16x8 quantisation",
            hint="quantise the activations to int8 or uint8: no runtime here has fast kernels for "
            "16 bits",
        )
    _check_grids(found, file.name)
    return Side(file=file, reading=found, ends=Ends.of(found, file=file.name), place=place)


def _read(file: ModelFile) -> Reading:
    match file.format:
        case "tflite":
            return reading.read_tflite(file.data)
        case "onnx":
            return reading.read_onnx(file.onnx)


def _check_grids(found: Reading, name: str) -> None:
    """Refuse scales that nothing can be measured in.

    Raises:
        CorruptFileError: That of the input, the logits or the output is not positive.
    """
    ends = [found.input, found.output, *([found.logits.output] if found.logits else [])]
    for tensor in ends:
        scale = tensor.scale
        if scale is not None and not np.finfo(np.float32).tiny <= scale < np.inf:
            raise CorruptFileError(
                f"{name}: tensor `{tensor.name}`: expected a positive scale, received {scale}"
            )
