"""`mobiledeploy verify --device` against a phone that is a script: each outcome has its status."""

import base64
import hashlib
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from e2e.conftest import mobiledeploy, printed
from unit.device.fake_adb import FakeAdb, finished

TIMES = """INFO: count=500 first=9 curr=1 min=1 max=9 avg=2 std=0
INFO: count=50 first=812 curr=790 min=780 max=900 avg=799.5 std=9 p5=780 median=795 p95=850
"""
Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def phone(tmp_path: Path) -> FakeAdb:
    return FakeAdb(tmp_path / "bin")


def environment(phone: FakeAdb) -> dict[str, str]:
    return {"PATH": f"{phone.folder}{os.pathsep}{os.environ['PATH']}", "ANDROID_HOME": ""}


def verdict(build: Path, change: Change | None = None) -> str:
    """Return what an app says that answers every golden vector exactly, before `change`."""
    with np.load(build / "golden.npz") as golden:
        logits, scores, names = golden["logits"], golden["scores"], golden["names"]

    def packed(codes: Any) -> str:
        return base64.b64encode(codes.astype(np.int8).tobytes()).decode()

    said = {
        "format": 1,
        "holds": True,
        "model": "mobilenet",
        "contract_sha256": hashlib.sha256((build / "contract.json").read_bytes()).hexdigest(),
        "device": {"model": "FP5", "abi": "arm64-v8a", "page_size": "16384"},
        "resize_holds": True,
        "unit": "lsb",
        "tolerance": {"logits": 0, "scores": 1},
        "engines": [
            {
                "title": "ONNX Runtime 1.29.0, 1 thread",
                "file": "model.onnx",
                "holds": True,
                "reason": "logits equal",
                "comparison": {
                    "images": len(names),
                    "exact_logits": len(names),
                    "max_logits": 0,
                    "max_scores": 0,
                    "same_top1": len(names),
                    "worst": "",
                    "median_ms": 1.5,
                    "answers": [
                        {"name": str(name), "logits": packed(logit), "scores": packed(score)}
                        for name, logit, score in zip(names, logits, scores, strict=True)
                    ],
                },
            }
        ],
    }
    if change:
        change(said)
    return json.dumps(said)


def off(key: str, by: int) -> Change:
    """Return a change that moves one value of the third image by so many steps."""

    def change(said: dict[str, Any]) -> None:
        comparison = said["engines"][0]["comparison"]
        answer = comparison["answers"][2]
        codes = bytearray(base64.b64decode(answer[key]))
        value = int(np.int8(codes[0] if codes[0] < 128 else codes[0] - 256))
        codes[0] = (value + (by if value + by <= 127 else -by)) % 256
        answer[key] = base64.b64encode(codes).decode()
        comparison["exact_logits"] -= key == "logits"

    return change


def test_a_phone_that_answers_exactly_proves_the_build(small_build: Path, phone: FakeAdb) -> None:
    phone.phone(finished(verdict(small_build)))
    done = mobiledeploy(
        "verify", small_build, "--device", "--json", cwd=phone.folder, env=environment(phone)
    )
    report = printed(done, "device")
    assert report["holds"]
    assert report["engines"][0]["exact_logits"] == report["engines"][0]["images"] >= 2
    assert report["phone"]["model"] == "FP5"
    assert phone.calls()[-1][:3] == ["-s", "0A1B2C", "shell"]


def test_a_score_may_differ_by_one_step_and_no_more(small_build: Path, phone: FakeAdb) -> None:
    arguments = ("verify", small_build, "--device")
    phone.phone(finished(verdict(small_build, off("scores", 1))))
    mobiledeploy(*arguments, cwd=phone.folder, env=environment(phone))
    phone.phone(finished(verdict(small_build, off("scores", 2))))
    done = mobiledeploy(*arguments, cwd=phone.folder, env=environment(phone), status=5)
    assert "scores differ by up to 2 LSB" in done.stderr


def test_a_logit_that_differs_fails_and_the_image_is_named(
    small_build: Path, phone: FakeAdb
) -> None:
    phone.phone(finished(verdict(small_build, off("logits", 1))))
    done = mobiledeploy(
        "verify", small_build, "--device", cwd=phone.folder, env=environment(phone), status=5
    )
    with np.load(small_build / "golden.npz") as golden:
        assert f"worst: {golden['names'][2]}" in done.stderr


def test_an_app_that_reports_wrong_answers_as_right_is_not_trusted(
    small_build: Path, phone: FakeAdb
) -> None:
    def praise(said: dict[str, Any]) -> None:
        off("logits", 3)(said)
        said["engines"][0]["comparison"]["exact_logits"] += 1

    phone.phone(finished(verdict(small_build, praise)))
    done = mobiledeploy(
        "verify", small_build, "--device", cwd=phone.folder, env=environment(phone), status=5
    )
    assert "logits differ by up to 3 LSB" in done.stderr
    assert "the app counts equal logits on" in done.stderr


def _other_contract(said: dict[str, Any]) -> None:
    said["contract_sha256"] = "0" * 64


