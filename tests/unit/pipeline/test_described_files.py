"""What `quantize` writes says what it is, and takes what the model file says."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import small_floats
from ai_edge_litert import schema_py_generated as schema
from tflite_editor import TfliteFile

from mobiledeploy.base.errors import RequestError
from mobiledeploy.formats.tflite import metadata, metadata_writer, parse
from mobiledeploy.formats.tflite.metadata import (
    AssociatedFile,
    ModelMetadata,
    Normalisation,
    TensorMetadata,
)
from mobiledeploy.pipeline.quantize import quantize
from mobiledeploy.spec.channel_scaling import SCALINGS
from mobiledeploy.spec.config import Io
from mobiledeploy.verify import build

SIDE = 16
NAMES = ("ant", "bee", "cat", "dog")
THEIRS = ModelMetadata(
    name="theirs",
    license="MIT",
    inputs=(
        TensorMetadata(
            content="image",
            colour="rgb",
            normalisation=Normalisation(mean=(120.0, 110.0, 100.0), std=(60.0, 55.0, 50.0)),
        ),
    ),
    outputs=(TensorMetadata(files=(AssociatedFile(name="names.txt", kind="axis labels"),)),),
)


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A float file of another tool, with metadata."""
    model = small_floats.file(tmp_path / "m.tflite", (SIDE, SIDE, 3), 4, last="softmax")
    file, entry = TfliteFile(model.read_bytes()), schema.MetadataT()
    entry.name = metadata.ENTRY
    entry.buffer = file.add_buffer(np.frombuffer(metadata_writer.entry(THEIRS), np.uint8))
    file.model.metadata.append(entry)
    labels = {"names.txt": "\n".join(NAMES).encode()}
    model.write_bytes(metadata_writer.with_files(file.bytes(), labels))
    return model


@pytest.mark.parametrize("io", ["int8", "uint8", "float32"])
def test_range_labels_and_licence_of_the_file_are_taken_and_said(
    theirs: Path, io: Io, tmp_path: Path
) -> None:
    report = quantize(theirs, tmp_path / "build", io=io)
    assert (
        "metadata of the model file say how pixels become the input and the names of the classes "
        "and the licence (MIT)"
    ) in report.note
    data = (tmp_path / "build/model.tflite").read_bytes()
    described = parse(data).described
    assert described is not None
    assert (described.name, described.license) == ("m", "MIT")
    (image,), (scores,) = described.inputs, described.outputs
    assert (image.size, image.colour, scores.name) == ((SIDE, SIDE), "rgb", "scores")
    assert metadata.classifier(data).labels == NAMES
    assert (tmp_path / "build/labels.txt").read_text() == "ant\nbee\ncat\ndog\n"
    (pair,) = metadata.classifier(data).normalisation
    assert pair[0].is_integer()  # channels that differ are a layer of the network
    verified = build.verify(tmp_path / "build")
    assert verified.holds


def test_what_the_user_says_comes_first_or_is_refused(theirs: Path, tmp_path: Path) -> None:
    mine = ("one", "two", "three", "four")
    report = quantize(theirs, tmp_path / "build", labels=mine, licence="Apache-2.0")
    data = (tmp_path / "build/model.tflite").read_bytes()
    assert metadata.classifier(data).labels == mine
    assert parse(data).metadata["license"] == "Apache-2.0"
    assert "licence" not in report.note
    with pytest.raises(RequestError, match="says"):
        quantize(theirs, tmp_path / "other", scaling=SCALINGS["0..1"])


def test_names_that_nobody_knows_are_left_out(tmp_path: Path) -> None:
    model = small_floats.file(tmp_path / "m.tflite", (SIDE, SIDE, 3), 4, last="softmax")
    quantize(model, tmp_path / "build", scaling=SCALINGS["0..1"])
    parsed = parse((tmp_path / "build/model.tflite").read_bytes())
    assert parsed.archived == ()
    assert parsed.described is not None
    assert parsed.described.outputs[0].files == ()
    assert parsed.described.license == ""


def test_values_have_no_normalisation_and_a_sigmoid_has_the_second_class(tmp_path: Path) -> None:
    model = small_floats.file(tmp_path / "m.tflite", (12,), 1, last="logistic")
    quantize(model, tmp_path / "build", labels=("off", "on"))
    data = (tmp_path / "build/model.tflite").read_bytes()
    described = parse(data).described
    assert described is not None
    assert described.inputs == (
        TensorMetadata(name="values", description="12 numbers, no photo.", content="feature"),
    )
    assert metadata.classifier(data).labels == ("on",)
    assert "The score of on; that of off is 1 minus it." in described.outputs[0].description


def test_the_export_runs_again_if_what_it_says_changes(tmp_path: Path) -> None:
    model = small_floats.file(tmp_path / "m.tflite", (12,), 4, last="softmax")
    licences = []
    for licence in ("MIT", "Apache-2.0"):
        quantize(model, tmp_path / "build", licence=licence)
        file = tmp_path / "build/model.tflite"
        described = parse(file.read_bytes()).described
        licences.append(dataclasses.asdict(described)["license"] if described else None)
    assert licences == ["MIT", "Apache-2.0"]
    with pytest.raises(RequestError, match="at most 4000 characters"):
        quantize(model, tmp_path / "build", licence="a" * 4001)
