"""Metadata that do not fit the file, or that clients refuse, are found by the rule for that."""

import dataclasses
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import graphs
import pytest

from mobiledeploy.formats.tflite.metadata import AssociatedFile, Normalisation, TensorMetadata
from mobiledeploy.formats.tflite.metadata_writer import Attachment
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.lint.inspection import inspect_file
from mobiledeploy.lint.mediapipe import Refusal
from mobiledeploy.lint.report import FileReport
from mobiledeploy.spec.config import Head, Io, Preprocessing, Task
from mobiledeploy.targets import tflite
from mobiledeploy.targets.description import Described, attachment

SIZE = 32
CLASSES = tuple(f"class {number}" for number in range(10))
OURS = Described(
    name="network",
    license="",
    preprocessing=Preprocessing(image_size=SIZE),
    task="classification",
    classes=CLASSES,
)

Report: TypeAlias = Callable[..., FileReport]


@pytest.fixture(scope="module")
def graph() -> IntegerGraph:
    return graphs.mobilenet("v1", alpha=0.25, image_size=SIZE)


@pytest.fixture
def report(graph: IntegerGraph, tmp_path: Path, without_children: None) -> Report:
    """What an inspection says of the network with something attached."""

    def inspected(attached: Attachment | None, io: Io = "uint8", change: Any = None) -> FileReport:
        path = tmp_path / "model.tflite"
        path.write_bytes(tflite.write(graph, io=io, attached=attached))
        if change is not None:
            change(path)
        return inspect_file(path)

    return inspected


def rules(report: FileReport) -> set[str]:
    return {finding.rule for finding in report.findings}


def ours(head: Head = "softmax", **fields: Any) -> Attachment:
    return attachment(dataclasses.replace(OURS, **fields), (SIZE, SIZE, 3), head=head)


def with_input(attached: Attachment, **fields: Any) -> Attachment:
    tensor = dataclasses.replace(attached.metadata.inputs[0], **fields)
    metadata = dataclasses.replace(attached.metadata, inputs=(tensor,))
    return dataclasses.replace(attached, metadata=metadata)


def of(mean: tuple[float, ...], std: tuple[float, ...]) -> Attachment:
    return with_input(ours(), normalisation=Normalisation(mean=mean, std=std))


@pytest.mark.parametrize("io", ["int8", "uint8", "float32"])
@pytest.mark.parametrize("task", ["classification", "multi-label"])
@pytest.mark.parametrize("head", ["softmax", "logits"])
def test_ours_break_no_rule(report: Report, io: Io, task: Task, head: Head) -> None:
    said = report(ours(head, task=task), io)
    assert rules(said) == set()
    assert said.labels == CLASSES
    assert said.mediapipe == (("input type",) if io == "int8" else ())


def test_a_file_without_metadata_breaks_no_rule(report: Report) -> None:
    said = report(None, "uint8")
    assert (rules(said), said.mediapipe, said.described) == (set(), (), None)
    assert report(None, "float32").mediapipe == ("no normalisation",)


def nameless(attached: Attachment) -> Attachment:
    file = AssociatedFile(name="../../labels.txt", kind="axis labels")
    outputs = (dataclasses.replace(attached.metadata.outputs[0], files=(file,)),)
    metadata = dataclasses.replace(attached.metadata, outputs=outputs)
    return Attachment(metadata=metadata, files={file.name: attached.files["labels.txt"]})


