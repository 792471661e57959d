"""Put the instrument to a mutant: what does it say, and is it right."""

import dataclasses
from collections.abc import Iterator

import comparing

from mobiledeploy import reading
from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.compare.difference import Difference
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.formats.tflite import parse
from mutants.editable import Editable, NotApplicableError
from mutants.faults import FAULTS
from mutants.onnx import OnnxEditable
from mutants.tflite import TfliteEditable


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mutant:
    """A faulty file.

    Attributes:
        fault: Its name in `FAULTS`.
        format: Of the faulty file.
        layer: Index of the layer that was changed.
        expected: Index of the layer that should be named.
        data: The file.
    """

    fault: str
    format: str
    layer: int
    expected: int
    data: bytes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """What the instrument says of a mutant.

    Attributes:
        kind: `changed` (a difference that may change an output), `equivalent` (differences that
            were shown to change nothing), `same` (the files hold the same numbers), `damaged`.
        named: The names that the layer has which it names, in both files; empty for none.
        said: In words.
    """

    kind: str
    named: tuple[str, ...]
    said: str


def mutants(
    tflite: bytes, onnx: bytes, *, faults: tuple[str, ...] | None = None
) -> Iterator[Mutant]:
    """Yield every fault in every layer of both files."""
    for fault in faults or tuple(FAULTS):
        for kind, data in (("tflite", tflite), ("onnx", onnx)):
            for layer in range(len(_editable(kind, data).kinds)):
                found = mutant(fault, kind, data, layer)
                if found is not None:
                    yield found


def mutant(fault: str, kind: str, data: bytes, layer: int) -> Mutant | None:
    """Return one, or None where the fault has nothing to change."""
    file = _editable(kind, data)
    try:
        expected = FAULTS[fault](file, layer)
    except NotApplicableError:
        return None
    return Mutant(fault=fault, format=kind, layer=layer, expected=expected, data=file.data())


class Instrument:
    """The comparison of a pair of files of which one is sound."""

    def __init__(self, tflite: bytes, onnx: bytes) -> None:
        self._tflite, self._onnx = (
            reading.read_tflite(parse(tflite)),
            reading.read_onnx(parse_onnx(onnx)),
        )
        self._usual = set(comparing.compare(self._tflite, self._onnx).differences)

    def is_right(self, mutant: Mutant, answer: Answer) -> bool:
        """Return whether the layer that it names is the one at fault."""
        if mutant.expected < 0:
            names = {self._tflite.input.name, self._onnx.input.name}
        else:
            names = {r.layers[mutant.expected].name for r in (self._tflite, self._onnx)}
        return not names.isdisjoint(answer.named)

    def ask(self, mutant: Mutant) -> Answer:
        """Return what it says of a mutant."""
        try:
            if mutant.format == "tflite":
                report = comparing.compare(reading.read_tflite(parse(mutant.data)), self._onnx)
            else:
                report = comparing.compare(
                    self._tflite, reading.read_onnx(parse_onnx(mutant.data))
                )
        except CorruptFileError as error:
            return Answer(kind="damaged", named=(), said=str(error))
        if report.first is not None:
            return Answer(kind="changed", named=_names(report.first), said=report.cause)
        unusual = [d for d in report.differences if d not in self._usual]
        if not unusual:
            return Answer(kind="same", named=(), said="the same numbers")
        return Answer(kind="equivalent", named=_names(unusual[0]), said=_words(unusual[0]))


def _names(found: Difference) -> tuple[str, ...]:
    return tuple(name for name in (found.layer, found.other) if name)


def _words(found: Difference) -> str:
    return f"{found.field}: {found.detail}; {found.method}"


def _editable(kind: str, data: bytes) -> Editable:
    return TfliteEditable(data) if kind == "tflite" else OnnxEditable(data)
