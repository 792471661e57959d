"""OpenVINO on a CPU loads both files, and with float32 gives the same first class."""

from pathlib import Path

import pytest
from clients.classifiers import Classifier
from clients.installing import answers, python

from mobiledeploy.runtimes import litert_xnnpack
from mobiledeploy.spec.config import Io

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]
MOST_STEPS = {"f32": 8, "": 16}
"""Asserted of the logits, by precision; 4 and 7 were seen. Without one, the CPU decides."""


@pytest.mark.parametrize(
    ("suffix", "io", "precision"),
    [
        (".tflite", "int8", "f32"),
        (".tflite", "uint8", "f32"),
        (".tflite", "int8", ""),
        (".onnx", "int8", "f32"),
        (".onnx", "int8", ""),
    ],
)
def test_the_first_class_is_the_same(
    classifier: Classifier, suffix: str, io: Io, precision: str, tmp_path: Path
) -> None:
    write = classifier.tflite if suffix == ".tflite" else classifier.onnx
    expected = classifier.expected(litert_xnnpack.load, classifier.tflite(io, "logits"), io)
    openvino = answers(
        python("openvino==2026.4.1"),
        "openvino_cpu.py",
        write(io, "logits"),
        classifier.inputs(io),
        tmp_path,
        suffix,
        precision,
    )
    assert openvino.version.startswith("2026.4.1")
    assert openvino.agreement(expected) >= (1 if precision else 0.95)
    assert openvino.difference(expected) <= MOST_STEPS[precision]
