"""tflite-runtime 2.14, the last one, computes int8 as LiteRT's builtin kernels do."""

import sys
from pathlib import Path

import pytest
from clients.classifiers import Classifier
from clients.installing import Answers, answers, python

from mobiledeploy.runtimes import litert_builtin, litert_xnnpack
from mobiledeploy.spec.config import Io

pytestmark = [
    pytest.mark.clients,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.version_info >= (3, 12), reason="tflite-runtime ends at Python 3.11"),
]
MOST_STEPS = 8
"""Asserted of the logits; 4 were seen."""


def in_tflite_runtime(classifier: Classifier, model: bytes, io: Io, folder: Path) -> Answers:
    command = python("tflite-runtime==2.14.0", "numpy==1.26.4")
    return answers(command, "tflite_runtime_cpu.py", model, classifier.inputs(io), folder)


@pytest.mark.parametrize("io", ["int8", "uint8"])
def test_the_first_class_is_the_same(classifier: Classifier, io: Io, tmp_path: Path) -> None:
    model = classifier.tflite(io, "logits")
    old = in_tflite_runtime(classifier, model, io, tmp_path)
    assert old.version == "2.14.0"
    expected = classifier.expected(litert_xnnpack.load, model, io)
    assert old.agreement(expected) == 1
    assert old.difference(expected) <= MOST_STEPS


@pytest.mark.parametrize("classifier", ["v1", "v2"], indirect=True)
def test_logits_of_mobilenets_are_those_of_the_builtin_kernels(
    classifier: Classifier, tmp_path: Path
) -> None:
    model = classifier.tflite("int8", "logits")
    old = in_tflite_runtime(classifier, model, "int8", tmp_path)
    assert old.difference(classifier.expected(litert_builtin.load, model, "int8")) == 0
