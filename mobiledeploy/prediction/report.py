"""`PredictionReport`: the answers to photos; its JSON follows docs/schemas/predict.schema.json."""

import dataclasses
from typing import Literal, TypeAlias

from mobiledeploy.formats.model import Format
from mobiledeploy.spec.config import Crop

Kind: TypeAlias = Literal["scores", "outputs"]
"""What the values are: scores of a softmax or of sigmoids, 0 to 1, or any other outputs."""
StatedBy: TypeAlias = Literal["option", "contract", "grid", "metadata", "layers", "neighbour"]
"""What states a fact: the user, a build's contract, the grid of the input, metadata in the file,
its layers (they begin with a scaling of pixels), or a file of labels beside it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PredictingFile:
    """A model file that answered.

    Attributes:
        name: Name of the file.
        format: Format by its bytes.
        sha256: Hexadecimal digest of the file.
        runtime: The runtime with its version.
        title: The runtime's short name, with the file's if both have the same runtime.
        input: How pixels became the input, in words.
        input_by: What states it.
        values: What the values of the answers are.
    """

    name: str
    format: Format
    sha256: str
    runtime: str
    title: str
    input: str
    input_by: StatedBy
    values: Kind


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A class that a file gives for a photo.

    Attributes:
        number: Number of the class, from 0.
        label: Its name; None if names are not known.
        value: The output for it as a real number.
        code: The same as an int8 code; None if the output has no grid.
    """

    number: int
    label: str | None
    value: float
    code: int | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How the outputs of two files for one photo differ, over all classes.

    Attributes:
        same_top1: Whether the likeliest class is the same.
        codes: Largest difference in steps; None if the outputs are not codes of one grid.
        values: Largest difference of the real values.
    """

    same_top1: bool
    codes: int | None
    values: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PhotoAnswer:
    """A photo that was answered.

    Attributes:
        name: The photo, as it was named, or below the folder that was named.
        top: For each file the likeliest classes, the likeliest first; among equals the one with
            the lower number.
        equal: Whether the likeliest class is the same and no code differs; None of one file.
        difference: How the outputs differ; None of one file.
    """

    name: str
    top: tuple[tuple[Candidate, ...], ...]
    equal: bool | None
    difference: Difference | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class UnreadablePhoto:
    """A photo that could not be read.

    Attributes:
        name: As in `PhotoAnswer`.
        reason: Why, in words.
    """

    name: str
    reason: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PredictionReport:
    """The answers to photos.

    Attributes:
        files: The files that answered.
        classes: Number of classes.
        labels_by: What states the names of the classes; None if they are not known.
        image_size: Height and width of the input.
        crop: How a photo gets the shape of the input.
        photos: The photos that were answered, in the order in which they were named; those of a
            folder in order of their names.
        unreadable: The photos that could not be read.
        differing: How many photos the two files answer differently.
        others: How many other files the folders hold.
    """

    files: tuple[PredictingFile, ...]
    classes: int
    labels_by: StatedBy | None
    image_size: tuple[int, int]
    crop: Crop
    photos: tuple[PhotoAnswer, ...]
    unreadable: tuple[UnreadablePhoto, ...]
    differing: int
    others: int
