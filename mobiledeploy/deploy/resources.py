"""Resources and manifest: from XML to what a phone reads, by `aapt2`."""

import dataclasses
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Final

from mobiledeploy.base import programs
from mobiledeploy.base.errors import BundleError
from mobiledeploy.deploy.project import Engine, Project
from mobiledeploy.deploy.toolchain import Toolchain

ANDROID: Final = "http://schemas.android.com/apk/res/android"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """What linking gave.

    Attributes:
        apk: A ZIP with the binary manifest, resource table and resources.
        java: The source of the class `R`.
        rules: What R8 must keep because manifest or layouts name it.
    """

    apk: Path
    java: tuple[Path, ...]
    rules: Path


def link(project: Project, engine: Engine, work: Path, toolchain: Toolchain) -> Linked:
    """Compile and link an app's resources with its manifest.

    Args:
        project: Whose.
        engine: The flavour, whose resources count too.
        work: An empty folder for what comes out.
        toolchain: Holds `aapt2` and the framework's resources.

    Raises:
        BundleError: The manifest or a resource is wrong.
    """
    aapt2 = toolchain.file("aapt2", "aapt2")
    manifest = work / "AndroidManifest.xml"
    manifest.write_bytes(merged_manifest(project))
    compiled: list[Path] = []
    for number, folder in enumerate(project.resources(engine)):
        compiled.append(work / f"res{number}.zip")
        programs.run(
            aapt2, "compile", "--dir", folder, "-o", compiled[-1],
            failed=BundleError, what=f"compilation of {folder}",
        )  # fmt: skip
    linked = Linked(apk=work / "linked.apk", java=(), rules=work / "aapt2.pro")
    overlays = tuple(word for path in compiled[1:] for word in ("-R", path))
    programs.run(
        aapt2, "link", "-I", toolchain.file("aapt2", "android-framework.jar"),
        "--manifest", manifest, "--java", work / "java", "--custom-package", project.namespace,
        "--min-sdk-version", str(project.min_sdk),
        "--target-sdk-version", str(project.target_sdk),
        "--version-code", str(project.version_code), "--version-name", project.version_name,
        "--proguard", linked.rules, "-o", linked.apk, "--auto-add-overlay", *overlays,
        *compiled[:1], failed=BundleError, what="linking of the resources",
    )  # fmt: skip
    return dataclasses.replace(linked, java=tuple(sorted((work / "java").rglob("*.java"))))


def merged_manifest(project: Project) -> bytes:
    """Return the source manifest with what Gradle's plug-in would add to it.

    Raises:
        BundleError: It is no manifest.
    """
    ET.register_namespace("android", ANDROID)
    try:
        root = ET.fromstring(project.manifest.read_bytes())  # noqa: S314  the project's own file
    except ET.ParseError as error:
        raise BundleError(f"{project.manifest} is no XML: {error}") from error
    application = root.find("application")
    if root.tag != "manifest" or application is None:
        raise BundleError(f"{project.manifest}: expected a manifest with an application")
    root.set("package", project.application_id)
    # Libraries are mapped from the APK, where they lie stored and aligned, and not unpacked.
    application.set(f"{{{ANDROID}}}extractNativeLibs", "false")
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text
