"""Rules on the metadata of a `.tflite`: what does not fit the graph, or is refused by clients."""

import math
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from mobiledeploy.formats.model import CODES
from mobiledeploy.formats.tflite import metadata
from mobiledeploy.formats.tflite.metadata import (
    ArchivedFile,
    AssociatedFile,
    ModelMetadata,
    TensorMetadata,
)
from mobiledeploy.formats.tflite.model import TfliteModel
from mobiledeploy.lint import inputs_outputs
from mobiledeploy.lint.graph import Graph
from mobiledeploy.lint.inputs_outputs import IMAGE_RANK, InputOrOutput
from mobiledeploy.lint.rule import Place, Rule

COLOURS: Final = {1: "grey", 3: "rgb"}
"""By the number of channels."""
NEAR: Final = 8.0
"""Codes by which a pixel of 0 or 255 may miss its own: calibrated ranges are a bit narrower."""
LEAST_USED: Final = 0.45
"""Least part of the codes that pixels should use: a grid without a zero point takes half of them
for 0..1."""
PLAIN: Final = ((0.0, 1.0),)
"""What some tools state for inputs that take codes, which are the pixels then."""


def _described(graph: Graph) -> tuple[TfliteModel, ModelMetadata] | None:
    model = graph.model
    if not isinstance(model, TfliteModel) or model.described is None:
        return None
    return model, model.described


def _ends(graph: Graph) -> Iterator[tuple[str, InputOrOutput, TensorMetadata]]:
    """Yield what the metadata describe: its kind and name, the tensor, what they say of it."""
    known = _described(graph)
    if known is None:
        return
    _, said = known
    pairs = (
        ("input", inputs_outputs.inputs(graph), said.inputs),
        ("output", inputs_outputs.outputs(graph), said.outputs),
    )
    for what, ends, described in pairs:
        for end, tensor in zip(ends, described, strict=False):
            yield f"{what} `{end.name}`", end, tensor


def _last(end: InputOrOutput) -> int | None:
    """Return the size of the last axis; None if it is not fixed."""
    size = end.shape[-1] if end.shape else None
    return size if isinstance(size, int) and size > 0 else None


def labels_that_do_not_fit(graph: Graph) -> Iterator[Place]:
    """Find outputs with another number of labels than values."""
    known = _described(graph)
    if known is None:
        return
    model, _ = known
    for where, end, tensor in _ends(graph):
        name, size = tensor.labels, _last(end)
        if not name or size is None or name not in _archived(model):
            continue
        labels = metadata.lines(model.data, name)
        if len(labels) != size:
            said = f"{len(labels):,} labels in `{name}`" if labels else f"no text in `{name}`"
            yield Place(where=where, found=said, expected=f"{size:,}, one for each output")


def missing_files(graph: Graph) -> Iterator[Place]:
    """Find files that the metadata name and the archive does not hold."""
    known = _described(graph)
    if known is None:
        return
    model, said = known
    files = _archived(model)
    if len(files) >= metadata.MOST_FILES:
        return  # the others were not read
    for file in dict.fromkeys(_named(said)):
        if file.name not in files:
            held = ", ".join(f"`{name}`" for name in files) or "no archive"
            yield Place(where=f"`{file.name}`", found=held)


def compressed_files(graph: Graph) -> Iterator[Place]:
    """Find files of the archive that clients cannot map into memory."""
    for file in _in_archive(graph):
        if not file.stored:
            yield Place(where=f"`{file.name}`", found="a compressed file")


def unusable_normalisation(graph: Graph) -> Iterator[Place]:
    """Find means and standard deviations with which clients cannot compute."""
    for where, end, tensor in _ends(graph):
        said = tensor.normalisation
        if said is None:
            continue
        count = max(len(said.mean), len(said.std))
        if not said.usable:
            yield Place(where=where, found=f"mean {_listed(said.mean)}, std {_listed(said.std)}")
        elif count not in {1, _last(end) or count}:
            found = f"{count} means and standard deviations"
            yield Place(where=where, found=found, expected=f"1 or {_last(end)}, one a channel")


def _other_normalisation(graph: Graph) -> Iterator[Place]:
    for where, end, tensor in _ends(graph):
        pairs = () if tensor.normalisation is None else tensor.normalisation.pairs
        if not pairs or end.low is None or end.high is None or not where.startswith("input"):
            continue
        codes = end.dtype in CODES
        if codes and pairs == PLAIN:
            continue
        low = min(-mean / std for mean, std in pairs)
        high = max((255 - mean) / std for mean, std in pairs)
        step = (end.high - end.low) / 255
        if not (math.isfinite(low) and math.isfinite(high)) or step <= 0:
            continue
        beyond = max(end.low - low, high - end.high) / step
        pixels_are_codes = end.dtype == "uint8" and len(pairs) == 1
        misses = max(abs(low - end.low), abs(high - end.high)) / step
        unused = (high - low) / (end.high - end.low) < LEAST_USED
        if beyond > NEAR or unused or (pixels_are_codes and misses > NEAR):
            yield Place(
                where=where,
                found=f"pixels that become {low:.4g} to {high:.4g}",
                expected=f"{end.low:.4g} to {end.high:.4g}, which its grid covers",
            )


def _other_tensors(graph: Graph) -> Iterator[Place]:
    known = _described(graph)
    if known is None:
        return
    model, said = known
    for what, tensors, described in (
        ("inputs", model.inputs, said.inputs),
        ("outputs", model.outputs, said.outputs),
    ):
        if described and len(described) != len(tensors):
            found = f"{len(described)} {what}"
            yield Place(where="the metadata", found=found, expected=f"{len(tensors)}")
    for where, end, tensor in _ends(graph):
        yield from _other_image(where, end, tensor)


