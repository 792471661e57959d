"""What the Android project's own files say, and refusals of what is no such project."""

import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from mobiledeploy.base.errors import BundleError
from mobiledeploy.deploy import project, resources

DEMO = Path(__file__).parents[3] / "android_demo"
NAME = "{http://schemas.android.com/apk/res/android}"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    shutil.copytree(DEMO, tmp_path / "demo", ignore=shutil.ignore_patterns("assets"))
    return tmp_path / "demo"


def test_our_own_project_is_read() -> None:
    found = project.read(DEMO)
    assert found.application_id == found.namespace == "dev.mobiledeploy.demo"
    assert (found.min_sdk, found.target_sdk, found.jvm_target) == (24, 36, "11")
    assert found.rules.is_file()
    assert found.resources("both") == (DEMO / "app/src/main/res",)


@pytest.mark.parametrize("engine", project.SOURCE_SETS)
def test_a_flavour_has_the_engines_of_its_name_and_one_list_of_them(
    engine: project.Engine,
) -> None:
    names = [path.name for path in project.read(DEMO).app_sources(engine)]
    assert ("OrtEngine.kt" in names) == (engine in {"onnx", "both"})
    assert ("LiteRtEngine.kt" in names) == (engine in {"tflite", "both"})
    assert names.count("CompiledEngines.kt") == 1
    assert "MainActivity.kt" in names
    assert [name for name in names if name.endswith("Test.kt")] == ["SelfTest.kt"]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_change_in_the_gradle_files_changes_the_app(app: Path) -> None:
    edit(app / "app/build.gradle.kts", "versionCode = 1", "versionCode = 27  // a release")
    edit(app / "gradle/libs.versions.toml", 'androidMinSdk = "24"', 'androidMinSdk = "26"')
    found = project.read(app)
    assert (found.version_code, found.min_sdk) == (27, 26)


@pytest.mark.parametrize(
    ("path", "old", "new", "message"),
    [
        ("app/build.gradle.kts", "versionCode = 1", "versionCode = of()", "one line `versionCode"),
        ("app/build.gradle.kts", "namespace =", "name =", "one line `namespace"),
        ("app/build.gradle.kts", '"1.0"', '"1.$minor"', "one line `versionName"),
        ("gradle/libs.versions.toml", '"24"', '"new"', "expected versions of SDK"),
        ("gradle/libs.versions.toml", "androidMinSdk", "minimum", "androidMinSdk"),
        ("gradle/libs.versions.toml", "[versions]", "[versions", "no version catalog"),
    ],
)
def test_what_cannot_be_read_is_named(
    app: Path, path: str, old: str, new: str, message: str
) -> None:
    edit(app / path, old, new)
    with pytest.raises(BundleError, match=message) as caught:
        project.read(app)
    assert path in str(caught.value)


@pytest.mark.parametrize(
    "name", [project.SCRIPT, project.CATALOG, project.MANIFEST, project.RULES]
)
def test_a_project_that_lacks_a_file_is_refused_by_its_name(app: Path, name: str) -> None:
    (app / name).unlink()
    with pytest.raises(BundleError, match="no Android project of ours") as caught:
        project.read(app)
    assert f"{name} is missing" in str(caught.value)


def test_a_module_without_sources_is_refused(app: Path) -> None:
    shutil.rmtree(app / "core/src/main")
    with pytest.raises(BundleError, match="holds no Kotlin sources"):
        project.read(app).core_sources()


def test_the_manifest_gets_what_gradle_would_add_and_keeps_the_rest(app: Path) -> None:
    edit(app / "app/build.gradle.kts", 'applicationId = "dev.', 'applicationId = "org.')
    before = ET.parse(DEMO / "app/src/main/AndroidManifest.xml").getroot()
    after = ET.fromstring(resources.merged_manifest(project.read(app)))
    assert after.attrib.pop("package") == "org.mobiledeploy.demo"
    application = after.find("application")
    assert application is not None
    assert application.attrib.pop(f"{NAME}extractNativeLibs") == "false"
    shape = [(element.tag, element.attrib) for element in before.iter()]
    assert [(element.tag, element.attrib) for element in after.iter()] == shape


def test_a_manifest_that_is_none_is_refused(app: Path) -> None:
    described = project.read(app)
    for text, message in (("<manifest>", "is no XML"), ("<a/>", "expected a manifest")):
        described.manifest.write_text(text)
        with pytest.raises(BundleError, match=message):
            resources.merged_manifest(described)
