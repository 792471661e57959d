"""`verify`: check that a build folder's files are unchanged since the build, and agree."""

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

from mobiledeploy.base import codec
from mobiledeploy.base.errors import CorruptFileError, RequestError
from mobiledeploy.base.files import Name, user_path
from mobiledeploy.base.progress import Progress, silent
from mobiledeploy.data import evaluation as held_back
from mobiledeploy.data.evaluation import Evaluation
from mobiledeploy.data.preprocess import preprocess
from mobiledeploy.formats import model_file
from mobiledeploy.formats.model_file import ModelFile
from mobiledeploy.runtimes import table
from mobiledeploy.runtimes.child import Children
from mobiledeploy.spec import manifest
from mobiledeploy.spec.channel_scaling import ChannelScaling
from mobiledeploy.spec.config import Scaling
from mobiledeploy.spec.contract import LABELS, Contract, class_names
from mobiledeploy.verify import contract_check
from mobiledeploy.verify.int8_pair import prove
from mobiledeploy.verify.outputs import accuracy, float_files, golden, image_sets, int8_files
from mobiledeploy.verify.outputs.image_sets import (
    ImageSet,
    choose,
    evenly,
    labels_by_name,
    with_photos,
)
from mobiledeploy.verify.outputs.int8_files import DEFAULT, Options, ruler_of
from mobiledeploy.verify.outputs.opened_file import HERE, open_file
from mobiledeploy.verify.outputs.parity import Answers
from mobiledeploy.verify.pair import Observed
from mobiledeploy.verify.report import VerifyReport

FILES = ("model.tflite", "model.onnx")


def verify(
    root: Name,
    *,
    data: Name | None = None,
    samples: int | None = None,
    options: Options = DEFAULT,
    progress: Progress = silent,
) -> VerifyReport:
    """Return the report on a build: its files compared on held-back images and on extremes.

    Arguments and errors are those of `observe`.
    """
    observed = observe(root, data=data, samples=samples, options=options, progress=progress)
    return observed.report


def observe(
    root: Name,
    *,
    data: Name | None = None,
    samples: int | None = None,
    options: Options = DEFAULT,
    progress: Progress = silent,
) -> Observed:
    """Verify a build, and return the report with the data that it was made from.

    Args:
        root: A build folder.
        data: Photos to use instead of the held-back ones, see `data.sources.open_dataset`.
        samples: How many images to take; None for all.
        options: How much to do.
        progress: Called after every batch.

    Raises:
        CorruptFileError: A file is missing, or is not the one that was built.
        ParityError: The outputs do not vary: equality would prove nothing.
        RequestError: There is no such data set, the images do not have the size of the network's
            input, or a float build was to be certified or verified on other photos.
        StorageError: There is no room for the photos' pixels in the temporary folder.
    """
    root, data = user_path(root), None if data is None else os.fspath(data)
    with Children([table.primary("tflite")]) as one, Children([table.primary("onnx")]) as two:
        return _observe(root, data, samples, options, (one, two), progress)


def _observe(
    root: Path,
    data: str | None,
    samples: int | None,
    options: Options,
    places: tuple[Children, Children],
    progress: Progress,
) -> Observed:
    manifest.read(root, holding=("contract.json", "evaluation.npz", "golden.npz", LABELS, *FILES))
    contract = codec.from_json(
        Contract, (root / "contract.json").read_bytes(), where="contract.json"
    )
    evaluation = _evaluation(root, contract)
    said = contract_check.of_folder(contract, root, evaluation)
    if contract.tolerance is None:
        observed = _float(root, contract, evaluation, data, samples, options, places, progress)
        return dataclasses.replace(
            observed, report=contract_check.with_contract(observed.report, said)
        )
    files = model_file.read(root / FILES[0]), model_file.read(root / FILES[1])
    for place, file in zip(places, files, strict=True):
        place.start(table.running(file.format))
    preprocessing = None if data is None else contract.for_photos()
    chosen = choose(data, samples, progress=progress)
    decoded = None
    one_class = contract.task in {"classification", "binary"}
    if chosen is None or preprocessing is None:
        images = image_sets.held_back(some(evaluation, samples))
    else:
        decoded = chosen.decode(
            lambda pixels: preprocess(pixels, preprocessing),
            labels=labels_by_name(chosen.dataset, class_names(root)) if one_class else None,
            threads=options.threads,
            progress=progress,
        )
        images = decoded.images
    sets = images, *_fixed_sets(root, contract)
    scaling = ChannelScaling.of_pixels(contract.scaling)
    one, two = (
        dataclasses.replace(open_file(file, place), scaling=scaling)
        for file, place in zip(files, places, strict=True)
    )
    both = one, two
    report, answers = prove(both, sets, options, progress=progress)
    report = contract_check.with_contract(
        report, (*said, *contract_check.of_files(contract, root, both))
    )
    report = accuracy.with_class_names(report, class_names(root))
    return Observed(
        report=with_photos(report, decoded, tuple(_assumed(images, contract)) if decoded else ()),
        files=files,
        sets=sets,
        answers=answers,
        scale=ruler_of(both).scale,
        class_names=class_names(root),
    )


