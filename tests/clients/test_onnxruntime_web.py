"""ONNX Runtime Web in Node gives what ONNX Runtime gives, bit for bit."""

from pathlib import Path

import pytest
from clients.classifiers import Classifier
from clients.installing import answers, node

from mobiledeploy.runtimes import ort_optimised
from mobiledeploy.spec.config import Io

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]


@pytest.mark.parametrize("io", ["int8", "uint8", "float32"])
def test_every_score_is_exact(classifier: Classifier, io: Io, tmp_path: Path) -> None:
    model, inputs = classifier.onnx(io), classifier.inputs(io)
    web = answers(["node"], "onnxruntime_web.mjs", model, inputs, tmp_path, cwd=node())
    assert web.version == "1.30.0"
    assert web.difference(classifier.expected(ort_optimised.load, model, io)) == 0


def test_every_logit_is_exact(classifier: Classifier, tmp_path: Path) -> None:
    model, inputs = classifier.onnx("int8", "logits"), classifier.inputs("int8")
    web = answers(["node"], "onnxruntime_web.mjs", model, inputs, tmp_path, cwd=node())
    assert web.difference(classifier.expected(ort_optimised.load, model, "int8")) == 0
