"""The APK that `bundle --apk` makes: what is in it, and what is refused."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from android import jvm

from mobiledeploy.base import programs
from mobiledeploy.base.errors import BundleError, CorruptFileError
from mobiledeploy.deploy import app_runtimes, check_apk, signing, zips
from mobiledeploy.deploy import jdk as jdks
from mobiledeploy.deploy.bundle import CARRIED
from mobiledeploy.deploy.jdk import Jdk
from mobiledeploy.deploy.native_libraries import apk_problems
from mobiledeploy.deploy.signing import SigningKey
from mobiledeploy.deploy.toolchain import Toolchain
from mobiledeploy.deploy.zips import NewEntry
from mobiledeploy.spec import results

pytestmark = [pytest.mark.android, pytest.mark.timeout(900)]

PROGRAM = Path(sys.executable).with_name("mobiledeploy")
SCHEMA = jvm.ROOT / "docs/schemas/bundle.schema.json"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """An APK as the command made it."""

    path: Path
    told: dict[str, Any]


@pytest.fixture(scope="session")
def jdk() -> Jdk:
    return jdks.installed()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the app, so that its assets can be written."""
    folder = tmp_path_factory.mktemp("apk") / "android_demo"
    shutil.copytree(jvm.DEMO, folder, ignore=shutil.ignore_patterns("assets"))
    return folder


def run(*words: str | Path, status: int = 0, env: dict[str, str] | None = None) -> Any:
    done = subprocess.run(
        [PROGRAM, *words], capture_output=True, text=True, check=False, env=env, timeout=850
    )
    assert done.returncode == status, f"{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="session")
def make(demo: Path, digits: Path, toolchain: Toolchain) -> Callable[..., Made]:
    """Make an APK of the digits with some options, by the command."""
    del toolchain  # which the command finds downloaded

    def made(name: str, *options: str) -> Made:
        out = demo.parent / name
        done = run("bundle", digits, "--app", demo, "--apk", out, "--json", "--quiet", *options)
        told = json.loads(done.stdout)
        jsonschema.validate(told, json.loads(SCHEMA.read_text()))
        return Made(path=out, told=told["apk"])

    return made


@pytest.fixture(scope="session")
def onnx(make: Callable[..., Made]) -> Made:
    return make("onnx.apk")


@pytest.fixture(scope="session")
def both(make: Callable[..., Made]) -> Made:
    return make("both.apk", "--engine", "both", "--allow-4kb-pages")


def test_the_apk_is_what_the_command_says(onnx: Made, jdk: Jdk, toolchain: Toolchain) -> None:
    told = onnx.told
    assert results.File.of(onnx.path.parent, onnx.path).sha256 == told["sha256"]
    assert (told["runtimes"], told["abis"]) == (["onnx"], ["arm64-v8a"])
    assert (told["page_size"], told["schemes"]) == (16384, ["v2", "v3"])
    signature = signing.verify(onnx.path, min_sdk=24, jdk=jdk, toolchain=toolchain)
    assert (list(signature.schemes), signature.certificate) == (
        told["schemes"],
        told["certificate"],
    )


def test_aapt2_prints_the_manifest_of_the_golden_file(
    both: Made, toolchain: Toolchain, golden: Callable[[str, str], None]
) -> None:
    aapt2 = toolchain.file("aapt2", "aapt2")
    said = programs.run(aapt2, "dump", "badging", both.path, failed=BundleError, what="badging")
    golden("badging.txt", said)
    told = check_apk.read_manifest(both.path, toolchain)
    assert told.activities == (
        "dev.mobiledeploy.demo.MainActivity",
        "dev.mobiledeploy.demo.AboutActivity",
    )
    assert told.instrumentations == ("dev.mobiledeploy.demo.SelfTest",)
    assert told.permissions == ("android.permission.CAMERA",)


def test_onnx_runtime_is_ready_for_16_kb_pages_and_tensorflow_lite_is_named(
    onnx: Made, both: Made
) -> None:
    assert apk_problems(onnx.path) == ()
    (problem,) = apk_problems(both.path)
    assert problem.startswith(
        "lib/arm64-v8a/libtensorflowlite_jni.so is aligned for pages of 4,096"
    )
    assert both.told["page_size"] == 4096


