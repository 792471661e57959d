"""The users' Gradle build, which cannot run here: what its files say, held against each other."""

import re
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from mobiledeploy.deploy import android_project, downloads, toolchain

DEMO = Path(__file__).resolve().parents[2] / "android_demo"
ANDROID = "{http://schemas.android.com/apk/res/android}"
SCRIPTS = (
    "settings.gradle.kts",
    "build.gradle.kts",
    "app/build.gradle.kts",
)
LIBRARY = "library/build.gradle.kts"


@pytest.fixture(scope="module")
def catalog() -> dict[str, Any]:
    return tomllib.loads((DEMO / "gradle/libs.versions.toml").read_text(encoding="utf-8"))


def script(name: str) -> str:
    """A Gradle file without its comments."""
    return re.sub(r"//[^\n]*", "", (DEMO / name).read_text(encoding="utf-8"))


def test_no_script_names_a_version(catalog: dict[str, Any]) -> None:
    for name in SCRIPTS:
        # "1.0" is the app's own version.
        literals = re.findall(r'"[^"]*\d+\.\d+[^"]*"', script(name))
        assert set(literals) <= {'"1.0"'}, name


def test_every_entry_of_the_catalog_is_used_and_every_name_is_in_it(
    catalog: dict[str, Any],
) -> None:
    scripts = "".join(map(script, SCRIPTS))
    used = set(re.findall(r"\blibs((?:\.\w+)+)", scripts))
    used = {
        name.removeprefix(".").removesuffix(".get.toInt").removesuffix(".get") for name in used
    }
    named = {f"plugins.{name}" for name in catalog["plugins"]}
    named |= set(catalog["libraries"])
    referred = {
        entry["version"]["ref"]
        for kind in ("libraries", "plugins")
        for entry in catalog[kind].values()
    }
    named |= {f"versions.{name}" for name in catalog["versions"].keys() - referred}
    assert used == {name.replace("-", ".") for name in named}


def test_every_library_takes_its_version_from_the_list(catalog: dict[str, Any]) -> None:
    for kind in ("libraries", "plugins"):
        for name, entry in catalog[kind].items():
            assert entry["version"]["ref"] in catalog["versions"], name


def test_runtimes_are_aligned_for_16_kb_pages(catalog: dict[str, Any]) -> None:
    versions = catalog["versions"]
    assert catalog["libraries"]["litert"]["module"] == "com.google.ai.edge.litert:litert"
    # 2.x has another interface beside the Interpreter, and other dependencies.
    assert (1, 4) <= _numbers(versions["litert"]) < (2,)
    assert _numbers(versions["onnxruntime"]) >= (1, 27)


def test_the_apk_build_uses_the_same_versions(catalog: dict[str, Any]) -> None:
    pinned = {
        ":".join(downloads.split_coordinate(pin.maven)[:2]): downloads.split_coordinate(pin.maven)[
            2
        ]
        for part in toolchain.pinned_parts().values()
        for pin in part.files
        if pin.maven
    }
    versions = catalog["versions"]
    assert pinned["org.jetbrains.kotlin:kotlin-compiler-embeddable"] == versions["kotlin"]
    assert pinned["org.robolectric:robolectric"] == versions["robolectric"]
    assert pinned["junit:junit"] == versions["junit"]
    assert pinned["com.microsoft.onnxruntime:onnxruntime"] == versions["onnxruntime"]
    names = {pin.file_name for pin in toolchain.pinned_parts()["onnxruntime-android"].files}
    assert f"onnxruntime-android-{versions['onnxruntime']}.aar" in names


def test_the_apk_build_reads_the_same_levels_and_names(catalog: dict[str, Any]) -> None:
    demo = android_project.read(DEMO)
    versions = catalog["versions"]
    assert (demo.min_sdk, demo.target_sdk) == (24, 36)
    assert int(versions["androidCompileSdk"]) >= demo.target_sdk
    assert demo.application_id == demo.namespace == "dev.mobiledeploy.demo"
    text = script("app/build.gradle.kts")
    for level in ("compileSdk", "minSdk", "targetSdk"):
        key = f"android{level[0].upper()}{level[1:]}"
        assert f"{level} {{ version = release(libs.versions.{key}.get().toInt()) }}" in text


def test_the_manifest_leaves_levels_and_package_to_the_build() -> None:
    root = ET.parse(DEMO / "app/src/main/AndroidManifest.xml").getroot()
    assert "package" not in root.attrib
    assert root.find("uses-sdk") is None
    named = [
        node.get(f"{ANDROID}name", "")
        for node in root.iter()
        if node.tag in {"activity", "instrumentation"}
    ]
    namespace = android_project.read(DEMO).namespace
    for name in named:
        source = DEMO / "app/src/main/kotlin" / (name.replace(".", "/") + ".kt")
        assert name.startswith(namespace)
        assert source.is_file(), name
    instrumentation = root.find("instrumentation")
    assert instrumentation is not None
    assert (
        instrumentation.get(f"{ANDROID}targetPackage") == android_project.read(DEMO).application_id
    )


