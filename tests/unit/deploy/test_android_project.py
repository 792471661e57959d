"""An Android project's ids, versions and sources are read from its Gradle files or refused."""

import shutil
from pathlib import Path

import pytest
from unit.deploy.projects import DEMO, copied_demo, edit

from mobiledeploy.base.errors import BundleError
from mobiledeploy.deploy import android_project


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return copied_demo(tmp_path)


def test_the_demo_project_is_read() -> None:
    project = android_project.read(DEMO)
    assert project.application_id == project.namespace == "dev.mobiledeploy.demo"
    assert (project.min_sdk, project.target_sdk, project.jvm_target) == (24, 36, "11")
    assert [path.is_file() for path in project.rules] == [True, True]
    assert project.resources("both") == (DEMO / "app/src/main/res",)


@pytest.mark.parametrize("flavour", android_project.SOURCE_SETS)
def test_a_flavour_has_the_engines_of_its_name_and_one_list_of_engines(
    flavour: android_project.Flavour,
) -> None:
    sources = android_project.read(DEMO).app_sources(flavour)
    names = [path.name for path in sources]
    (listed,) = [path.read_text() for path in sources if path.name == "CompiledEngines.kt"]
    assert ("OrtEngine.Factory" in listed) == (flavour in {"onnx", "both"})
    assert ("LiteRtEngine.Factory" in listed) == (flavour in {"tflite", "both"})
    assert names.count("CompiledEngines.kt") == 1
    assert "MainActivity.kt" in names
    assert [name for name in names if name.endswith("Test.kt")] == ["SelfTest.kt"]


def test_a_change_in_the_gradle_files_changes_the_app(app: Path) -> None:
    edit(app / "app/build.gradle.kts", "versionCode = 1", "versionCode = 27  // a release")
    edit(app / "gradle/libs.versions.toml", 'androidMinSdk = "24"', 'androidMinSdk = "26"')
    project = android_project.read(app)
    assert (project.version_code, project.min_sdk) == (27, 26)


@pytest.mark.parametrize(
    ("path", "old", "new", "message"),
    [
        ("app/build.gradle.kts", "versionCode = 1", "versionCode = of()", "one line `versionCode"),
        ("app/build.gradle.kts", "namespace =", "name =", "one line `namespace"),
        ("app/build.gradle.kts", '"1.0"', '"1.$minor"', "one line `versionName"),
        ("gradle/libs.versions.toml", '"24"', '"new"', "expected versions of SDK"),
        ("gradle/libs.versions.toml", "androidMinSdk", "minimum", "androidMinSdk"),
        ("gradle/libs.versions.toml", "[versions]", "[versions", "not a version catalog"),
    ],
)
def test_a_value_that_cannot_be_read_is_named(
    app: Path, path: str, old: str, new: str, message: str
) -> None:
    edit(app / path, old, new)
    with pytest.raises(BundleError, match=message) as caught:
        android_project.read(app)
    assert path in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        android_project.SCRIPT,
        android_project.CATALOG,
        android_project.MANIFEST,
        android_project.RULES,
        android_project.LIBRARY_RULES,
    ],
)
def test_a_project_without_one_of_the_files_is_refused_with_its_name(app: Path, name: str) -> None:
    (app / name).unlink()
    with pytest.raises(BundleError, match="not a project like") as caught:
        android_project.read(app)
    assert f"{name} is missing" in str(caught.value)


def test_a_module_without_sources_is_refused(app: Path) -> None:
    shutil.rmtree(app / "library/src/main")
    with pytest.raises(BundleError, match="holds no Kotlin sources"):
        android_project.read(app).library_sources()
