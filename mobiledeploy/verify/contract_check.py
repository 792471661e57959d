"""Whether a build's contract describes its files correctly.

Grids, types, taps, resize, labels: an app takes all of this from `contract.json`. Digests only
show that nothing changed since they were recorded; here each statement is compared with the bytes
that it describes.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from mobiledeploy.base import npz
from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.data import test_card
from mobiledeploy.data.evaluation import Evaluation
from mobiledeploy.formats.onnx import edit as onnx_edit
from mobiledeploy.formats.tflite import edit as tflite_edit
from mobiledeploy.reading import StoredTensor
from mobiledeploy.spec.contract import Contract, Int8Grid, Tap, Tolerance, class_names
from mobiledeploy.targets.description import labels
from mobiledeploy.verify.outputs.opened_file import OpenFile
from mobiledeploy.verify.report import VerifyReport


def with_contract(report: VerifyReport, contradictions: Sequence[str]) -> VerifyReport:
    """Return a report that also fails where the contract contradicts the files."""
    failures = (*report.failures, *contradictions)
    return dataclasses.replace(report, failures=failures, holds=not failures)


def of_folder(contract: Contract, root: Path, evaluation: Evaluation) -> tuple[str, ...]:
    """Return where a contract contradicts the resize that it asks for, or its labels' order.

    The held-back images show the order: their names include the folder of their class.

    Raises:
        CorruptFileError: There are more or fewer labels than classes, or one is duplicated.
    """
    names, where = class_names(root), contract.labels.path
    if len(names) != contract.classes or len(set(names)) < len(names):
        raise CorruptFileError(
            f"{where}: expected {contract.classes} different names, received {len(names)} of "
            f"which {len(set(names))} differ",
            hint="run the command that made the folder again",
        )
    said = tuple(_labels(names, evaluation, where))
    if contract.preprocessing is None:
        return said
    digest = test_card.resized_digest(contract.preprocessing)
    return (
        *_unless("resize_check", contract.resize_check, digest, "what crop and resize give"),
        *said,
    )


def of_files(contract: Contract, root: Path, both: Sequence[OpenFile]) -> tuple[str, ...]:
    """Return where an int8 contract contradicts the two files or `golden.npz`.

    Raises:
        CorruptFileError: `golden.npz` has no grids.
    """
    grids = npz.read(root / "golden.npz", ("grids",), what="golden vectors")["grids"]
    stated = [contract.input.grid, contract.output.grid, contract.logits]
    stated_grids = [[grid.scale, grid.zero_point] for grid in stated if grid is not None]
    contradictions = _unless(
        "tolerance", contract.tolerance, Tolerance(), "what holds for every build"
    )
    for opened in both:
        for name, said, received in _tensors(contract, opened):
            contradictions += _unless(name, said, received, opened.file.name)
        contradictions += _metadata(contract, class_names(root), opened)
    contradictions += _unless("the three grids", stated_grids, grids.tolist(), "golden.npz")
    for recipe, opened in zip(contract.taps, both, strict=False):
        contradictions += _tap(recipe, opened)
    return tuple(contradictions)


def _labels(names: Sequence[str], evaluation: Evaluation, where: str) -> Iterator[str]:
    if evaluation.labels is None:
        return
    for image, label in zip(evaluation.names, evaluation.labels.tolist(), strict=True):
        folders = set(PurePosixPath(image).parts[:-1])
        others = folders.intersection(names)
        if others and names[label] not in folders:
            yield (
                f"{where}: the classes are in another order: number {label} is "
                f"`{names[label]}`, but its image {image} lay in `{min(others)}`"
            )
            return


def _tensors(contract: Contract, opened: OpenFile) -> Iterator[tuple[str, object, object]]:
    """Yield the name of each field on a file's tensors, its stated and its real value."""
    reading = opened.reading
    yield "input.dtype", contract.input.dtype, reading.input.dtype
    yield "output.dtype", contract.output.dtype, reading.output.dtype
    yield "input.shape", contract.input.shape[1:], reading.input.shape
    yield "output.shape", contract.output.shape[1:], reading.output.shape
    yield "input.grid", *_grids(contract.input.grid, reading.input)
    yield "output.grid", *_grids(contract.output.grid, reading.output)
    if reading.logits is not None:
        yield "logits", *_grids(contract.logits, reading.logits.output)


def _metadata(contract: Contract, names: tuple[str, ...], opened: OpenFile) -> list[str]:
    """Return where the metadata of a `.tflite`, if it has some, contradict a contract."""
    stated, where = opened.described, f"the metadata of {opened.file.name}"
    said = []
    if stated.labels:
        expected = tuple(name.strip() for name in labels(contract.task, names))
        said += _unless(contract.labels.path, expected, stated.labels, where)
    if stated.normalisation and contract.preprocessing is not None:
        mean, std = contract.preprocessing.scaling
        pairs = ((float(np.float32(mean)), float(np.float32(std))),)
        said += _unless("mean and std", pairs, stated.normalisation, where)
    return said


def _grids(stated: Int8Grid | None, tensor: StoredTensor) -> tuple[object, object]:
    grid = None if stated is None else (float(np.float32(stated.scale)), stated.zero_point)
    return grid, (None if tensor.scale is None else (float(tensor.scale), tensor.zero_point))


def _tap(recipe: Tap, opened: OpenFile) -> list[str]:
    """Return a failure if a tap recipe does not add exactly the logits to a file's outputs."""
    logits = opened.ends.taps
    if (recipe.output,) == logits and (
        recipe == tflite_edit.tap_recipe(opened.file.tflite, logits).tap(recipe.path)
        if opened.file.format == "tflite"
        else _only_adds(recipe)
    ):
        return []
    names = ", ".join(f"`{name}`" for name in logits) or "no logits"
    return [f"contract.json: the tap of {recipe.path} does not give out just {names} of that file"]


def _only_adds(recipe: Tap) -> bool:
    """Whether a tap recipe for an `.onnx` adds the output that it names, and nothing else."""
    try:
        tail = bytes.fromhex(recipe.append)
    except ValueError:
        return False
    return recipe.patch is None and onnx_edit.only_adds(tail, recipe.output)


def _unless(name: str, stated: object, expected: object, because: str) -> list[str]:
    if stated == expected:
        return []
    return [f"contract.json: {name}: expected {expected} by {because}, received {stated}"]
