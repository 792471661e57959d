"""LiteRT.js in Chromium gives what LiteRT gives, bit for bit, for the types that it has."""

import subprocess
from pathlib import Path

import pytest
from clients.classifiers import Classifier
from clients.installing import Answers, answers, chromium, node

from mobiledeploy.runtimes import litert_xnnpack
from mobiledeploy.spec.config import Io

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]


def in_chromium(classifier: Classifier, model: bytes, io: Io, folder: Path) -> Answers:
    inputs = classifier.inputs(io)
    return answers(["node"], "litert_js.mjs", model, inputs, folder, chromium(), cwd=node())


@pytest.mark.parametrize("io", ["uint8", "float32"])
def test_every_score_is_exact(classifier: Classifier, io: Io, tmp_path: Path) -> None:
    model = classifier.tflite(io)
    page = in_chromium(classifier, model, io, tmp_path)
    assert page.version == "2.5.3"
    assert page.difference(classifier.expected(litert_xnnpack.load, model, io)) == 0


def test_int8_at_the_border_is_refused(classifier: Classifier, tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refusal:
        in_chromium(classifier, classifier.tflite("int8"), "int8", tmp_path)
    assert "INT8 is not supported" in refusal.value.stderr
