"""ONNX Runtime Web, in Node and in Chromium, gives what ONNX Runtime gives, bit for bit."""

from pathlib import Path

import pytest
from clients.classifiers import Classifier
from clients.installing import Answers, answers, chromium, node

from mobiledeploy.runtimes import ort_optimised
from mobiledeploy.spec.config import Io

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

PROGRAMS = ("onnxruntime_web.mjs", "onnxruntime_web_page.mjs")


def on_the_web(
    program: str, classifier: Classifier, model: bytes, io: Io, folder: Path
) -> Answers:
    where = [chromium()] if program == "onnxruntime_web_page.mjs" else []
    return answers(["node"], program, model, classifier.inputs(io), folder, *where, cwd=node())


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("io", ["int8", "uint8", "float32"])
def test_every_score_is_exact(
    classifier: Classifier, io: Io, program: str, tmp_path: Path
) -> None:
    model = classifier.onnx(io)
    web = on_the_web(program, classifier, model, io, tmp_path)
    assert web.version == "1.30.0"
    assert web.difference(classifier.expected(ort_optimised.load, model, io)) == 0


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_logit_is_exact(classifier: Classifier, program: str, tmp_path: Path) -> None:
    model = classifier.onnx("int8", "logits")
    web = on_the_web(program, classifier, model, "int8", tmp_path)
    assert web.difference(classifier.expected(ort_optimised.load, model, "int8")) == 0