FAULTS: dict[str, tuple[Attachment, set[str], set[Refusal]]] = {
    "one label less": (ours(classes=CLASSES[:-1]), {"MD501"}, {"labels"}),
    "one label more": (ours(classes=(*CLASSES, "another")), {"MD501"}, {"labels"}),
    "no text": (dataclasses.replace(ours(), files={"labels.txt": b"\xff"}), {"MD501"}, {"labels"}),
    "no archive": (dataclasses.replace(ours(), files={}), {"MD502"}, {"missing file"}),
    "std of 0": (of((128.0,), (0.0,)), {"MD504"}, set()),  # pixels are the codes
    "two means": (of((128.0,) * 2, (128.0,) * 2), {"MD504"}, {"unusable normalisation"}),
    "pixels of 0..1": (of((0.0,), (255.0,)), {"MD505"}, set()),
    "pixels of 0..2": (of((0.0,), (127.5,)), {"MD505"}, set()),
    "pixels as they are": (of((0.0,), (1.0,)), set(), set()),
    "127.5": (of((127.5,), (127.5,)), set(), set()),
    "two inputs": (
        dataclasses.replace(
            ours(),
            metadata=dataclasses.replace(ours().metadata, inputs=ours().metadata.inputs * 2),
        ),
        {"MD506"},
        set(),
    ),
    "another size": (with_input(ours(), size=(SIZE, SIZE + 1)), {"MD506"}, set()),
    "grey": (with_input(ours(), colour="grey"), {"MD506"}, {"not rgb"}),
    "no colour": (with_input(ours(), colour=""), set(), {"not rgb"}),
    "values": (with_input(ours(), content="feature"), set(), {"not an image"}),
    "no labels": (ours(classes=()), {"MD508"}, set()),
    "another file": (
        dataclasses.replace(ours(), files={**ours().files, "readme.md": b"a"}),
        {"MD509"},
        set(),
    ),
    "outside": (nameless(ours()), {"MD510"}, set()),
}
"""By what is wrong: the rules that it breaks, and why MediaPipe refuses it."""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_by_its_rule(report: Report, fault: str) -> None:
    attached, broken, refused = FAULTS[fault]
    said = report(attached, "uint8")
    assert rules(said) == broken
    assert said.mediapipe is not None
    assert set(said.mediapipe) == refused


def test_a_float_input_needs_one_normalisation(report: Report) -> None:
    without = with_input(ours(), normalisation=None)
    assert rules(report(without, "uint8")) == set()
    assert rules(report(without, "float32")) == {"MD507"}
    assert report(without, "float32").mediapipe == ("no normalisation",)
    assert report(of((128.0,), (0.0,)), "float32").mediapipe == ("unusable normalisation",)
    channels = of((128.0, 127.0, 128.0), (128.0, 128.0, 127.0))
    assert report(channels, "float32").mediapipe == ("normalisation by channel",)
    assert rules(report(channels, "float32")) == set()
    assert rules(report(of((0.0,), (255.0,)), "float32")) == set()  # half of the codes
    assert rules(report(of((0.0,), (128.0,)), "float32")) == {"MD505"}
    assert rules(report(of((128.0,), (512.0,)), "float32")) == {"MD505"}  # a quarter of the codes


def deflated(path: Path) -> None:
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("labels.txt", "\n".join(CLASSES))


def test_a_compressed_file_is_found(report: Report) -> None:
    said = report(dataclasses.replace(ours(), files={}), "uint8", deflated)
    assert rules(said) == {"MD503"}
    assert said.mediapipe == ("compressed file",)
    assert said.labels == CLASSES


def test_other_outputs_have_no_labels_of_classes() -> None:
    binary = ours(task="binary", classes=("cat", "dog"))
    assert binary.files == {"labels.txt": b"dog\n"}
    assert "dog; that of cat is 1 minus it" in binary.metadata.outputs[0].description
    assert ours(task="regression").files == {}
    assert ours(task="regression").metadata.outputs[0].files == ()
    values = attachment(dataclasses.replace(OURS, preprocessing=None), (5,), head="softmax")
    assert values.metadata.inputs == (
        TensorMetadata(name="values", description="5 numbers, no photo.", content="feature"),
    )


def test_the_description_says_what_happens_to_a_photo() -> None:
    centred = ours().metadata.inputs[0]
    assert "largest centred square" in centred.description
    assert centred.normalisation == Normalisation(mean=(128.0,), std=(128.0,))
    photo = Preprocessing(image_size=32, image_width=48, crop="stretch", colour="grey")
    stretched = attachment(
        dataclasses.replace(OURS, preprocessing=photo), (32, 48, 1), head="logits"
    )
    (tensor,) = stretched.metadata.inputs
    assert (tensor.size, tensor.colour) == ((32, 48), "grey")
    assert "made grey" in tensor.description
    assert "stretched" in tensor.description
    assert stretched.metadata.outputs[0].name == "logits"
