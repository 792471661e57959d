"""`mobiledeploy bundle` says what it made and what comes next."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner
from unit.cli.conftest import check
from unit.deploy.projects import write_project
from unit.deploy.test_bundle import finish

from mobiledeploy.base.errors import BundleError, RequestError
from mobiledeploy.cli.main import app


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["bundle", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_a_new_project_holds_the_build_that_is_there() -> None:
    finish(Path("build"))
    said = run("--new", "mine")
    assert "made the project mine, and bundled into mine/app/src/main/assets/mobiledeploy" in said
    assert "next: open mine in Android Studio" in said


def test_a_new_project_without_a_build_says_so() -> None:
    said = run("--new", "mine")
    assert "without a model: there is no folder `build`" in said
    assert "next: mobiledeploy bundle BUILD --app mine" in said
    with pytest.raises(RequestError, match="no folder nowhere"):
        run("nowhere", "--new", "other")


def test_without_a_project_the_message_says_how_to_make_one() -> None:
    finish(Path("build"))
    with pytest.raises(BundleError, match="android_demo does not exist") as caught:
        run()
    assert "`--new DIR` makes a new project" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--new", "a", "--app", "b"), "`--app` cannot be used with `--new`"),
        (("--library", "a.aar", "--app", "b"), "`--app` cannot be used with `--library`"),
        (("--library", "a.aar", "--new", "b"), "`--new` cannot be used with `--library`"),
        (("--library", "a.aar", "--apk", "b.apk"), "`--apk` would have no effect"),
        (("--library", "a.aar", "--module", "app"), "`--module` would have no effect"),
        (("--new", "a", "--module", "app"), "`--module` would have no effect"),
        (("--no-assets",), "`--no-assets` would have no effect"),
        (("--library", "a.aar", "--no-assets", "--engine", "onnx"), "`--engine` would have no"),
        (("--library", "a.aar", "--no-assets", "--no-golden"), "`--no-golden` would have no"),
        (("build", "--library", "a.aar", "--no-assets"), "`BUILD` would have no effect"),
    ],
)
def test_options_that_exclude_each_other_are_refused_by_name(
    options: tuple[str, ...], message: str
) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        run(*options)
    assert caught.value.hint
    assert not Path("a").exists()


def test_a_library_of_no_build_or_under_a_taken_name_is_refused_before_any_work() -> None:
    with pytest.raises(RequestError, match="no folder build"):
        run("--library", "a.aar")
    Path("notes.txt").write_text("mine")
    with pytest.raises(RequestError, match="exists and is no AAR"):
        run("--library", "notes.txt", "--no-assets")
    assert Path("notes.txt").read_text() == "mine"


def test_the_lines_for_a_project_are_printed_and_are_in_the_json() -> None:
    finish(Path("build"))
    write_project(Path("mine"), "flutter")
    said = run("--app", "mine", "--engine", "tflite")
    for line in (
        "Lines that the project lacks:",
        "android/app/build.gradle.kts",
        '        implementation("com.google.ai.edge.litert:litert:1.4.2")',
        "pubspec.yaml",
        "        - assets/mobiledeploy/",
        "model.tflite",
        "bundled into mine/assets/mobiledeploy",
    ):
        assert line in said, line
    assert "model.onnx" not in said
    assert "onnxruntime" not in said
    document = json.loads(run("--app", "mine", "--engine", "tflite", "--json"))
    check(document, "bundle")
    assert document["project"]["kind"] == "flutter"
    assert [each["file"] for each in document["project"]["additions"]] == [
        "android/app/build.gradle.kts",
        "android/app/build.gradle.kts",
        "pubspec.yaml",
    ]


def test_the_module_may_be_chosen() -> None:
    finish(Path("build"))
    write_project(Path("mine"), "phone and watch")
    assert "mine/wear/src/main/assets" in run("--app", "mine", "--module", "wear")