def _other_image(where: str, end: InputOrOutput, tensor: TensorMetadata) -> Iterator[Place]:
    if tensor.content != "image":
        return
    if end.shape is None or len(end.shape) != IMAGE_RANK:
        shape = "?" if end.shape is None else " x ".join(map(str, end.shape))
        yield Place(where=where, found="an image", expected=f"a tensor of {shape}: no image")
        return
    _, *sizes, channels = end.shape
    fixed = all(isinstance(size, int) and size > 0 for size in sizes)
    if tensor.size is not None and fixed and tensor.size != tuple(sizes):
        yield Place(
            where=where,
            found=f"{tensor.size[0]} x {tensor.size[1]} pixels",
            expected=f"{sizes[0]} x {sizes[1]}",
        )
    colour = COLOURS.get(channels) if isinstance(channels, int) else None
    if tensor.colour in COLOURS.values() and colour is not None and tensor.colour != colour:
        yield Place(where=where, found=tensor.colour, expected=f"{colour}, {channels} channels")


def _no_normalisation(graph: Graph) -> Iterator[Place]:
    for where, end, tensor in _ends(graph):
        image = tensor.content == "image" and end.dtype == "float32"
        if image and tensor.normalisation is None and where.startswith("input"):
            yield Place(where=where, found="no normalisation")


def _no_labels(graph: Graph) -> Iterator[Place]:
    known = _described(graph)
    if known is None or not any(tensor.content == "image" for tensor in known[1].inputs):
        return
    if any(tensor.labels for tensor in known[1].outputs):
        return
    for end in inputs_outputs.outputs(graph):
        if (_last(end) or 0) > 1:
            yield Place(where=f"output `{end.name}`", found="no labels")


def _unnamed_files(graph: Graph) -> Iterator[Place]:
    known = _described(graph)
    named = set() if known is None else {file.name for file in _named(known[1])}
    for file in _in_archive(graph):
        if file.name not in named:
            yield Place(where=f"`{file.name}`", found=f"{file.size:,} bytes")


def _outside(graph: Graph) -> Iterator[Place]:
    known = _described(graph)
    named = [] if known is None else [file.name for file in _named(known[1])]
    for name in dict.fromkeys([*(file.name for file in _in_archive(graph)), *named]):
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in name:
            yield Place(where=f"`{name}`", found="a name that leads out of its folder")


def _in_archive(graph: Graph) -> tuple[ArchivedFile, ...]:
    return graph.model.archived if isinstance(graph.model, TfliteModel) else ()


def _archived(model: TfliteModel) -> list[str]:
    return [file.name for file in model.archived]


def _named(said: ModelMetadata) -> list[AssociatedFile]:
    ends = (*said.inputs, *said.outputs)
    return [*said.files, *(file for tensor in ends for file in tensor.files)]


def _listed(numbers: tuple[float, ...]) -> str:
    return ", ".join(f"{number:g}" for number in numbers[:4]) or "none"


RULES: Final = (
    Rule(
        id="MD501",
        severity="error",
        title="labels that are not as many as the outputs",
        expected="one label for each output",
        hint="attach the labels that the network was trained with; MediaPipe refuses others",
        find=labels_that_do_not_fit,
    ),
    Rule(
        id="MD502",
        severity="error",
        title="file that the metadata name and the archive does not hold",
        expected="the file in the archive behind the flatbuffer",
        hint="attach it; a tool that rewrites the flatbuffer loses what is behind it",
        find=missing_files,
    ),
    Rule(
        id="MD503",
        severity="error",
        title="compressed file in the archive",
        expected="files that are stored as they are, which clients map into memory",
        hint="store the files without compression",
        find=compressed_files,
    ),
    Rule(
        id="MD504",
        severity="error",
        title="normalisation with which nothing can be computed",
        expected="finite means and positive standard deviations, one or one a channel",
        hint="state those of the training",
        find=unusable_normalisation,
    ),
    Rule(
        id="MD505",
        severity="warning",
        title="normalisation that does not fit the input's grid",
        expected="pixels that become what the grid covers",
        hint="one of both is wrong: compare them with the preprocessing of the training",
        find=_other_normalisation,
    ),
    Rule(
        id="MD506",
        severity="warning",
        title="metadata of other tensors than the graph's",
        expected="the inputs and outputs of the graph, with their sizes and channels",
        hint="write the metadata for this file",
        find=_other_tensors,
    ),
    Rule(
        id="MD507",
        severity="warning",
        title="float image without normalisation",
        expected="mean and standard deviation of the training",
        hint="state them: MediaPipe refuses such a file",
        find=_no_normalisation,
    ),
    Rule(
        id="MD508",
        severity="note",
        title="metadata without labels",
        expected="a name for each output, if they are classes",
        hint="attach a file of labels: clients show numbers otherwise",
        find=_no_labels,
    ),
    Rule(
        id="MD509",
        severity="note",
        title="file in the archive that the metadata do not name",
        expected="a tensor or the model that names it",
        hint="harmless; clients do not find it",
        find=_unnamed_files,
    ),
    Rule(
        id="MD510",
        severity="warning",
        title="file whose name leads out of its folder",
        expected="plain names",
        hint="do not unpack the archive: it would write elsewhere. Nothing here unpacks it",
        find=_outside,
    ),
)
