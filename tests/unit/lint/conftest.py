"""A clean file of each format, and the ids of the rules that changed ones break."""

from collections.abc import Callable
from pathlib import Path

import graphs
import pytest

from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.lint.inspection import inspect_file
from mobiledeploy.targets import onnx, tflite

Ids = Callable[[bytes], set[str]]


@pytest.fixture(scope="session")
def graph() -> IntegerGraph:
    """Every kind of layer, every range within its activation."""
    return quantise(*graphs.random_network(graphs.assorted()))


@pytest.fixture(scope="session")
def clean_tflite(graph: IntegerGraph) -> bytes:
    return tflite.write(graph)


@pytest.fixture(scope="session")
def clean_onnx(graph: IntegerGraph) -> bytes:
    return onnx.write(graph, certify(graph))


@pytest.fixture
def ids(tmp_path: Path, without_children: None) -> Ids:
    """Ids of the rules that a file breaks."""

    def broken(data: bytes) -> set[str]:
        path = tmp_path / ("model.tflite" if data[4:8] == b"TFL3" else "model.onnx")
        path.write_bytes(data)
        return {finding.rule for finding in inspect_file(path).findings}

    return broken
