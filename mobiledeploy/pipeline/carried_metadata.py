"""What a converted `.tflite` says about itself: what its source said, and what the user says."""

import dataclasses
from typing import Final, Literal

from mobiledeploy.base.errors import RequestError
from mobiledeploy.formats.model_file import ModelFile
from mobiledeploy.formats.tflite.metadata import (
    AXIS_LABELS,
    UNKNOWN,
    AssociatedFile,
    ModelMetadata,
    Normalisation,
    TensorMetadata,
    classifier,
)
from mobiledeploy.formats.tflite.metadata_writer import Attachment
from mobiledeploy.reading import Reading
from mobiledeploy.spec.contract import LABELS

_PLAIN: Final = ((0.0, 1.0),)
"""What some tools state of inputs that take codes: the codes are the pixels."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What is known of a file besides what it says itself.

    Attributes:
        labels: Names of the classes in the order of the output, as the user says; empty for none.
        beside: Those in a file of labels beside it; empty for none.
        licence: Under which it may be used, as the user says; empty for nothing.
    """

    labels: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    licence: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What the metadata of a converted `.tflite` state, and where it comes from.

    Attributes:
        labels: How many labels there are.
        labels_from: `option` (the user), `file` (the source) or `neighbour` (a file of labels
            beside the source); None if there are none.
        license: Under which the file may be used; empty if nobody said it.
        normalisation: Where that of the input comes from: `file` (the source's metadata), or
            `grid` (of an input whose codes are the pixels, as its metadata say); None if there is
            none.
        left_out: What the source said and the target does not, by name.
    """

    labels: int = 0
    labels_from: Literal["option", "file", "neighbour"] | None = None
    license: str = ""
    normalisation: Literal["file", "grid"] | None = None
    left_out: tuple[str, ...] = ()


def carry(
    file: ModelFile, layers: Reading, said: Said
) -> tuple[Attachment | None, Carried | None]:
    """Return what a `.tflite` that is made of a file says, and where that comes from.

    None, twice, if there is nothing to say.

    Args:
        file: The source.
        layers: Its layers.
        said: What is said besides.

    Raises:
        RequestError: The user's labels are of another number of outputs.
    """
    source = file.tflite.described if file.format == "tflite" else None
    labels, labels_from, unfit = _labels(file, layers, said)
    licence = said.licence or ("" if source is None else source.license)
    if source is None and not labels and not licence:
        return None, None
    source = source or ModelMetadata()
    first = source.inputs[0] if source.inputs else TensorMetadata()
    last = source.outputs[0] if source.outputs else TensorMetadata()
    normalisation, normalised_from = _normalisation(first, layers)
    file_of_labels = AssociatedFile(name=LABELS, kind=AXIS_LABELS)
    metadata = dataclasses.replace(
        source,
        license=licence,
        inputs=(_known(first, normalisation=normalisation, files=()),),
        outputs=(_known(last, normalisation=None, files=(file_of_labels,) if labels else ()),),
        files=(),
    )
    text = "".join(f"{name}\n" for name in labels)
    return (
        Attachment(metadata=metadata, files={LABELS: text.encode()} if labels else {}),
        Carried(
            labels=len(labels),
            labels_from=labels_from,
            license=licence,
            normalisation=normalised_from,
            left_out=(*unfit, *_left_out(source, first, last, normalisation)),
        ),
    )


def _labels(
    file: ModelFile, layers: Reading, said: Said
) -> tuple[tuple[str, ...], Literal["option", "file", "neighbour"] | None, tuple[str, ...]]:
    """Return the labels, where they are from, and those of the source that do not fit.

    Raises:
        RequestError: The user's labels are of another number of outputs.
    """
    outputs = layers.output.shape[-1] if layers.output.shape else 0
    if said.labels:
        if len(said.labels) != outputs:
            raise RequestError(
                f"expected {outputs} labels, one for each output, received {len(said.labels)}",
                hint="name a file with one label a line with `--labels`",
            )
        return said.labels, "option", ()
    own = _inside(file)
    unfit = (f"{len(own)} labels",) if own and len(own) != outputs else ()
    if own and not unfit:
        return own, "file", ()
    if len(said.beside) == outputs:
        return said.beside, "neighbour", unfit
    return (), None, unfit


def _inside(file: ModelFile) -> tuple[str, ...]:
    if file.format == "tflite":
        return classifier(file.data).labels
    from mobiledeploy.network.importers import onnx

    return onnx.labels_in(file.onnx)


def _normalisation(
    first: TensorMetadata, layers: Reading
) -> tuple[Normalisation | None, Literal["file", "grid"] | None]:
    said, tensor = first.normalisation, layers.input
    if said is None or not said.usable:
        return None, None
    codes = tensor.dtype in {"int8", "uint8"}
    if codes and said.pairs == _PLAIN and tensor.scale and tensor.zero_point is not None:
        mean, std = tensor.zero_point + 128.0, 1 / float(tensor.scale)
        return Normalisation(mean=(mean,), std=(std,)), "grid"
    return said, "file"


def _known(
    tensor: TensorMetadata,
    *,
    normalisation: Normalisation | None,
    files: tuple[AssociatedFile, ...],
) -> TensorMetadata:
    """Return what can be written of a tensor's metadata, with these parts."""
    return dataclasses.replace(
        tensor,
        content="" if tensor.content == UNKNOWN else tensor.content,
        colour="" if tensor.colour == UNKNOWN else tensor.colour,
        normalisation=normalisation,
        others=(),
        files=files,
    )


def _left_out(
    source: ModelMetadata,
    first: TensorMetadata,
    last: TensorMetadata,
    normalisation: Normalisation | None,
) -> tuple[str, ...]:
    labels = {tensor.labels for tensor in (first, last)}
    files = [*source.files, *first.files, *last.files]
    return (
        *dict.fromkeys(file.name for file in files if file.name not in labels),
        *dict.fromkeys((*first.others, *last.others)),
        *(["normalisation"] if first.normalisation is not None and not normalisation else []),
        *(["normalisation of the output"] if last.normalisation is not None else []),
    )
