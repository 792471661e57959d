"""Verify two files that claim to be the same classifier, whoever made them."""

import math
from pathlib import Path
from typing import Final

from mobiledeploy.base.errors import ParityError
from mobiledeploy.base.progress import Progress, silent
from mobiledeploy.formats import model_file
from mobiledeploy.formats.model_file import ModelFile
from mobiledeploy.runtimes import table
from mobiledeploy.runtimes.child import Children
from mobiledeploy.verify import feeding, float_pair, inputs
from mobiledeploy.verify.inputs import ImageSet
from mobiledeploy.verify.int8 import DEFAULT, Options, ruler_of
from mobiledeploy.verify.observed import Observed
from mobiledeploy.verify.photos import (
    Decoded,
    Photos,
    centred,
    choose,
    labels_by_count,
    with_photos,
)
from mobiledeploy.verify.prove import prove
from mobiledeploy.verify.report import VerifyReport
from mobiledeploy.verify.side import Side, open_side

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
    """Compare two files, each run in a process of its own.

    Arguments and errors are those of `observe`.
    """
    found = observe(first, second, data=data, samples=samples, options=options, progress=progress)
    return found.report


def observe(
    first: Path,
    second: Path,
    *,
    data: str | None = None,
    samples: int | None = None,
    options: Options = DEFAULT,
    progress: Progress = silent,
) -> Observed:
    """Compare two files, and return also what the report was made from.

    Args:
        first: A `.tflite` or an `.onnx`; its grids are the ruler.
        second: Another one.
        data: Photos to compare on, see `data.sources.open_dataset`; None: synthetic images.
        samples: How many of them to take.
        options: How much to do.
        progress: Told after every batch.

    Raises:
        RequestError: There is no such file, no such data, or no photo that can be decoded.
        StorageError: There is no room for the photos' pixels in the temporary folder.
        CorruptFileError: A file is damaged, or a runtime died of it.
        ConversionError: A file is no graph with one input and one output.
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
    sides = (open_side(files[0], places[0]), open_side(files[1], places[1]))
    shape, classes = _claims(sides)
    class_names: tuple[str, ...] = ()
    assumed: tuple[str, ...] = (SYNTHETIC,)
    decoded: Decoded | None = None
    if chosen is None:
        count = inputs.NATURAL_IMAGES if samples is None else samples
        images = inputs.natural(shape, images=count)
    else:
        labels = labels_by_count(chosen.dataset, classes)
        decoded = chosen.decode(
            centred(shape), labels=labels, threads=options.threads, progress=progress
        )
        images = decoded.images
        class_names = () if labels is None else chosen.dataset.class_names
        assumed = _assumed(chosen, images, classes)
    sets = images, inputs.synthetic_extremes(shape)
    floats = float_pair.are_floats(sides)
    proof = float_pair.verify if floats else prove
    report, answers = proof(sides, sets, options, progress=progress)
    fed = [f"pixels became the input of {file.name} as {file.fed}" for file in report.files]
    return Observed(
        report=with_photos(report, decoded, (*fed, *assumed)),
        files=files,
        sets=sets,
        answers=answers,
        scale=1.0 if floats else ruler_of(sides).scale,
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


def _claims(sides: tuple[Side, Side]) -> tuple[tuple[int, int, int], int]:
    """Return the shape of the images and the number of classes, which both files must share.

    Raises:
        ParityError: They do not.
    """
    found = []
    for side in sides:
        session = side.load(side.primary, taps=side.ends.taps, threads=1)
        shape = feeding.image_shape(session.input)
        found.append((shape, math.prod(session.outputs[0].shape)))
    if found[0] != found[1]:
        said = [
            f"{side.file.name} takes {' x '.join(map(str, shape))} and knows {classes} classes"
            for side, (shape, classes) in zip(sides, found, strict=True)
        ]
        raise ParityError("; ".join(said), hint="they are not the same classifier")
    return found[0]
