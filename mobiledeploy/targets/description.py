"""What a build's `.tflite` says about itself, for clients such as MediaPipe and ML Kit.

docs/metadata.md lists it. What the schema cannot say, such as how a photo is cropped and resized,
stands in the descriptions. Nothing is guessed: what nobody said is left out.
"""

import dataclasses
from typing import assert_never

from mobiledeploy.formats.limits import MOST_NAME
from mobiledeploy.formats.tflite.metadata import (
    AXIS_LABELS,
    AssociatedFile,
    ModelMetadata,
    Normalisation,
    TensorMetadata,
)
from mobiledeploy.formats.tflite.metadata_writer import Attachment
from mobiledeploy.ops.tensors import Shape
from mobiledeploy.spec.config import Head, Preprocessing, Task
from mobiledeploy.spec.contract import LABELS


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What is known of a network besides its numbers.

    Attributes:
        name: Of the network.
        license: Under which the file may be used; empty if nobody said it.
        preprocessing: How a photo becomes its input; None if it takes none.
        task: What the outputs are.
        classes: Names of the classes in the order of the outputs, both of a binary task; empty if
            they are not known.
    """

    name: str
    license: str
    preprocessing: Preprocessing | None
    task: Task
    classes: tuple[str, ...]


def attachment(described: Described, shape: Shape, *, head: Head) -> Attachment:
    """Return what a file says about itself, with its labels.

    Args:
        described: What is known of the network.
        shape: Of one input, without the batch.
        head: Whether the output is scores or logits.
    """
    named = labels(described.task, described.classes)
    photo = described.preprocessing
    metadata = ModelMetadata(
        name=described.name,
        description=_whole(described),
        license=described.license,
        inputs=(_values(shape) if photo is None else _photo(photo),),
        outputs=(_output(described, head, labelled=bool(named)),),
    )
    text = "".join(f"{name}\n" for name in named)
    return Attachment(metadata=metadata, files={LABELS: text.encode()} if named else {})


def labels(task: Task, classes: tuple[str, ...]) -> tuple[str, ...]:
    """Return a name for each entry of the output; none where they are not known, or no classes.

    The only output of a binary task is the score of the second class. Clients take whatever has
    labels for scores of classes, so the numbers of a regression have none.

    Args:
        task: What the outputs are.
        classes: Names of the classes; empty if they are not known.
    """
    match task:
        case "classification" | "multi-label":
            return classes
        case "binary":
            return classes[1:]
        case "regression":
            return ()
        case _:
            assert_never(task)


def _whole(described: Described) -> str:
    source = "photos" if described.preprocessing is not None else "values"
    match described.task:
        case "classification" | "binary":
            return f"Tells which class {source} are of."
        case "multi-label":
            return f"Tells which labels {source} have, any number of them."
        case "regression":
            return f"Computes numbers from {source}: a regression."
        case _:
            assert_never(described.task)


def _photo(photo: Preprocessing) -> TensorMetadata:
    height, width, channels = photo.shape
    match photo.crop:
        case "center":
            part = "the largest centred square" if height == width else "the largest centred part"
            of = "" if height == width else f" of {width} : {height}"
            cut = f"cut to {part}{of}, then resized; a client that stretches it answers otherwise"
        case "stretch":
            cut = "stretched to this size, whatever its proportions"
        case _:
            assert_never(photo.crop)
    grey = "" if channels > 1 else ", made grey"
    return TensorMetadata(
        name="image",
        description=f"An upright photo{grey}, {cut}. The filter is antialiased bilinear "
        f"(triangle-v1). Then (pixel - mean) / std; integer inputs are codes of that.",
        content="image",
        colour="rgb" if channels > 1 else "grey",
        size=(height, width),
        normalisation=Normalisation(mean=(photo.mean,), std=(photo.std,)),
    )


def _values(shape: Shape) -> TensorMetadata:
    return TensorMetadata(
        name="values",
        description=f"{' x '.join(map(str, shape))} numbers, no photo.",
        content="feature",
    )


def _output(described: Described, head: Head, *, labelled: bool) -> TensorMetadata:
    scores = head == "softmax"
    file = AssociatedFile(name=LABELS, kind=AXIS_LABELS, description="A name for each output.")
    return TensorMetadata(
        name="values" if described.task == "regression" else "scores" if scores else "logits",
        description=_outputs(described, scores=scores),
        content="feature",
        files=(file,) if labelled else (),
    )


def _outputs(described: Described, *, scores: bool) -> str:
    match described.task:
        case "classification":
            what = "A score for each class; together they are 1"
            return f"{what}." if scores else "A logit for each class; their softmax is the scores."
        case "binary":
            names = described.classes or ("the first class", "the second class")
            first, second = (name[:MOST_NAME] for name in names)
            given = "" if scores else "A logit; its sigmoid is the score: "
            return f"{given}The score of {second}; that of {first} is 1 minus it."
        case "multi-label":
            each = "A score for each label on its own, 0 to 1"
            return f"{each}." if scores else "A logit for each label; its sigmoid is its score."
        case "regression":
            return "Numbers, no scores."
        case _:
            assert_never(described.task)
