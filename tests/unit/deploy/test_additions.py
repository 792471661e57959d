"""A project is told the lines that it lacks, in its own language, and no others."""

import tomllib
from pathlib import Path

import pytest
from unit.deploy.projects import DEMO, write_project

from mobiledeploy.deploy import additions, app_module
from mobiledeploy.deploy.additions import Addition
from mobiledeploy.deploy.android_project import CATALOG, Flavour


def needed(project: Path, engine: Flavour = "both") -> dict[str, list[Addition]]:
    """Return the additions to a project by file."""
    by_file: dict[str, list[Addition]] = {}
    for addition in additions.needed(app_module.find(project), engine):
        by_file.setdefault(addition.file, []).append(addition)
    return by_file


def lines(project: Path, file: str, engine: Flavour = "both") -> str:
    return "\n".join(addition.lines for addition in needed(project, engine)[file])


def test_versions_are_those_of_the_demo() -> None:
    versions = tomllib.loads((DEMO / CATALOG).read_text())["versions"]
    assert additions.coordinates() == {
        "tflite": f"com.google.ai.edge.litert:litert:{versions['litert']}",
        "onnx": f"com.microsoft.onnxruntime:onnxruntime-android:{versions['onnxruntime']}",
    }


def test_a_kotlin_script_gets_kotlin(tmp_path: Path) -> None:
    project = write_project(tmp_path / "mine", "kotlin")
    text = lines(project, "app/build.gradle.kts")
    assert '    implementation(files("libs/mobiledeploy.aar"))\n' in text
    assert '    implementation("com.google.ai.edge.litert:litert:1.4.2")\n' in text
    assert '    implementation("com.microsoft.onnxruntime:onnxruntime-android:1.29.0")\n' in text
    assert 'androidResources { noCompress += listOf("tflite", "onnx", "npz") }' in text


def test_a_groovy_script_gets_groovy(tmp_path: Path) -> None:
    text = lines(write_project(tmp_path / "mine", "groovy"), "app/build.gradle")
    assert "    implementation files('libs/mobiledeploy.aar')\n" in text
    assert "    implementation 'com.google.ai.edge.litert:litert:1.4.2'\n" in text
    assert "androidResources { noCompress += ['tflite', 'onnx', 'npz'] }" in text
    assert '"' not in text


@pytest.mark.parametrize(
    ("engine", "there", "absent"),
    [("tflite", "litert:1.4", "onnxruntime"), ("onnx", "onnxruntime-android:1.29", "litert")],
)
def test_an_engine_that_is_left_out_is_not_asked_for(
    engine: Flavour, there: str, absent: str, tmp_path: Path
) -> None:
    project = write_project(tmp_path / "mine", "kotlin")
    text = lines(project, "app/build.gradle.kts", engine)
    assert there in text
    assert absent not in text
    assert ("app/proguard-rules.pro" in needed(project, engine)) == (engine == "onnx")


def test_litert_2_is_advised_against_where_litert_is_asked_for(tmp_path: Path) -> None:
    project = write_project(tmp_path / "mine", "kotlin")
    reasons = [each.reason for each in needed(project, "tflite")["app/build.gradle.kts"]]
    assert any("not 2.x" in reason and "same namespace" in reason for reason in reasons)
    assert not any("2.x" in e.reason for each in needed(project, "onnx").values() for e in each)


def test_the_keep_rule_is_that_of_the_library(tmp_path: Path) -> None:
    (rule,) = needed(write_project(tmp_path / "mine", "kotlin"))["app/proguard-rules.pro"]
    assert rule.lines in (DEMO / "library/consumer-rules.pro").read_text()
    assert "ai.onnxruntime.TensorInfo {" in rule.lines
    assert rule.lines.endswith("}")


def test_a_project_that_has_all_lines_is_told_none(tmp_path: Path) -> None:
    project = write_project(tmp_path / "mine", "react native")
    for file, each in needed(project).items():
        with (project / file).open("a") as handle:
            handle.writelines(f"{addition.lines}\n" for addition in each)
    assert needed(project) == {}
    assert needed(DEMO) == {}


def test_what_is_there_is_not_asked_for_again(tmp_path: Path) -> None:
    project = write_project(tmp_path / "mine", "catalogue")
    with (project / "gradle/libs.versions.toml").open("a") as handle:
        handle.write('[libraries]\nort = "com.microsoft.onnxruntime:onnxruntime-android:1.27.0"\n')
    with (project / "app/build.gradle.kts").open("a") as handle:
        handle.write('android { androidResources { noCompress += "tflite" } }\n')
    text = lines(project, "app/build.gradle.kts")
    assert "onnxruntime-android" not in text
    assert 'noCompress += listOf("onnx", "npz")' in text


def test_flutter_is_told_to_list_the_assets(tmp_path: Path) -> None:
    project = write_project(tmp_path / "mine", "flutter")
    (addition,) = needed(project)["pubspec.yaml"]
    assert addition.lines == "flutter:\n  assets:\n    - assets/mobiledeploy/"
    assert 'folder = "flutter_assets/assets/mobiledeploy"' in addition.reason
    (project / "pubspec.yaml").write_text(
        "flutter:\n  assets:\n    - 'assets/mobiledeploy/' # a\n"
    )
    assert "pubspec.yaml" not in needed(project)
    assert "libs/mobiledeploy.aar" in lines(project, "android/app/build.gradle.kts")


def test_react_native_is_told_how_javascript_finds_the_model(tmp_path: Path) -> None:
    project = write_project(tmp_path / "mine", "react native")
    (addition,) = needed(project)["metro.config.js"]
    assert addition.lines == "config.resolver.assetExts.push('tflite', 'onnx');"
    assert "./android/app/src/main/assets/mobiledeploy/model.tflite" in addition.reason
    (addition,) = needed(project, "onnx")["metro.config.js"]
    assert addition.lines == "config.resolver.assetExts.push('onnx');"
    assert "model.onnx" in addition.reason
