"""MediaPipe's ImageClassifier gives LiteRT's scores, bit for bit, for a file with uint8 ends."""

import subprocess
from pathlib import Path

import pytest
from clients.classifiers import Classifier
from clients.installing import Answers, answers, python

from mobiledeploy.runtimes import litert_xnnpack
from mobiledeploy.spec.config import Io

# 650 MB, most of a minute: .ci/run leaves them out.
pytestmark = [pytest.mark.clients, pytest.mark.slow, pytest.mark.timeout(600)]


def in_mediapipe(classifier: Classifier, io: Io, folder: Path) -> Answers:
    command = python("mediapipe==1.2.3")
    model, inputs = classifier.tflite(io), classifier.inputs(io)
    return answers(command, "mediapipe_tasks.py", model, inputs, folder)


def test_every_score_is_exact(classifier: Classifier, tmp_path: Path) -> None:
    expected = classifier.expected(litert_xnnpack.load, classifier.tflite("uint8"), "uint8")
    tasks = in_mediapipe(classifier, "uint8", tmp_path)
    assert tasks.version == "1.2.3"
    assert tasks.difference(expected / 256) == 0


@pytest.mark.parametrize(
    ("io", "reason"),
    [
        ("int8", "Requested one of these types: uint8/float32, got INT8"),
        ("float32", "requires specifying NormalizationOptions metadata"),
    ],
)
def test_other_types_at_the_border_are_refused(
    classifier: Classifier, io: Io, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refusal:
        in_mediapipe(classifier, io, tmp_path)
    assert reason in refusal.value.stderr