def test_the_models_are_stored_uncompressed_and_are_those_of_the_build(
    onnx: Made, digits: Path
) -> None:
    stored = {entry.name: entry for entry in zips.entries(onnx.path)}
    content = zips.read(onnx.path, stored)
    for name in CARRIED:
        assert content[f"assets/mobiledeploy/{name}"] == (digits / name).read_bytes()
    for name in ("model.tflite", "model.onnx", "golden.npz"):
        assert stored[f"assets/mobiledeploy/{name}"].stored
    assert stored["resources.arsc"].stored
    assert stored["resources.arsc"].offset % 4 == 0


def test_the_dex_files_hold_the_app_and_its_runtimes_and_no_test_classes(
    onnx: Made, both: Made
) -> None:
    for made, runtimes in ((onnx, {"onnx"}), (both, {"onnx", "tflite"})):
        names = [e.name for e in zips.entries(made.path) if e.name.endswith(".dex")]
        classes: set[str] = set()
        for name, data in zips.read(made.path, names).items():
            classes |= check_apk.dex_class_names(data, where=name)
        assert {"dev.mobiledeploy.demo.MainActivity", "dev.mobiledeploy.demo.SelfTest"} <= classes
        assert {
            runtime for runtime, name in app_runtimes.CLASSES.items() if name in classes
        } == runtimes
        assert len(classes) == made.told["classes"] < 600
        assert not [name for name in classes if "Test" in name and not name.endswith("SelfTest")]


def test_equal_inputs_give_equal_bytes(both: Made, make: Callable[..., Made]) -> None:
    again = make("again.apk", "--engine", "both", "--allow-4kb-pages")
    assert again.path.read_bytes() == both.path.read_bytes()