def _no_engine(said: dict[str, Any]) -> None:
    said["engines"] = []


def _wrong_resize(said: dict[str, Any]) -> None:
    said["resize_holds"] = False


def _broken_engine(said: dict[str, Any]) -> None:
    said["engines"][0] |= {"comparison": None, "holds": False, "reason": "no library"}


def _other_images(said: dict[str, Any]) -> None:
    said["engines"][0]["comparison"]["answers"].pop()


def _unknown_field(said: dict[str, Any]) -> None:
    said["engines"][0]["speed"] = 1


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        (_other_contract, 7, "carries another build"),
        (_no_engine, 5, "the app has no engine"),
        (_wrong_resize, 5, "crop and resize"),
        (_broken_engine, 5, "could not run model.onnx: no library"),
        (_other_images, 6, "other images"),
        (_unknown_field, 6, "speed"),
    ],
)
def test_each_unusable_answer_has_its_exit_status(
    small_build: Path, phone: FakeAdb, change: Change, status: int, words: str
) -> None:
    phone.phone(finished(verdict(small_build, change)))
    done = mobiledeploy(
        "verify", small_build, "--device", cwd=phone.folder, env=environment(phone), status=status
    )
    assert words in done.stderr


@pytest.mark.parametrize(
    ("printed_by_app", "words"),
    [
        ("INSTRUMENTATION_RESULT: shortMsg=Process crashed.\n", "crashed"),
        ("INSTRUMENTATION_CODE: -1\n", "without a verdict"),
        ("INSTRUMENTATION_RESULT: mobiledeploy_error=No model.\nINSTRUMENTATION_CODE: 0\n",
         "No model."),
        ("Killed\n", "INSTRUMENTATION_CODE is missing"),
    ],
)  # fmt: skip
def test_an_app_without_a_verdict_is_a_device_error(
    small_build: Path, phone: FakeAdb, printed_by_app: str, words: str
) -> None:
    phone.phone(printed_by_app)
    done = mobiledeploy(
        "verify", small_build, "--device", cwd=phone.folder, env=environment(phone), status=11
    )
    assert words in done.stderr
    assert "hint:" in done.stderr


def test_an_apk_is_installed_only_if_it_carries_the_build(
    small_build: Path, phone: FakeAdb, tmp_path: Path
) -> None:
    good, other = tmp_path / "good.apk", tmp_path / "other.apk"
    for apk, contract in (
        (good, (small_build / "contract.json").read_bytes()), (other, b"{}")
    ):  # fmt: skip
        with zipfile.ZipFile(apk, "w") as archive:
            archive.writestr("assets/mobiledeploy/contract.json", contract)
    arguments = ("verify", small_build, "--device", "--apk")
    phone.phone(finished(verdict(small_build)))
    done = mobiledeploy(*arguments, other, cwd=tmp_path, env=environment(phone), status=7)
    assert "another build" in done.stderr
    assert not phone.calls()
    mobiledeploy(*arguments, good, cwd=tmp_path, env=environment(phone))
    assert ["-s", "0A1B2C", "install", "-r", "-t", str(good)] in phone.calls()


@pytest.mark.parametrize("kept", [0, 200, -40])
def test_a_damaged_apk_never_reaches_the_phone(
    small_build: Path, phone: FakeAdb, tmp_path: Path, kept: int
) -> None:
    whole = tmp_path / "whole.apk"
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "assets/mobiledeploy/contract.json", (small_build / "contract.json").read_bytes()
        )
    data = whole.read_bytes()
    garbled = data[:120] + bytes(60) + data[180:]
    (tmp_path / "cut.apk").write_bytes(garbled if kept < 0 else data[:kept])
    done = mobiledeploy(
        "verify", small_build, "--device", "--apk", "cut.apk",
        cwd=tmp_path, env=environment(phone), status=6,
    )  # fmt: skip
    assert "cut.apk" in done.stderr
    assert "Traceback" not in done.stderr
    assert not phone.calls()


def test_benchmark_model_is_pushed_run_and_read(
    small_build: Path, phone: FakeAdb, tmp_path: Path
) -> None:
    tool = tmp_path / "benchmark_model"
    tool.write_bytes(b"ELF")
    phone.phone(
        finished(verdict(small_build)),
        ("push", "x: 1 file pushed, 0 skipped. 30.1 MB/s\n"),
        ("--graph=", TIMES),
        ("mkdir", ""), ("chmod", ""), ("rm -r", ""),
    )  # fmt: skip
    done = mobiledeploy(
        "verify", small_build, "--device", "--benchmark", tool, "--json",
        cwd=tmp_path, env=environment(phone),
    )  # fmt: skip
    latency = printed(done, "device")["latency"]
    assert (latency["runs"], latency["mean_us"], latency["median_us"]) == (50, 799.5, 795)


def test_options_for_a_phone_without_device_are_refused(small_build: Path, tmp_path: Path) -> None:
    done = mobiledeploy("verify", small_build, "--serial", "x", cwd=tmp_path, status=2)
    assert "--device" in done.stderr
