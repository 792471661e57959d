"""What keeps a `.tflite` from running in the ImageClassifier of MediaPipe Tasks.

Measured with MediaPipe 1.2.3 (docs/metadata.md, tests/clients/test_mediapipe.py).
"""

from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

from mobiledeploy.formats.tflite.metadata import TensorMetadata
from mobiledeploy.formats.tflite.model import TfliteModel
from mobiledeploy.lint import inputs_outputs, metadata_rules
from mobiledeploy.lint.graph import Graph

Refusal: TypeAlias = Literal[
    "input type", "not an image", "not three channels", "not rgb", "no normalisation",
    "normalisation by channel", "unusable normalisation", "labels", "missing file",
    "compressed file",
]  # fmt: skip
"""Why it is refused. `input type`: an input that is neither uint8 nor float32. `labels`: more or
fewer than outputs. `not an image`: the metadata say so."""

_TYPES: Final = ("uint8", "float32")
_CHANNELS: Final = 3


def refusals(graph: Graph) -> tuple[Refusal, ...]:
    """Return why MediaPipe refuses a `.tflite` of images; empty if it takes it.

    Args:
        graph: One with one input, which is an image.
    """
    return tuple(_refusals(graph)) if isinstance(graph.model, TfliteModel) else ()


def _refusals(graph: Graph) -> Iterator[Refusal]:
    model = graph.model
    inputs = inputs_outputs.inputs(graph)
    described = model.described if isinstance(model, TfliteModel) else None
    said = described.inputs[0] if described is not None and described.inputs else None
    shape = inputs[0].shape or ()
    if inputs[0].dtype not in _TYPES:
        yield "input type"
    if shape[-1:] != (_CHANNELS,):
        yield "not three channels"
    if said is not None and said.content:
        if said.content != "image":
            yield "not an image"
        elif said.colour != "rgb":
            yield "not rgb"
    yield from _of_normalisation(said, floats=inputs[0].dtype == "float32")
    if any(metadata_rules.labels_that_do_not_fit(graph)):
        yield "labels"
    if any(metadata_rules.missing_files(graph)):
        yield "missing file"
    if any(metadata_rules.compressed_files(graph)):
        yield "compressed file"


def _of_normalisation(said: TensorMetadata | None, *, floats: bool) -> Iterator[Refusal]:
    """Yield why an input's normalisation is refused; that of codes is only counted."""
    normalisation = None if said is None else said.normalisation
    if normalisation is None:
        if floats:
            yield "no normalisation"
        return
    counts = {len(normalisation.mean), len(normalisation.std)}
    if counts not in ({1}, {_CHANNELS}) or (floats and not normalisation.usable):
        yield "unusable normalisation"
    elif floats and len(set(normalisation.pairs)) > 1:
        yield "normalisation by channel"
