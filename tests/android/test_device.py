"""`verify --device` judges what the app's own code answers as that code judges itself."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from android.proving import Prover
from unit.device.fake_adb import FakeAdb, finished

from mobiledeploy.device import verify

pytestmark = [pytest.mark.android, pytest.mark.timeout(600)]


@pytest.mark.parametrize(
    "options", [(), ("--io", "uint8", "--head", "logits"), ("--float",)], ids=" ".join
)
def test_a_phone_with_the_apps_code_proves_the_build(
    options: tuple[str, ...],
    built: Callable[..., Path],
    bundled: Callable[[Path], Path],
    prover: Prover,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    build = built("--arch", "v2", *options)
    (tmp_path / "photos").mkdir()
    (proof,) = prover([bundled(build)], tmp_path / "photos")
    assert proof.verdict is not None, proof.refused
    phone = FakeAdb(tmp_path / "bin")
    phone.phone(finished(json.dumps(proof.verdict, separators=(",", ":"))))
    monkeypatch.setenv("PATH", f"{phone.folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("ANDROID_HOME", raising=False)

    report = verify.verify(build)

    assert report.holds, report.failures
    assert {engine.file for engine in report.engines} == {"model.tflite", "model.onnx"}
    for engine in report.engines:
        told = proof.engine(engine.file)["comparison"]
        assert engine.images == told["images"] >= 2
        assert engine.exact_logits == told["exact_logits"]
        assert engine.max_logits == pytest.approx(told["max_logits"], rel=1e-3, abs=1e-12)
        assert engine.same_top1 == told["same_top1"]
        if report.unit == "lsb":  # float differences of 1e-8 are in no certain order
            assert engine.worst == told["worst"]