def _assumed(images: ImageSet, contract: Contract) -> Iterator[str]:
    yield "photos are prepared as contract.json says, which is how the build's own were"
    if contract.task not in {"classification", "binary"}:
        yield (
            f"accuracy is not counted: the outputs are those of a {contract.task} task, and a "
            "folder says one class of a photo"
        )
    elif images.labels is None:
        yield "accuracy is not counted: not all of the folders are named as the build's classes"


def prove_own(
    files: tuple[ModelFile, ModelFile],
    evaluation: Evaluation,
    scaling: Scaling,
    *,
    threads: int,
    progress: Progress,
) -> tuple[VerifyReport, tuple[Answers, ...]]:
    """Compare two files that this process has just written, in this process and quickly.

    Args:
        files: Those that `FILES` names.
        evaluation: Labelled images; synthetic extremes are added.
        scaling: Mean and std by which their pixels become input values.
        threads: Images that run at a time.
        progress: Called after every batch.

    Returns:
        The report, and the first file's outputs for each set of `image_sets.own`.

    Raises:
        ParityError: The outputs do not vary.
    """
    fed = ChannelScaling.of_pixels(scaling)
    one, two = (dataclasses.replace(open_file(file, HERE), scaling=fed) for file in files)
    options = Options(only_main=True, keep=True, threads=threads)
    return prove((one, two), image_sets.own(evaluation), options, progress=progress)


def _float(
    root: Path,
    contract: Contract,
    evaluation: Evaluation,
    data: str | None,
    samples: int | None,
    options: Options,
    places: tuple[Children, Children],
    progress: Progress,
) -> Observed:
    if data is not None:
        raise RequestError(
            "a float build is verified on its own held-back images only",
            hint="leave out --data",
        )
    if options.level == "full":
        raise RequestError(
            "a float build has no certificate, which is for integers: `--level full` would change "
            "nothing",
            hint="leave out --level",
        )
    files = model_file.read(root / FILES[0]), model_file.read(root / FILES[1])
    sets = image_sets.own(some(evaluation, samples))
    report, answers = float_files.verify_build(
        files[0].data,
        files[1].data,
        sets,
        contract.scaling,
        threads=options.threads,
        places=places,
        progress=progress,
    )
    said = (
        int8_files.facts_of_floats(
            file,
            contract.input.shape[1:],
            contract.scaling,
            softmax=contract.head == "softmax",
        )
        for file in files
    )
    return Observed(
        report=accuracy.with_class_names(
            dataclasses.replace(report, files=tuple(said)), class_names(root)
        ),
        files=files,
        sets=sets,
        answers=answers if options.keep else (),
        scale=None if contract.head == "softmax" else 1.0,
        class_names=class_names(root),
    )


def _evaluation(root: Path, contract: Contract) -> Evaluation:
    evaluation = held_back.read(root / "evaluation.npz")
    _check_shape("evaluation.npz", evaluation.pixels.shape, contract.input.shape)
    _check_shape("evaluation.npz", evaluation.float_logits.shape, contract.output.shape)
    return evaluation


def _check_shape(name: str, received: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """Check a shape without its batch dimension.

    Raises:
        CorruptFileError: It differs from the contract's: the file is not from this build.
    """
    if received[1:] != expected[1:]:
        raise CorruptFileError(
            f"{name}: expected arrays of shape {expected[1:]} by contract.json, "
            f"received {received[1:]}",
            hint="run the command that made the folder again",
        )


def _fixed_sets(root: Path, contract: Contract) -> tuple[ImageSet, ImageSet]:
    """Return the synthetic extremes, and the golden vectors with their recorded outputs."""
    pixels, names, answers = golden.read(root / "golden.npz")
    _check_shape("golden.npz", pixels.shape, contract.input.shape)
    _check_shape("golden.npz", answers.logits.shape, contract.output.shape)
    return image_sets.synthetic_extremes(contract.input.shape[1:]), ImageSet(
        name="golden vectors",
        names=names,
        pixels=lambda start, stop: pixels[start:stop],
        recorded=answers,
    )


def some(evaluation: Evaluation, samples: int | None) -> Evaluation:
    """Return `samples` images, or all; spread evenly, because they are sorted by class."""
    rows = evenly(len(evaluation.names), samples)
    return dataclasses.replace(
        evaluation,
        pixels=evaluation.pixels[rows],
        labels=None if evaluation.labels is None else evaluation.labels[rows],
        names=tuple(evaluation.names[row] for row in rows),
        float_logits=evaluation.float_logits[rows],
    )
