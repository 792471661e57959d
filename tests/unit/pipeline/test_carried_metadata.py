"""A converted `.tflite` says what its source says, and what the user says instead."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import graphs
import jsonschema
import numpy as np
import onnx as onnx_library
import pytest
from typer.testing import CliRunner

from mobiledeploy.base.errors import RequestError
from mobiledeploy.cli.main import app
from mobiledeploy.formats import model_file
from mobiledeploy.formats.tflite import metadata, parse
from mobiledeploy.formats.tflite.metadata import (
    AssociatedFile,
    ModelMetadata,
    Normalisation,
    TensorMetadata,
)
from mobiledeploy.formats.tflite.metadata_writer import Attachment
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.pipeline import convert
from mobiledeploy.pipeline.carried_metadata import Carried, Said
from mobiledeploy.pipeline.convert import Converted
from mobiledeploy.runtimes import litert
from mobiledeploy.targets import onnx, tflite

NAMES = tuple(f"name {number}" for number in range(10))
THEIRS = Attachment(
    metadata=ModelMetadata(
        name="theirs",
        author="they",
        version="7",
        license="MIT",
        inputs=(
            TensorMetadata(
                name="photo",
                content="image",
                colour="rgb",
                size=(32, 32),
                normalisation=Normalisation(mean=(127.5,), std=(127.5,)),
            ),
        ),
        outputs=(
            TensorMetadata(
                name="probability",
                content="feature",
                files=(
                    AssociatedFile(name="theirs.txt", kind="axis labels"),
                    AssociatedFile(name="scores.txt", kind="score calibration"),
                ),
            ),
        ),
    ),
    files={"theirs.txt": "\n".join(NAMES).encode(), "scores.txt": b"1"},
)
PLAIN = dataclasses.replace(
    THEIRS,
    metadata=dataclasses.replace(
        THEIRS.metadata,
        inputs=(TensorMetadata(normalisation=Normalisation(mean=(0.0,), std=(1.0,))),),
    ),
)


@pytest.fixture(scope="module")
def graph() -> IntegerGraph:
    return graphs.mobilenet("v1", alpha=0.25, image_size=32)


def converted(data: bytes, said: Said = convert.NOTHING, **options: Any) -> Converted:
    file = model_file.of_bytes("a file", data)
    return convert.to_format(file, "tflite", said=said, **options)


def test_what_the_source_says_is_carried(graph: IntegerGraph) -> None:
    result = converted(tflite.write(graph, io="uint8", attached=THEIRS), io="float32")
    assert result.metadata == Carried(
        labels=10,
        labels_from="file",
        license="MIT",
        normalisation="file",
        left_out=("scores.txt",),
    )
    described = parse(result.data).described
    assert described is not None
    assert described.inputs == THEIRS.metadata.inputs
    assert (described.name, described.author, described.version) == ("theirs", "they", "7")
    assert metadata.classifier(result.data).labels == NAMES


def test_the_numbers_of_the_network_are_those_of_a_file_without_metadata(
    graph: IntegerGraph,
) -> None:
    with_labels, plain = (
        converted(tflite.write(graph, attached=attached)).data for attached in (THEIRS, None)
    )
    assert parse(plain).described is None
    images = np.random.default_rng(0).integers(-128, 128, (4, 32, 32, 3)).astype(np.int8)
    one, two = (litert.load(data).run(images)[0] for data in (with_labels, plain))
    assert one.std() > 0
    np.testing.assert_array_equal(one, two)


def test_what_the_user_says_comes_first(graph: IntegerGraph) -> None:
    mine = tuple(f"mine {number}" for number in range(10))
    said = Said(labels=mine, beside=NAMES, licence="Apache-2.0")
    result = converted(tflite.write(graph, attached=THEIRS), said)
    assert result.metadata is not None
    assert (result.metadata.labels_from, result.metadata.license) == ("option", "Apache-2.0")
    assert metadata.classifier(result.data).labels == mine
    with pytest.raises(RequestError, match="expected 10 labels, one for each output, received 9"):
        converted(tflite.write(graph), Said(labels=mine[1:]))


def test_labels_of_another_number_are_left_out_and_said(graph: IntegerGraph) -> None:
    files = {**THEIRS.files, "theirs.txt": b"one\ntwo\n"}
    data = tflite.write(graph, attached=dataclasses.replace(THEIRS, files=files))
    alone = converted(data).metadata
    assert alone is not None
    assert (alone.labels, alone.labels_from) == (0, None)
    assert alone.left_out == ("2 labels", "scores.txt")
    beside = converted(data, Said(beside=NAMES)).metadata
    assert beside is not None
    assert beside.labels_from == "neighbour"


@pytest.mark.parametrize("io", ["uint8", "int8"])
def test_codes_that_are_pixels_get_the_normalisation_of_their_grid(
    graph: IntegerGraph, io: Any
) -> None:
    result = converted(tflite.write(graph, io=io, attached=PLAIN), io="float32")
    assert result.metadata is not None
    assert result.metadata.normalisation == "grid"
    assert metadata.classifier(result.data).normalisation == ((128.0, 128.0),)
    floats = converted(tflite.write(graph, io="float32", attached=PLAIN))
    assert floats.metadata is not None
    assert floats.metadata.normalisation == "file"


def test_an_unusable_normalisation_is_left_out_and_said(graph: IntegerGraph) -> None:
    broken = (TensorMetadata(normalisation=Normalisation(mean=(0.0,), std=(0.0,))),)
    data = tflite.write(
        graph,
        attached=Attachment(metadata=dataclasses.replace(THEIRS.metadata, inputs=broken)),
    )
    result = converted(data).metadata
    assert result is not None
    assert result.normalisation is None
    assert "normalisation" in result.left_out


def test_labels_of_an_onnx_are_carried(graph: IntegerGraph) -> None:
    model = onnx_library.ModelProto.FromString(onnx.write(graph, certify(graph)))
    assert converted(model.SerializeToString()).metadata is None
    entry = model.metadata_props.add()
    entry.key, entry.value = "names", json.dumps(NAMES)
    result = converted(model.SerializeToString())
    assert metadata.classifier(result.data).labels == NAMES
    assert result.metadata == Carried(labels=10, labels_from="file")


def test_the_command_says_what_it_carried(graph: IntegerGraph, tmp_path: Path) -> None:
    source, target = tmp_path / "a.tflite", tmp_path / "b.tflite"
    source.write_bytes(tflite.write(graph, attached=THEIRS))
    options = ["convert", str(source), "-o", str(target), "--io", "uint8", "--quiet"]
    done = CliRunner().invoke(app, [*options, "--license", "Apache-2.0"])
    assert done.exit_code == 0, done.output
    assert (
        "metadata: the labels in the source (10), the source's normalisation, licence Apache-2.0; "
        "left out: scores.txt"
    ) in " ".join(done.stdout.split())
    document = json.loads(CliRunner().invoke(app, [*options, "--json"]).stdout)
    schema = Path(__file__).parents[3] / "docs/schemas/convert.schema.json"
    jsonschema.validate(document, json.loads(schema.read_text()))
    assert document["metadata"]["license"] == "MIT"


@pytest.mark.parametrize("option", ["labels", "license"])
def test_an_onnx_takes_no_metadata(tmp_path: Path, graph: IntegerGraph, option: str) -> None:
    source = tmp_path / "a.tflite"
    source.write_bytes(tflite.write(graph))
    said: Any = {"labels": NAMES} if option == "labels" else {"licence": "MIT"}
    with pytest.raises(RequestError, match=f"`--{option}` is for the metadata of a .tflite"):
        convert.convert(source, tmp_path / "b.onnx", **said)