def test_no_manifest_asks_for_more_than_the_camera() -> None:
    manifests = sorted((DEMO / "app/src").glob("*/AndroidManifest.xml"))
    assert len(manifests) == 3
    remove = "{http://schemas.android.com/tools}node"
    for path in manifests:
        for node in ET.parse(path).getroot().iter("uses-permission"):
            wanted = node.get(f"{ANDROID}name") == "android.permission.CAMERA"
            assert wanted or node.get(remove) == "remove", path


def test_models_are_stored_and_not_deflated() -> None:
    match = re.search(r"noCompress \+= listOf\(([^)]*)\)", script("app/build.gradle.kts"))
    assert match
    assert re.findall(r'"(\w+)"', match[1]) == ["tflite", "onnx", "npz"]


def test_flavours_are_those_of_the_apk_build() -> None:
    text = script("app/build.gradle.kts")
    flavours = re.findall(r'create\("(\w+)"\) \{ dimension', text)
    assert set(flavours) == set(android_project.SOURCE_SETS)
    for flavour, sets in android_project.SOURCE_SETS.items():
        assert sets == ("main", flavour)  # what Gradle takes by itself
        for name in sets:
            assert list((DEMO / "app/src" / name / "kotlin").rglob("*.kt")), name
    assert "sourceSets" not in text


def test_the_library_stands_alone_and_agrees_with_the_catalog(catalog: dict[str, Any]) -> None:
    text = script(LIBRARY)
    assert "libs." not in text
    assert "project(" not in text
    versions = catalog["versions"]
    for level in ("compileSdk", "minSdk"):
        key = f"android{level[0].upper()}{level[1:]}"
        assert re.findall(rf"\b{level} = (\d+)$", text, re.MULTILINE) == [versions[key]]
    assert set(re.findall(r"VERSION_(\d+)", text)) == {versions["jvmTarget"]}
    dependencies = dict(re.findall(r'(\w+)\("([\w.-]+:[\w-]+):[\w.]+"\)', text))
    assert dependencies["testImplementation"] == "junit:junit"
    named = dict(re.findall(r'\("([\w.-]+:[\w-]+):([\w.]+)"\)', text))
    assert named == {
        entry["module"]: versions[entry["version"]["ref"]]
        for name, entry in catalog["libraries"].items()
        if name != "robolectric"
    }
    # An app brings the runtime of its choice.
    assert len(re.findall(r"^ +compileOnly\(", text, re.MULTILINE)) == 2
    assert re.findall(r'consumerProguardFiles\("(.*)"\)', text) == ["consumer-rules.pro"]
    assert (DEMO / "library/consumer-rules.pro").is_file()
    assert set(re.findall(r'id\("([\w.]+)"\)', text)) <= {
        entry["id"] for entry in catalog["plugins"].values()
    }


def test_the_library_removes_what_onnx_runtime_asks_for_and_nothing_else() -> None:
    """`tools:selector` limits a removal: an app's other libraries keep their permissions."""
    tools = "{http://schemas.android.com/tools}"
    root = ET.parse(DEMO / "library/src/main/AndroidManifest.xml").getroot()
    nodes = [*root.iter("uses-permission"), *root.iter("provider")]
    assert {node.get(f"{ANDROID}name") for node in nodes} == {
        "android.permission.INTERNET",
        "android.permission.ACCESS_NETWORK_STATE",
        "ai.onnxruntime.TelemetryInitializer",
    }
    for node in nodes:
        assert node.get(f"{tools}node") == "remove"
        assert node.get(f"{tools}selector") == "ai.onnxruntime"


def test_each_flavour_gets_the_libraries_of_its_engines() -> None:
    text = script("app/build.gradle.kts")
    pairs = re.findall(r'"(\w+)Implementation"\(libs\.([\w.]+)\)', text)
    assert sorted(pairs) == [
        ("both", "litert"),
        ("both", "onnxruntime.android"),
        ("onnx", "onnxruntime.android"),
        ("tflite", "litert"),
    ]


def test_repositories_are_named_once_and_hold_what_is_needed() -> None:
    text = script("settings.gradle.kts")
    assert "RepositoriesMode.FAIL_ON_PROJECT_REPOS" in text
    resolution = text[text.index("dependencyResolutionManagement") :]
    for repository in (
        "google()",
        "mavenCentral()",
    ):  # LiteRT and the plug-in; ONNX Runtime, Kotlin
        assert text.count(repository) == 2
        assert repository in resolution
    assert set(re.findall(r'include\(":(\w+)"\)', text)) == {"app", "library"}


def test_the_wrapper_is_pinned_by_its_digest() -> None:
    text = (DEMO / "gradle/wrapper/gradle-wrapper.properties").read_text(encoding="utf-8")
    entries = dict(line.split("=", 1) for line in text.splitlines())
    version = re.search(r"gradle-([\d.]+)-bin\.zip$", entries["distributionUrl"])
    assert version
    assert _numbers(version[1]) >= (9, 3, 1)  # what version 9.1 of the Android plug-in needs
    assert re.fullmatch(r"[0-9a-f]{64}", entries["distributionSha256Sum"])
    assert entries["validateDistributionUrl"] == "true"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
