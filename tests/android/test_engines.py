"""The app's engines and golden runner with real runtimes: they say what Python says."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from android import proving
from android.proving import Prover

from mobiledeploy.verify import golden

pytestmark = [pytest.mark.android, pytest.mark.timeout(600)]


FILES = ("model.tflite", "model.onnx")
DIGITS = [
    ("--arch", "v2"),
    ("--arch", "v2", "--io", "uint8", "--head", "logits"),
    ("--arch", "v2", "--io", "float32"),
    ("--arch", "v2", "--float"),
]


def test_the_golden_runner_says_what_python_says(
    prover: Prover, built: Callable[..., Path], bundled: Callable[[Path], Path], tmp_path: Path
) -> None:
    builds = [built(*options) for options in DIGITS]
    for build, proof in zip(builds, prover([bundled(b) for b in builds], tmp_path), strict=True):
        assert proof.complaints() == ""
        _, names, expected = golden.read(build / "golden.npz")
        for file in FILES:
            engine = proof.engine(file)
            assert engine["comparison"]["exact_logits"] == len(names)
            assert np.array_equal(proving.answers(engine, "logits"), expected.logits)
            assert np.abs(proving.answers(engine, "scores") - expected.scores).max() <= 1
