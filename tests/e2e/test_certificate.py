"""`mobiledeploy verify --level full`, from the shell, on two files whoever made them."""

import dataclasses
import hashlib
import json
from pathlib import Path

import graphs
import jsonschema
import pytest
from e2e.conftest import SCHEMAS, mobiledeploy, printed
from onnx import load as load_onnx
from onnx import save as save_onnx

from mobiledeploy.integer.certify import certify
from mobiledeploy.ops.conv import Conv
from mobiledeploy.targets import onnx, tflite

PAIR = "some.tflite", "other.onnx"
GRAPH = graphs.assorted_graph()


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """A folder with two files of one graph."""
    (tmp_path / PAIR[0]).write_bytes(tflite.write(GRAPH))
    (tmp_path / PAIR[1]).write_bytes(onnx.write(GRAPH, certify(GRAPH)))
    return tmp_path


def test_a_pair_is_certified_into_a_folder(pair: Path) -> None:
    done = mobiledeploy(
        "verify", *PAIR[::-1], "--level", "full", "--samples", "4", "--out", "proof", "--json",
        cwd=pair,
    )  # fmt: skip
    report = printed(done, "verify")
    certificate = json.loads((pair / "proof" / "certificate.json").read_text())
    schema = json.loads((SCHEMAS / "certificate.schema.json").read_text())
    jsonschema.validate(certificate, schema)
    assert report["certificate"] == certificate
    assert json.loads((pair / "proof" / "report.json").read_text())["verify"] == report
    assert certificate["holds"]
    assert certificate["verdict"] in report["proven"]
    digests = [hashlib.sha256((pair / name).read_bytes()).hexdigest() for name in PAIR]
    assert [file["sha256"] for file in certificate["files"]] == digests


def test_weights_beside_the_onnx_are_certified_by_name_size_and_digest(pair: Path) -> None:
    model = load_onnx(pair / PAIR[1])
    save_onnx(
        model,
        pair / PAIR[1],
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=64,
    )
    weights = (pair / "weights.bin").read_bytes()
    done = mobiledeploy("verify", *PAIR, "--level", "full", "--samples", "4", "--json", cwd=pair)
    report = printed(done, "verify")
    beside = {
        "name": "weights.bin",
        "size": len(weights),
        "sha256": hashlib.sha256(weights).hexdigest(),
    }
    for files in (report["files"], report["certificate"]["files"]):
        assert "external_data" not in files[0]
        assert files[1]["external_data"] == [beside]
    assert report["certificate"]["holds"]
    assert any("with its external data put inside" in said for said in report["proven"])
    jsonschema.validate(
        report["certificate"], json.loads((SCHEMAS / "certificate.schema.json").read_text())
    )


def test_a_bias_that_differs_by_one_fails_and_the_layer_is_named(pair: Path) -> None:
    node = GRAPH.nodes[2]
    assert isinstance(node, Conv)
    bias = node.weights.bias.copy()
    bias[3] += 1
    node = dataclasses.replace(node, weights=dataclasses.replace(node.weights, bias=bias))
    broken = dataclasses.replace(GRAPH, nodes=(*GRAPH.nodes[:2], node, *GRAPH.nodes[3:]))
    (pair / PAIR[0]).write_bytes(tflite.write(broken))
    mobiledeploy(
        "verify", *PAIR, "--level", "full", "--samples", "4", "--out", "proof", "-q",
        cwd=pair, status=5,
    )  # fmt: skip
    certificate = json.loads((pair / "proof" / "certificate.json").read_text())
    assert not certificate["holds"]
    name = node.output.name
    assert [p["layer"] for p in certificate["layers"] if p["status"] == "not proven"] == [name]
    assert certificate["verdict"] == (
        f"not proven: 1 of 9 layers, the first `{name}`: 1 of {bias.size} biases differ"
    )


def test_verify_writes_nothing_into_a_build(pair: Path) -> None:
    (pair / "manifest.json").write_text("{}")
    done = mobiledeploy("verify", *PAIR, "--out", ".", cwd=pair, status=2)
    assert "into which no report is written" in done.stderr
    assert (pair / "manifest.json").read_text() == "{}"
    assert not (pair / "report.json").exists()
