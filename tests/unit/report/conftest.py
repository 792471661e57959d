"""Reports of small pairs: one that holds, on labelled photos, and one that does not."""

import dataclasses
from pathlib import Path

import graphs
import numpy as np
import pytest
from PIL import Image

from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.ops.conv import Conv
from mobiledeploy.report import make_report
from mobiledeploy.report.document import Report
from mobiledeploy.targets import onnx, tflite
from mobiledeploy.verify import pair
from mobiledeploy.verify.outputs.int8_files import Options
from mobiledeploy.verify.report import (
    CertifiedFile,
    FilesCertificate,
    LayerProof,
    RunCheck,
    RuntimeFailure,
)

OPTIONS = Options(threads=2, keep=True, layers=True)
HOSTILE = "<img src=x onerror=alert(1)>'\"&amp;"
CERTIFICATE = FilesCertificate(
    version=1,
    holds=False,
    verdict="not proven: 1 of 2 layers, the first `stem`: 8 of 8 biases differ",
    files=tuple(
        CertifiedFile(format=kind, size=1, sha256="0" * 64, runtime="a runtime")
        for kind in ("tflite", "onnx")
    ),
    layers=(
        LayerProof(
            layer="stem", counterpart="stem", kind="conv", status="not proven",
            method="structure", reasons=("8 of 8 biases differ",),
        ),
        LayerProof(
            layer="sum", counterpart="sum", kind="add", status="proven", method="enumeration",
            cases=65_536, statement="equal on all pairs of codes",
        ),
    ),
    checks=(RunCheck(name="steady", holds=True, cases=4, statement="batch sizes and threads"),),
    sampled=(),
    cpu="a CPU",
    machine="x86_64",
)  # fmt: skip


def write_pair(folder: Path, first: IntegerGraph, second: IntegerGraph) -> tuple[Path, Path]:
    paths = folder / "a.tflite", folder / "b.onnx"
    paths[0].write_bytes(tflite.write(first))
    paths[1].write_bytes(onnx.write(second, certify(second)))
    return paths


@pytest.fixture(scope="session")
def graph() -> IntegerGraph:
    return graphs.assorted_graph()


@pytest.fixture(scope="session")
def labelled(graph: IntegerGraph, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Photos in as many folders as there are classes; the first has a hostile name."""
    folder = tmp_path_factory.mktemp("labelled")
    rng = np.random.default_rng(0)
    for number in range(graph.output.shape[0]):
        name = HOSTILE if number == 0 else f"class {number}"
        (folder / "photos" / name).mkdir(parents=True)
        for image in range(3):
            pixels = rng.integers(0, 256, (16, 12, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / name / f"{image}<b>.png")
    paths = write_pair(folder, graph, graph)
    observed = pair.observe(*paths, data=str(folder / "photos"), options=OPTIONS)
    return make_report.of_pair(observed, paths, threads=2)


@pytest.fixture(scope="session")
def died(labelled: Report) -> Report:
    """Three runtimes failed, each in another way."""
    failures = {
        "LiteRT reference": RuntimeFailure(
            kind="signal", detail="SIGABRT", inputs="synthetic extremes", images=29, number=3,
            image="checkerboard",
        ),
        "NumPy oracle": RuntimeFailure(kind="time", detail="25 s"),
        "LiteRT builtin": RuntimeFailure(kind="refusal", detail="it has no kernel"),
    }  # fmt: skip
    rows = tuple(
        dataclasses.replace(row, failure=failures.get(row.name), images=0)
        if row.name in failures
        else row
        for row in labelled.verify.participants
    )
    matrix = tuple(
        pair for pair in labelled.verify.matrix if not {pair.first, pair.second} & failures.keys()
    )
    verified = dataclasses.replace(labelled.verify, participants=rows, matrix=matrix)
    return dataclasses.replace(labelled, verify=verified)


@pytest.fixture(scope="session")
def failing(graph: IntegerGraph, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The second file has other biases in its first layer; there is a certificate."""
    node = graph.nodes[0]
    assert isinstance(node, Conv)
    weights = dataclasses.replace(node.weights, bias=node.weights.bias + np.int32(4000))
    changed = dataclasses.replace(
        graph, nodes=(dataclasses.replace(node, weights=weights), *graph.nodes[1:])
    )
    paths = write_pair(tmp_path_factory.mktemp("failing"), graph, changed)
    observed = pair.observe(*paths, samples=4, options=OPTIONS)
    report = make_report.of_pair(observed, paths, threads=2)
    verified = dataclasses.replace(report.verify, certificate=CERTIFICATE)
    return dataclasses.replace(report, verify=verified)
