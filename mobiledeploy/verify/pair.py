"""`verify`: compare any two files that claim to be the same classifier."""

import dataclasses
import math
from pathlib import Path
from typing import Final

from mobiledeploy.base.errors import ParityError, RequestError
from mobiledeploy.base.progress import Progress, silent
from mobiledeploy.data import class_names as names_in_file
from mobiledeploy.data.dataset import Dataset, Indices
from mobiledeploy.formats import model_file
from mobiledeploy.formats.model_file import ModelFile
from mobiledeploy.ops.tensors import Shape
from mobiledeploy.runtimes import table
from mobiledeploy.runtimes.child import Children
from mobiledeploy.verify.int8_pair import prove
from mobiledeploy.verify.outputs import accuracy, float_files, float_input, image_sets, model_input
from mobiledeploy.verify.outputs.image_sets import (
    Decoded,
    ImageSet,
    Photos,
    centred,
    choose,
    labels_by_count,
    labels_by_name,
    with_photos,
)
from mobiledeploy.verify.outputs.int8_files import DEFAULT, Options, ruler_of
from mobiledeploy.verify.outputs.opened_file import OpenFile, open_file
from mobiledeploy.verify.outputs.parity import Answers
from mobiledeploy.verify.report import VerifyReport


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Observed:
    """A report with the data that it was made from.

    Attributes:
        report: The report.
        files: The two files.
        sets: The images, in the report's order.
        answers: With `Options.keep`, the first file's outputs for each set.
        scale: Real value of one step of the logits in `answers`; None if those are probabilities.
        class_names: Names of the classes by label; empty if they are not known.
    """

    report: VerifyReport
    files: tuple[ModelFile, ModelFile]
    sets: tuple[ImageSet, ...]
    answers: tuple[Answers, ...]
    scale: float | None
    class_names: tuple[str, ...]


GIVEN: Final = "`--labels`"
"""The source of names that a user gave, in words."""
SYNTHETIC: Final = "no photos were given: the images are synthetic, and say nothing about accuracy"


def verify(
    first: Path,
    second: Path,
    *,
    data: str | None = None,
    samples: int | None = None,
    labels: tuple[str, ...] = (),
    options: Options = DEFAULT,
    progress: Progress = silent,
) -> VerifyReport:
    """Return the report on two files, each run in a separate process.

    Arguments and errors are those of `observe`.
    """
    observed = observe(
        first,
        second,
        data=data,
        samples=samples,
        labels=labels,
        options=options,
        progress=progress,
    )
    return observed.report


def observe(
    first: Path,
    second: Path,
    *,
    data: str | None = None,
    samples: int | None = None,
    labels: tuple[str, ...] = (),
    options: Options = DEFAULT,
    progress: Progress = silent,
) -> Observed:
    """Compare two files, and return the report with the data that it was made from.

    Args:
        first: A `.tflite` or an `.onnx`; differences are counted in steps of its grids.
        second: Another one.
        data: Photos to compare on, see `data.sources.open_dataset`; None: synthetic images.
        samples: How many images to take; None for all photos, or the default of synthetic ones.
        labels: Names of the classes in the order of the output; empty: those in a file's metadata,
            or of a file of labels beside it. Folders named otherwise are the classes in their
            order, if there are as many.
        options: How much to do.
        progress: Called after every batch.

    Raises:
        RequestError: There is no such file, no such data, or no photo that can be decoded.
        StorageError: There is no room for the photos' pixels in the temporary folder.
        CorruptFileError: A file is damaged, or a runtime crashed on it.
        ConversionError: A file is not a graph with one input and one output.
        ParityError: The files do not take the same images or give the same number of classes.
    """
    names = [path.name for path in (first, second)]
    if names[0] == names[1]:
        names = [str(path) for path in (first, second)]
    files = model_file.read(first, name=names[0]), model_file.read(second, name=names[1])

    chosen = choose(data, samples, progress=progress)
    runtimes = [table.running(file.format) for file in files]
    with Children(runtimes[0]) as one, Children(runtimes[1]) as two:
        both = open_file(files[0], one), open_file(files[1], two)
        named = _names((first, second), both, labels) if chosen is not None else ()
        return _observe(both, chosen, samples, named, options, progress)


