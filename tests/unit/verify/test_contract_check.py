"""A contract that contradicts its files is found, even if all digests are right."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import graphs
import numpy as np
import pytest
from known import known

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.data import test_card
from mobiledeploy.data.evaluation import Evaluation
from mobiledeploy.formats import model_file
from mobiledeploy.formats.onnx import edit as onnx_edit
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.formats.tflite import edit, parse
from mobiledeploy.integer.certify import certify
from mobiledeploy.ops.tensors import QTensor
from mobiledeploy.spec.config import Preprocessing
from mobiledeploy.spec.contract import Contract, ContractTensor, Int8Grid, Tap, Tolerance
from mobiledeploy.spec.results import File
from mobiledeploy.targets import onnx, tflite
from mobiledeploy.targets.description import Described, attachment
from mobiledeploy.verify import contract_check
from mobiledeploy.verify.outputs.opened_file import HERE, OpenFile, open_file

SIZE = 32
FILES = ("model.tflite", "model.onnx")


def grid(tensor: QTensor) -> Int8Grid:
    return Int8Grid(scale=float(tensor.scale), zero_point=tensor.zero_point)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both files of a network, labels, and the grids of golden vectors."""
    root = tmp_path_factory.mktemp("build")
    graph = graphs.mobilenet("v1", alpha=0.25, image_size=SIZE)
    (root / FILES[0]).write_bytes(tflite.write(graph))
    (root / FILES[1]).write_bytes(onnx.write(graph, certify(graph)))
    names = [f"class {number}" for number in range(graph.output.shape[-1])]
    (root / "labels.txt").write_text("".join(f"{name}\n" for name in names))
    grids = [grid(tensor) for tensor in (graph.input, graph.output, graph.logits)]
    rows = np.array([[one.scale, one.zero_point] for one in grids], np.float64)
    np.savez(root / "golden.npz", grids=rows)
    return root


@pytest.fixture(scope="module")
def both(folder: Path) -> tuple[OpenFile, OpenFile]:
    one, two = (open_file(model_file.read(folder / name), HERE) for name in FILES)
    return one, two


@pytest.fixture(scope="module")
def contract(folder: Path) -> Contract:
    graph = graphs.mobilenet("v1", alpha=0.25, image_size=SIZE)
    preprocessing = Preprocessing(image_size=SIZE)
    classes = graph.output.shape[-1]
    return Contract(
        name="network",
        classes=classes,
        head="softmax",
        preprocessing=preprocessing,
        resize_check=test_card.resized_digest(preprocessing),
        input=ContractTensor(dtype="int8", shape=(1, SIZE, SIZE, 3), grid=grid(graph.input)),
        output=ContractTensor(dtype="int8", shape=(1, classes), grid=grid(graph.output)),
        logits=grid(graph.logits),
        tolerance=Tolerance(),
        files=tuple(File.of(folder, folder / name) for name in FILES),
        labels=File.of(folder, folder / "labels.txt"),
        taps=(
            edit.tap_recipe(parse((folder / FILES[0]).read_bytes())).tap(FILES[0]),
            onnx_edit.tap_recipe(parse_onnx((folder / FILES[1]).read_bytes())).tap(FILES[1]),
        ),
    )


def evaluation(contract: Contract, *, order: int = 1) -> Evaluation:
    """An image of each class from the folder of that class, or of those in reverse order."""
    names = [f"class {number}/a.png" for number in range(contract.classes)][::order]
    return Evaluation(
        pixels=np.zeros((contract.classes, SIZE, SIZE, 3), np.uint8),
        labels=np.arange(contract.classes),
        names=tuple(names),
        float_logits=np.zeros((contract.classes, contract.classes), np.float32),
    )


