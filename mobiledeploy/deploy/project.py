"""What the Android project's own Gradle files say about the app.

The APK build without Gradle reads them, so that there is one place to change an id, a version or
an SDK level.
"""

import dataclasses
import re
import tomllib
from pathlib import Path
from typing import Final, Literal, TypeAlias

from mobiledeploy.base.errors import BundleError

Engine: TypeAlias = Literal["onnx", "tflite", "both"]

SCRIPT: Final = "app/build.gradle.kts"
CATALOG: Final = "gradle/libs.versions.toml"
MANIFEST: Final = "app/src/main/AndroidManifest.xml"
RULES: Final = "app/proguard-rules.pro"
SOURCE_SETS: Final[dict[Engine, tuple[str, ...]]] = {
    "onnx": ("main", "onnx", "onnxOnly"),
    "tflite": ("main", "tflite", "tfliteOnly"),
    "both": ("main", "tflite", "onnx", "both"),
}
"""Folders in `app/src` that a flavour is made from."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """An Android project with the modules `core` and `app`.

    Attributes:
        root: Its folder.
        application_id: By which a phone knows the app.
        namespace: Package of the resource class `R`.
        version_code: What must grow from release to release.
        version_name: What people see.
        min_sdk: Oldest API level that it runs on.
        target_sdk: API level that it was made for.
        jvm_target: Version of its class files.
    """

    root: Path
    application_id: str
    namespace: str
    version_code: int
    version_name: str
    min_sdk: int
    target_sdk: int
    jvm_target: str

    @property
    def manifest(self) -> Path:
        """The source manifest, without package and SDK levels."""
        return self.root / MANIFEST

    @property
    def rules(self) -> Path:
        """What R8 must keep."""
        return self.root / RULES

    def core_sources(self) -> tuple[Path, ...]:
        """Return the Kotlin files of `core`.

        Raises:
            BundleError: There are none.
        """
        return _sources(self.root / "core/src/main")

    def app_sources(self, engine: Engine) -> tuple[Path, ...]:
        """Return the Kotlin files of a flavour of `app`.

        Raises:
            BundleError: A folder of the flavour has none.
        """
        folders = (self.root / "app/src" / name for name in SOURCE_SETS[engine])
        return tuple(path for folder in folders for path in _sources(folder))

    def resources(self, engine: Engine) -> tuple[Path, ...]:
        """Return the resource folders of a flavour; a later one overrules an earlier one."""
        folders = (self.root / "app/src" / name / "res" for name in SOURCE_SETS[engine])
        return tuple(folder for folder in folders if folder.is_dir())


def read(root: Path) -> Project:
    """Return what the Gradle files of a project say.

    Raises:
        BundleError: It is no such project, or a file does not say what is expected.
    """
    script, catalog = root / SCRIPT, root / CATALOG
    for needed in (SCRIPT, CATALOG, MANIFEST, RULES):
        if not (root / needed).is_file():
            raise BundleError(
                f"{root} is no Android project of ours: {needed} is missing",
                hint="name the project with `--app DIR`",
            )
    text = script.read_text(encoding="utf-8")
    versions = _versions(catalog)
    try:
        return Project(
            root=root,
            application_id=_setting(script, text, "applicationId", r'"([A-Za-z][\w.]*)"'),
            namespace=_setting(script, text, "namespace", r'"([A-Za-z][\w.]*)"'),
            version_code=int(_setting(script, text, "versionCode", r"(\d+)")),
            version_name=_setting(script, text, "versionName", r'"([^"$]+)"'),
            min_sdk=int(versions["androidMinSdk"]),
            target_sdk=int(versions["androidTargetSdk"]),
            jvm_target=str(versions["jvmTarget"]),
        )
    except (KeyError, ValueError) as error:
        raise BundleError(f"{catalog}: expected versions of SDK and JVM: {error}") from error


def _versions(catalog: Path) -> dict[str, str]:
    try:
        versions: dict[str, str] = tomllib.loads(catalog.read_text(encoding="utf-8"))["versions"]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError) as error:
        raise BundleError(f"{catalog} is no version catalog: {error}") from error
    return versions


def _setting(script: Path, text: str, name: str, value: str) -> str:
    found = re.findall(rf"^\s*{name} = {value}\s*(?://.*)?$", text, re.MULTILINE)
    if len(found) != 1:
        raise BundleError(
            f"{script}: expected one line `{name} = …` with a plain value, found {len(found)}"
        )
    return str(found[0])


def _sources(folder: Path) -> tuple[Path, ...]:
    found = tuple(sorted((folder / "kotlin").rglob("*.kt")))
    if not found:
        raise BundleError(f"{folder / 'kotlin'} holds no Kotlin sources")
    return found