def _observe(
    both: tuple[OpenFile, OpenFile],
    chosen: Photos | None,
    samples: int | None,
    named: tuple["_Names", ...],
    options: Options,
    progress: Progress,
) -> Observed:
    shape, classes = _claims(both)
    class_names: tuple[str, ...] = ()
    assumed: tuple[str, ...] = (SYNTHETIC,)
    decoded: Decoded | None = None
    if chosen is None:
        count = image_sets.NATURAL_IMAGES if samples is None else samples
        images = image_sets.made_up(shape, images=count)
    else:
        labels, names = _labels(chosen.dataset, classes, named)
        decoded = chosen.decode(
            centred(_image(shape)), labels=labels, threads=options.threads, progress=progress
        )
        images = decoded.images
        class_names = () if labels is None else names.names
        assumed = _assumed(chosen, images, classes, names)
    both = float_input.known(both, images, threads=options.threads, progress=progress)
    sets = images, image_sets.synthetic_extremes(shape)
    floats = float_files.are_floats(both)
    proof = float_files.verify_pair if floats else prove
    report, answers = proof(both, sets, options, progress=progress)
    fed = [
        f"pixels became the input of {file.name} as {file.fed}"
        f"{float_input.reason(file.input_choice, labelled=images.labels is not None)}"
        for file in report.files
    ]
    report = accuracy.with_class_names(report, class_names)
    report = dataclasses.replace(report, warnings=(*report.warnings, *float_input.words(both)))
    return Observed(
        report=with_photos(report, decoded, (*fed, *assumed)),
        files=(both[0].file, both[1].file),
        sets=sets,
        answers=answers,
        scale=1.0 if floats else ruler_of(both).scale,
        class_names=class_names,
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    """Names of classes in the order of the output.

    Attributes:
        names: One for each class.
        source: Who says so, in words; empty for the folders of the photos.
    """

    names: tuple[str, ...]
    source: str = ""


def _names(
    paths: tuple[Path, Path], both: tuple[OpenFile, OpenFile], given: tuple[str, ...]
) -> tuple[_Names, ...]:
    """Return all names that there are for the classes, the nearest source first."""
    if given:
        return (_Names(names=given, source=GIVEN),)
    stated = [
        _Names(names=opened.described.labels, source=f"the metadata of {opened.file.name}")
        for opened in both
    ]
    beside = [
        _Names(names=names_in_file.read_labels(path), source=path.name)
        for path in dict.fromkeys(map(names_in_file.neighbour, paths))
        if path is not None
    ]
    return (*stated, *beside)


def _labels(
    dataset: Dataset, classes: int, named: tuple[_Names, ...]
) -> tuple[Indices | None, _Names]:
    """Return the photos' labels, None where they are not known, and the names of the classes.

    Raises:
        RequestError: The labels that a user gave are of another number of classes.
    """
    for names in named:
        if names.source == GIVEN and len(names.names) != classes:
            raise RequestError(
                f"expected {classes} labels, one for each class, received {len(names.names)}",
                hint="name a file with one label a line with `--labels`",
            )
        if len(names.names) == classes:
            labels = labels_by_name(dataset, names.names)
            if labels is not None or names.source == GIVEN:
                return labels, names
    return labels_by_count(dataset, classes), _Names(names=dataset.class_names)


def _assumed(chosen: Photos, images: ImageSet, classes: int, names: _Names) -> tuple[str, ...]:
    folders = chosen.dataset.class_names
    if images.labels is not None and names.source:
        order = f"class numbers are those of the folders' names in {names.source}"
    elif images.labels is not None:
        order = f"class numbers follow the folders' names in order, {folders[0]} first"
    elif not folders:
        order = "accuracy is not counted: the photos are not in folders of classes"
    elif names.source:
        order = f"accuracy is not counted: not all of the folders are named in {names.source}"
    else:
        order = (
            f"accuracy is not counted: the data have {len(folders)} classes, the files {classes}"
        )
    return "photos are cut to their largest centred square, then resized", order


def _image(shape: Shape) -> tuple[int, int, int]:
    """Return the shape of the images for an input: of a vector the smallest square grey ones.

    Raises:
        ParityError: It takes none.
    """
    if len(shape) == 1:
        side = math.isqrt(shape[0] - 1) + 1
        return side, side, 1
    if len(shape) != 3:
        raise ParityError(
            f"the files take {' x '.join(map(str, shape))} values, and no images",
            hint="leave `--data` away, and values are made up",
        )
    height, width, channels = shape
    return height, width, channels


def _claims(both: tuple[OpenFile, OpenFile]) -> tuple[Shape, int]:
    """Return the shape of the inputs and the number of classes, equal in both files.

    Raises:
        ParityError: The files differ in one of them.
    """
    claims = []
    for opened in both:
        session = opened.load(opened.primary, taps=opened.ends.taps, threads=1)
        shape = model_input.pixel_shape(session.input)
        claims.append((shape, math.prod(session.outputs[0].shape)))
    if claims[0] != claims[1]:
        said = [
            f"{opened.file.name} takes {' x '.join(map(str, shape))} and knows {classes} classes"
            for opened, (shape, classes) in zip(both, claims, strict=True)
        ]
        raise ParityError("; ".join(said), hint="they are not the same classifier")
    return claims[0]