def test_a_contract_written_for_the_files_holds(
    contract: Contract, folder: Path, both: tuple[OpenFile, OpenFile]
) -> None:
    assert contract_check.of_files(contract, folder, both) == ()
    assert contract_check.of_folder(contract, folder, evaluation(contract)) == ()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, ""),
        ({"classes": ()}, ""),
        ({"classes": ("another", "class 1")}, "labels.txt: expected"),
        ({"preprocessing": Preprocessing(image_size=SIZE, mean=0.0)}, "mean and std: expected"),
    ],
    ids=["the same", "no labels", "labels", "mean"],
)
def test_metadata_that_contradict_the_contract_are_found(
    contract: Contract, folder: Path, fields: dict[str, Any], said: str
) -> None:
    names = tuple((folder / "labels.txt").read_text().splitlines())
    if fields.get("classes"):
        fields = {"classes": (*fields["classes"], *names[2:])}
    described = Described(
        name="network",
        license="",
        preprocessing=contract.preprocessing,
        task="classification",
        classes=names,
    )
    graph = graphs.mobilenet("v1", alpha=0.25, image_size=SIZE)
    attached = attachment(
        dataclasses.replace(described, **fields), graph.input.shape, head="softmax"
    )
    data = tflite.write(graph, attached=attached)
    file = open_file(model_file.of_bytes(FILES[0], data), HERE)
    tap = edit.tap_recipe(parse(data)).tap(FILES[0])
    contradictions = contract_check.of_files(
        dataclasses.replace(contract, taps=(tap, contract.taps[1])), folder, [file]
    )
    assert len(contradictions) == bool(said)
    assert all(said in each for each in contradictions)


def retapped(contract: Contract, number: int, **fields: Any) -> tuple[Tap, ...]:
    taps = list(contract.taps)
    taps[number] = dataclasses.replace(taps[number], **fields)
    return tuple(taps)


def renormalised(contract: Contract) -> dict[str, Any]:
    """Change the range -1..1 to 0..1 everywhere."""
    return {
        "preprocessing": dataclasses.replace(contract.for_photos(), mean=0.0, std=255.0),
        "input": dataclasses.replace(
            contract.input, grid=Int8Grid(scale=1 / 255, zero_point=-128)
        ),
    }


CHANGES: dict[str, Callable[[Contract], dict[str, Any]]] = {
    "input.grid": renormalised,
    "logits": lambda c: {"logits": Int8Grid(scale=known(c.logits).scale * 1.01, zero_point=3)},
    "input.dtype": lambda c: {
        "input": dataclasses.replace(c.input, dtype="uint8"),
        "output": dataclasses.replace(c.output, dtype="uint8"),
    },
    "tolerance": lambda _: {"tolerance": Tolerance(logits=9)},
    "the tap of model.tflite": lambda c: {"taps": retapped(c, 0, append="00")},
    "the tap of model.onnx": lambda c: {"taps": retapped(c, 1, output="input")},
    "the tap of model.onnx does": lambda c: {"taps": retapped(c, 1, append="3a00")},
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_contradiction_to_the_files_is_named(
    name: str, contract: Contract, folder: Path, both: tuple[OpenFile, OpenFile]
) -> None:
    false = dataclasses.replace(contract, **CHANGES[name](contract))
    contradictions = contract_check.of_files(false, folder, both)
    assert any(line.startswith(f"contract.json: {name}") for line in contradictions), (
        contradictions
    )


@pytest.mark.parametrize("crop", ["stretch"])
def test_another_crop_than_the_digest_was_made_with_is_found(
    crop: Any, contract: Contract, folder: Path
) -> None:
    false = dataclasses.replace(
        contract, preprocessing=dataclasses.replace(contract.for_photos(), crop=crop)
    )
    (contradiction,) = contract_check.of_folder(false, folder, evaluation(contract))
    assert contradiction.startswith("contract.json: resize_check")


def test_labels_in_another_order_than_the_folders_of_the_images_are_found(
    contract: Contract, folder: Path
) -> None:
    (contradiction,) = contract_check.of_folder(contract, folder, evaluation(contract, order=-1))
    assert "number 0 is `class 0`, but its image class" in contradiction


@pytest.mark.parametrize("labels", ["one\n", "one\n" * 10])
def test_labels_that_are_not_the_class_names_are_damage(
    labels: str, contract: Contract, tmp_path: Path
) -> None:
    (tmp_path / "labels.txt").write_text(labels)
    with pytest.raises(CorruptFileError, match=r"labels.txt: expected \d+ different names"):
        contract_check.of_folder(contract, tmp_path, evaluation(contract))
