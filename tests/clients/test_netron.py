"""Netron shows both files with the names of our layers."""

import json
import subprocess
from pathlib import Path

import pytest
from clients.classifiers import Classifier
from clients.installing import PROGRAMS, chromium, node, python

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]


def names_shown(model: Path) -> set[str]:
    server: list[str | Path] = [*python("netron==9.3.3"), PROGRAMS / "netron_server.py", model]
    with subprocess.Popen(server, stdout=subprocess.PIPE, text=True) as serving:
        try:
            assert serving.stdout is not None
            address = next(line for line in serving.stdout if line.startswith("http")).strip()
            shown = subprocess.run(
                ["node", PROGRAMS / "netron_page.mjs", address, chromium()],
                cwd=node(),
                capture_output=True,
                text=True,
                check=True,
                timeout=120,
            )
        finally:
            serving.kill()
    return set(json.loads(shown.stdout))


@pytest.mark.parametrize("suffix", [".tflite", ".onnx"])
def test_every_layer_has_its_name(classifier: Classifier, suffix: str, tmp_path: Path) -> None:
    model = tmp_path / f"model{suffix}"
    write = classifier.tflite if suffix == ".tflite" else classifier.onnx
    model.write_bytes(write("int8"))
    assert set(classifier.graph.tensors()) <= names_shown(model)
