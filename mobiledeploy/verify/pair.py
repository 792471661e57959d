"""`verify`: compare any two files that claim to be the same classifier."""

import dataclasses
import math
from pathlib import Path
from typing import Final

from mobiledeploy.base.errors import ParityError
from mobiledeploy.base.progress import Progress, silent
from mobiledeploy.formats import model_file
from mobiledeploy.formats.model_file import ModelFile
from mobiledeploy.runtimes import table
from mobiledeploy.runtimes.child import Children
from mobiledeploy.verify.int8_pair import prove
from mobiledeploy.verify.outputs import float_files, float_input, image_sets, model_input
from mobiledeploy.verify.outputs.image_sets import (
    Decoded,
    ImageSet,
    Photos,
    centred,
    choose,
    labels_by_count,
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


SYNTHETIC: Final = "no photos were given: the images are synthetic, and say nothing about accuracy"


def verify(
    first: Path,
    second: Path,
    *,
    data: str | None = None,
    samples: int | None = None,
    options: Options = DEFAULT,
    progress: Progress = silent,
) -> VerifyReport:
    """Return the report on two files, each run in a separate process.

    Arguments and errors are those of `observe`.
    """
    observed = observe(
        first, second, data=data, samples=samples, options=options, progress=progress
    )
    return observed.report


def observe(
    first: Path,
    second: Path,
    *,
    data: str | None = None,
    samples: int | None = None,
    options: Options = DEFAULT,
    progress: Progress = silent,
) -> Observed:
    """Compare two files, and return the report with the data that it was made from.

    Args:
        first: A `.tflite` or an `.onnx`; differences are counted in steps of its grids.
        second: Another one.
        data: Photos to compare on, see `data.sources.open_dataset`; None: synthetic images.
        samples: How many images to take; None for all photos, or the default of synthetic ones.
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
        return _observe(files, (one, two), chosen, samples, options, progress)


def _observe(
    files: tuple[ModelFile, ModelFile],
    places: tuple[Children, Children],
    chosen: Photos | None,
    samples: int | None,
    options: Options,
    progress: Progress,
) -> Observed:
    both = (open_file(files[0], places[0]), open_file(files[1], places[1]))
    shape, classes = _claims(both)
    class_names: tuple[str, ...] = ()
    assumed: tuple[str, ...] = (SYNTHETIC,)
    decoded: Decoded | None = None
    if chosen is None:
        count = image_sets.NATURAL_IMAGES if samples is None else samples
        images = image_sets.natural(shape, images=count)
    else:
        labels = labels_by_count(chosen.dataset, classes)
        decoded = chosen.decode(
            centred(shape), labels=labels, threads=options.threads, progress=progress
        )
        images = decoded.images
        class_names = () if labels is None else chosen.dataset.class_names
        assumed = _assumed(chosen, images, classes)
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
    report = dataclasses.replace(report, warnings=(*report.warnings, *float_input.words(both)))
    return Observed(
        report=with_photos(report, decoded, (*fed, *assumed)),
        files=files,
        sets=sets,
        answers=answers,
        scale=1.0 if floats else ruler_of(both).scale,
        class_names=class_names,
    )


def _assumed(chosen: Photos, images: ImageSet, classes: int) -> tuple[str, ...]:
    names = chosen.dataset.class_names
    return (
        "photos are cut to their largest centred square, then resized",
        f"class numbers follow the folders' names in order, {names[0]} first"
        if images.labels is not None
        else f"accuracy is not counted: the data have {len(names)} classes, the files {classes}",
    )


def _claims(both: tuple[OpenFile, OpenFile]) -> tuple[tuple[int, int, int], int]:
    """Return the shape of the images and the number of classes, equal in both files.

    Raises:
        ParityError: The files differ in one of them.
    """
    claims = []
    for opened in both:
        session = opened.load(opened.primary, taps=opened.ends.taps, threads=1)
        shape = model_input.image_shape(session.input)
        claims.append((shape, math.prod(session.outputs[0].shape)))
    if claims[0] != claims[1]:
        said = [
            f"{opened.file.name} takes {' x '.join(map(str, shape))} and knows {classes} classes"
            for opened, (shape, classes) in zip(both, claims, strict=True)
        ]
        raise ParityError("; ".join(said), hint="they are not the same classifier")
    return claims[0]
