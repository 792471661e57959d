"""OpenCV's DNN module computes the .onnx of MobileNets almost exactly, and refuses the .tflite."""

import subprocess
from pathlib import Path

import graphs
import numpy as np
import pytest
from clients import classifiers
from clients.classifiers import Classifier
from clients.installing import Answers, answers, python

from mobiledeploy.runtimes import ort_optimised
from mobiledeploy.spec.config import Io

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]
VERSIONS = {"4.14.0": "4.14.0.94", "5.0.0": "5.0.0.93"}
MOST_STEPS = 8
"""Asserted of the scores; 3 were seen, and none for 19 of 20 images."""


def in_opencv(
    classifier: Classifier, model: bytes, io: Io, version: str, folder: Path, file: str = "onnx"
) -> Answers:
    command = python(f"opencv-python-headless=={VERSIONS[version]}")
    return answers(command, "opencv_dnn.py", model, classifier.inputs(io), folder, file)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("classifier", ["v1", "v2"], indirect=True)
@pytest.mark.parametrize(("io", "step"), [("int8", 1.0), ("float32", 1 / 256)])
def test_the_first_class_is_the_same(
    classifier: Classifier, io: Io, step: float, version: str, tmp_path: Path
) -> None:
    model = classifier.onnx(io)
    opencv = in_opencv(classifier, model, io, version, tmp_path)
    assert opencv.version == version
    expected = classifier.expected(ort_optimised.load, model, io)
    assert opencv.agreement(expected) == 1
    assert opencv.difference(expected) <= MOST_STEPS * step


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("classifier", ["v1", "v2"], indirect=True)
def test_a_file_with_uint8_ends_takes_and_gives_int8(
    classifier: Classifier, version: str, tmp_path: Path
) -> None:
    """OpenCV keeps codes as int8: uint8 pixels are taken as they are, and give nonsense."""
    model = classifier.onnx("uint8")
    expected = classifier.expected(ort_optimised.load, model, "uint8").astype(int) - 128
    moved = in_opencv(classifier, model, "int8", version, tmp_path)
    assert moved.agreement(expected) == 1
    assert moved.difference(expected) <= MOST_STEPS
    assert in_opencv(classifier, model, "uint8", version, tmp_path).agreement(expected) < 0.5


@pytest.mark.parametrize("version", VERSIONS)
def test_the_form_of_a_first_convolution_of_stride_2_is_computed(
    version: str, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3)).astype(np.uint8)
    graph = graphs.mobilenet("v2", alpha=0.35, image_size=64, stem_stride=2)
    random = Classifier(graph=graph, pixels=pixels)
    model = random.onnx("int8", "logits")
    opencv = in_opencv(random, model, "int8", version, tmp_path)
    assert opencv.difference(random.expected(ort_optimised.load, model, "int8")) <= 1


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("classifier", ["v1", "v2"], indirect=True)
def test_a_tflite_is_refused_at_its_mean(
    classifier: Classifier, version: str, tmp_path: Path
) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refusal:
        in_opencv(classifier, classifier.tflite("int8"), "int8", version, tmp_path, "tflite")
    assert 'of type "ReduceInt8"' in refusal.value.stderr


def test_tables_are_refused_by_version_4_and_computed_wrongly_by_version_5(tmp_path: Path) -> None:
    classifier = classifiers.untrained()
    model = classifier.onnx("int8")
    with pytest.raises(subprocess.CalledProcessError) as refusal:
        in_opencv(classifier, model, "int8", "4.14.0", tmp_path)
    assert "GatherElements" in refusal.value.stderr
    expected = classifier.expected(ort_optimised.load, model, "int8")
    assert in_opencv(classifier, model, "int8", "5.0.0", tmp_path).agreement(expected) < 0.5