def test_a_changed_or_unsigned_apk_is_refused(
    onnx: Made, tmp_path: Path, jdk: Jdk, toolchain: Toolchain
) -> None:
    data = bytearray(onnx.path.read_bytes())
    (model,) = [e for e in zips.entries(onnx.path) if e.name.endswith(".onnx")]
    data[model.offset + model.size // 2] ^= 1
    changed, unsigned = tmp_path / "changed.apk", tmp_path / "unsigned.apk"
    changed.write_bytes(data)
    with zipfile.ZipFile(onnx.path) as old, zipfile.ZipFile(unsigned, "w") as new:
        new.writestr("AndroidManifest.xml", old.read("AndroidManifest.xml"))
    for apk in (changed, unsigned):
        with pytest.raises(BundleError, match="the signature does not hold"):
            signing.verify(apk, min_sdk=24, jdk=jdk, toolchain=toolchain)


def repacked(apk: Path, out: Path, change: Callable[[NewEntry], NewEntry]) -> Path:
    entries = zips.entries(apk)
    content = zips.read(apk, (entry.name for entry in entries))
    zips.write(
        out,
        (
            change(NewEntry(name=e.name, data=content[e.name], alignment=4 if e.stored else None))
            for e in entries
        ),
    )
    return out


def test_a_compressed_or_changed_model_is_refused(
    onnx: Made, digits: Path, tmp_path: Path
) -> None:
    carried = [results.File.of(digits, digits / name) for name in CARRIED]

    def squeezed(entry: NewEntry) -> NewEntry:
        model = entry.name.endswith(".tflite")
        return dataclasses.replace(entry, alignment=None if model else entry.alignment)

    def other(entry: NewEntry) -> NewEntry:
        labels = entry.name.endswith("labels.txt")
        return dataclasses.replace(entry, data=entry.data.upper() + b"!" if labels else entry.data)

    with pytest.raises(BundleError, match=r"model\.tflite is compressed"):
        check_apk.check_assets(repacked(onnx.path, tmp_path / "a.apk", squeezed), carried)
    with pytest.raises(BundleError, match=r"labels\.txt has SHA-256"):
        check_apk.check_assets(repacked(onnx.path, tmp_path / "b.apk", other), carried)
    cut = tmp_path / "c.apk"
    cut.write_bytes(onnx.path.read_bytes()[:-1000])
    with pytest.raises(CorruptFileError):
        check_apk.check_assets(cut, carried)


@pytest.mark.parametrize("engine", ["tflite", "both"])
def test_tensorflow_lite_aligned_to_4_kb_is_refused_with_the_alternatives(
    engine: str, demo: Path, digits: Path, tmp_path: Path
) -> None:
    out = tmp_path / "a.apk"
    done = run("bundle", digits, "--app", demo, "--apk", out, "--engine", engine, status=7)
    assert "libtensorflowlite_jni.so is aligned for pages of 4,096 bytes" in done.stderr
    for cure in ("LiteRT 1.4", "--litert-aar", "--engine onnx", "--allow-4kb-pages"):
        assert cure in done.stderr
    assert not out.exists()


def test_the_users_own_litert_is_checked(
    demo: Path, digits: Path, tmp_path: Path, toolchain: Toolchain
) -> None:
    runtime = toolchain.file("tflite-android", ".aar")
    bundle = ("bundle", digits, "--app", demo, "--apk", tmp_path / "a.apk", "--engine", "tflite")
    done = run(*bundle, "--litert-aar", runtime, status=7)
    assert "without the class org.tensorflow.lite.InterpreterApi" in done.stderr
    assert "litert-api" in done.stderr
    api = toolchain.file("tflite-api-android", ".aar")
    done = run(*bundle, "--litert-aar", runtime, "--litert-aar", api, status=7)
    assert "is aligned for pages of 4,096" in done.stderr
    text = tmp_path / "text.aar"
    text.write_text("no archive")
    assert "is not a complete ZIP file" in run(*bundle, "--litert-aar", text, status=6).stderr


def test_the_users_own_key_signs_and_needs_its_password(
    onnx: Made, demo: Path, digits: Path, tmp_path: Path, jdk: Jdk, toolchain: Toolchain
) -> None:
    store = tmp_path / "own.p12"
    secret = tmp_path / "secret"
    secret.write_text("a secret of mine\n")
    programs.run(
        jdk.keytool, "-genkeypair", "-keystore", store, "-storetype", "PKCS12", "-alias", "mine",
        "-storepass:file", secret, "-keyalg", "EC", "-dname", "CN=Me",
        failed=BundleError, what="keytool",
    )  # fmt: skip
    bundle = ("bundle", digits, "--app", demo, "--apk", tmp_path / "a.apk", "--keystore", store)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MOBILEDEPLOY_KEY")}
    done = run(*bundle, status=2, env=environment)
    assert signing.STORE_VARIABLE in done.stderr

    key = signing.own_key(store, alias=None, password_file=secret)
    signed = tmp_path / "signed.apk"
    sign_with(key, onnx.path, signed, jdk, toolchain)
    assert apk_problems(signed) == ()
    signature = signing.verify(signed, min_sdk=24, jdk=jdk, toolchain=toolchain)
    assert signature.certificate != onnx.told["certificate"]

    for wrong, message in (
        (dataclasses.replace(key, password="guess"), "the password of the keystore is wrong"),
        (
            dataclasses.replace(key, key_password="guess"),
            "the password of the key `mine` is wrong",
        ),
        (dataclasses.replace(key, alias="yours"), r"no key `yours`, it holds \[mine\]"),
        (dataclasses.replace(key, keystore=secret), "it is no keystore"),
    ):
        with pytest.raises(BundleError, match=message) as caught:
            sign_with(wrong, onnx.path, tmp_path / "3.apk", jdk, toolchain)
        assert "a secret of mine" not in str(caught.value)
        assert not (tmp_path / "3.apk").exists()


def sign_with(key: SigningKey, apk: Path, out: Path, jdk: Jdk, toolchain: Toolchain) -> None:
    signing.sign(apk, out, key, min_sdk=24, jdk=jdk, toolchain=toolchain)


def test_sources_that_do_not_compile_are_reported_with_file_and_line(
    demo: Path, digits: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "demo"
    shutil.copytree(demo, broken)
    source = broken / "library/src/main/kotlin/dev/mobiledeploy/core/Json.kt"
    source.write_text(source.read_text() + "\nval wrong: Int = nothing\n")
    done = run("bundle", digits, "--app", broken, "--apk", tmp_path / "a.apk", status=7)
    line = source.read_text().count("\n")
    assert f"Json.kt:{line}:18: error: unresolved reference 'nothing'" in done.stderr
    assert "Traceback" not in done.stderr
