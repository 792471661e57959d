"""Read an Android project's ids, versions and source folders from its Gradle files.

The APK build without Gradle reads them, so that there is one place to change an id, a version or
an SDK level.
"""

import dataclasses
import re
import tomllib
from pathlib import Path
from typing import Final, Literal, TypeAlias

from mobiledeploy.base.errors import BundleError

Flavour: TypeAlias = Literal["onnx", "tflite", "both"]
"""Gradle's product flavours of the app: the runtimes that it carries (`--engine`)."""

SCRIPT: Final = "app/build.gradle.kts"
CATALOG: Final = "gradle/libs.versions.toml"
MANIFEST: Final = "app/src/main/AndroidManifest.xml"
RULES: Final = "app/proguard-rules.pro"
LIBRARY_SCRIPT: Final = "library/build.gradle.kts"
LIBRARY_MANIFEST: Final = "library/src/main/AndroidManifest.xml"
LIBRARY_RULES: Final = "library/consumer-rules.pro"
SOURCE_SETS: Final[dict[Flavour, tuple[str, ...]]] = {
    "onnx": ("main", "onnx"),
    "tflite": ("main", "tflite"),
    "both": ("main", "both"),
}
"""The folders in `app/src` that make up a flavour."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AndroidProject:
    """An Android project with the modules `library` and `app`.

    Attributes:
        root: The project's folder.
        application_id: The id by which a phone knows the app.
        namespace: Package of the resource class `R`.
        version_code: A number that must grow from release to release.
        version_name: The version that people see.
        min_sdk: Oldest API level that the app runs on.
        target_sdk: API level that the app was made for.
        jvm_target: Java version of the class files.
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
        """The manifest as written in the project, without package and SDK levels."""
        return self.root / MANIFEST

    @property
    def rules(self) -> tuple[Path, ...]:
        """The keep rules for R8: the app's, and the library's for every app."""
        return (self.root / RULES, self.root / LIBRARY_RULES)

    def library_sources(self) -> tuple[Path, ...]:
        """Return the Kotlin files of `library`.

        Raises:
            BundleError: There are none.
        """
        return _sources(self.root / "library/src/main")

    def app_sources(self, flavour: Flavour) -> tuple[Path, ...]:
        """Return the Kotlin files of a flavour of `app`.

        Raises:
            BundleError: A folder of the flavour has none.
        """
        folders = (self.root / "app/src" / name for name in SOURCE_SETS[flavour])
        return tuple(path for folder in folders for path in _sources(folder))

    def resources(self, flavour: Flavour) -> tuple[Path, ...]:
        """Return the resource folders of a flavour; a later one overrides an earlier one."""
        folders = (self.root / "app/src" / name / "res" for name in SOURCE_SETS[flavour])
        return tuple(folder for folder in folders if folder.is_dir())


def read(root: Path) -> AndroidProject:
    """Read the Gradle files of a project.

    Raises:
        BundleError: It is not such a project, or a file lacks a value that is needed.
    """
    script, catalog = root / SCRIPT, root / CATALOG
    for needed in (SCRIPT, CATALOG, MANIFEST, RULES, LIBRARY_RULES):
        if not (root / needed).is_file():
            raise BundleError(
                f"{root} is not a project like `android_demo`: {needed} is missing",
                hint="name the project with `--app DIR`",
            )
    text = script.read_text(encoding="utf-8")
    versions = _versions(catalog)
    try:
        return AndroidProject(
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
        raise BundleError(
            f"{catalog}: expected versions of SDK and JVM, received {error}",
            hint="give androidMinSdk, androidTargetSdk and jvmTarget a number under [versions]",
        ) from error


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AndroidLibrary:
    """The module `library` of a project, which stands alone.

    Attributes:
        root: The project's folder.
        namespace: The library's package in its manifest.
        min_sdk: Oldest API level that apps with it run on.
        jvm_target: Java version of the class files.
    """

    root: Path
    namespace: str
    min_sdk: int
    jvm_target: str

    def sources(self) -> tuple[Path, ...]:
        """Return its Kotlin files.

        Raises:
            BundleError: There are none.
        """
        return _sources(self.root / "library/src/main")


def read_library(root: Path) -> AndroidLibrary:
    """Read the Gradle file of a project's module `library`.

    Raises:
        BundleError: There is none, or it lacks a value that is needed.
    """
    script = root / LIBRARY_SCRIPT
    if not script.is_file():
        raise BundleError(f"{root} has no {LIBRARY_SCRIPT}")
    text = script.read_text(encoding="utf-8")
    return AndroidLibrary(
        root=root,
        namespace=_setting(script, text, "namespace", r'"([A-Za-z][\w.]*)"'),
        min_sdk=int(_setting(script, text, "minSdk", r"(\d+)")),
        jvm_target=_setting(script, text, "targetCompatibility", r"JavaVersion\.VERSION_(\d+)"),
    )


def _versions(catalog: Path) -> dict[str, str]:
    try:
        versions: dict[str, str] = tomllib.loads(catalog.read_text(encoding="utf-8"))["versions"]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError) as error:
        raise BundleError(
            f"{catalog} is not a version catalog: {error}",
            hint="Gradle's documentation has its form: [versions] with one version a line",
        ) from error
    return versions


def _setting(script: Path, text: str, name: str, value: str) -> str:
    values = re.findall(rf"^\s*{name} = {value}\s*(?://.*)?$", text, re.MULTILINE)
    if len(values) != 1:
        raise BundleError(
            f"{script}: expected one line `{name} = …` with a plain value, received {len(values)}",
            hint="write it as in `android_demo`: a literal in a line of its own",
        )
    return str(values[0])


def _sources(folder: Path) -> tuple[Path, ...]:
    sources = tuple(sorted((folder / "kotlin").rglob("*.kt")))
    if not sources:
        raise BundleError(
            f"{folder / 'kotlin'} holds no Kotlin sources",
            hint="name a complete copy of `android_demo` with `--app DIR`",
        )
    return sources
