"""Read an APK again, and hold it against what it was made from."""

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mobiledeploy.base.errors import BundleError
from mobiledeploy.deploy import badging, dex, pages, signing, zips
from mobiledeploy.deploy.badging import Badging
from mobiledeploy.deploy.engines import CLASSES, RUNTIMES
from mobiledeploy.deploy.jdk import Jdk
from mobiledeploy.deploy.project import Engine, Project
from mobiledeploy.deploy.signing import Signature
from mobiledeploy.deploy.toolchain import Toolchain
from mobiledeploy.spec.results import File

ASSETS: Final = "assets/mobiledeploy/"
STORED: Final = (".tflite", ".onnx", ".npz")
"""Assets that lie uncompressed, so that they can be mapped into memory."""
_TESTS: Final = ("junit.", "org.junit.", "org.hamcrest.", "org.robolectric.", "androidx.test.")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What is in an APK.

    Attributes:
        badging: What a phone reads in its manifest.
        signature: By whom it is signed.
        classes: The names in its DEX files.
    """

    badging: Badging
    signature: Signature
    classes: frozenset[str]


def check(
    apk: Path,
    *,
    project: Project,
    engine: Engine,
    abis: Sequence[str],
    assets: Sequence[File],
    page: int,
    jdk: Jdk,
    toolchain: Toolchain,
) -> Findings:
    """Return what is in an APK after holding it against what it was made from.

    Args:
        apk: A signed APK.
        project: Whose ids, version and SDK levels it must have.
        engine: Whose runtimes it must have, and no other.
        abis: For which it must have native libraries, and no other.
        assets: The build's files that it must hold.
        page: Bytes of a memory page that its libraries must be aligned to.
        jdk: Verifies the signature.
        toolchain: Holds the parts `apksig` and `aapt2`.

    Raises:
        BundleError: It is not what it should be.
        CorruptFileError: It is damaged.
    """
    signature = signing.verify(apk, min_sdk=project.min_sdk, jdk=jdk, toolchain=toolchain)
    check_assets(apk, assets)
    if problems := pages.problems(apk, page=page):
        raise BundleError(f"{apk.name}: {'; '.join(problems)}")
    told = badging.read(apk, toolchain)
    _check_badging(apk, told, project, abis)
    names = [entry.name for entry in zips.entries(apk) if entry.name.endswith(".dex")]
    content = zips.read(apk, names)
    classes = frozenset[str]().union(
        *(dex.class_names(content[name], where=f"{apk.name}: {name}") for name in names)
    )
    _check_classes(apk, classes, told, engine)
    return Findings(badging=told, signature=signature, classes=classes)


def check_assets(apk: Path, assets: Sequence[File]) -> None:
    """Hold an APK's assets against the build's files.

    Raises:
        BundleError: One is missing, was changed, or is compressed where it must not be.
        CorruptFileError: The APK is damaged.
    """
    held = {entry.name: entry for entry in zips.entries(apk)}
    for file in assets:
        name = ASSETS + file.path
        if name not in held:
            raise BundleError(f"{apk.name} holds no {name}")
        if name.endswith(STORED) and not held[name].stored:
            raise BundleError(
                f"{apk.name}: {name} is compressed, expected it stored: it could not be mapped",
                hint="keep `noCompress` for tflite, onnx and npz in app/build.gradle.kts",
            )
        found = hashlib.sha256(zips.read(apk, [name])[name]).hexdigest()
        if found != file.sha256:
            raise BundleError(
                f"{apk.name}: {name} has SHA-256 {found}, the build's has {file.sha256}",
                hint="bundle again: the APK was made from another build",
            )


def _check_badging(apk: Path, told: Badging, project: Project, abis: Sequence[str]) -> None:
    pairs = (
        ("application id", told.application_id, project.application_id),
        ("version code", told.version_code, project.version_code),
        ("version name", told.version_name, project.version_name),
        ("minimal SDK", told.min_sdk, project.min_sdk),
        ("target SDK", told.target_sdk, project.target_sdk),
        ("native libraries", sorted(told.abis), sorted(abis)),
    )
    for what, found, expected in pairs:
        if found != expected:
            raise BundleError(f"{apk.name}: expected {what} {expected}, found {found}")
    if told.permissions:
        raise BundleError(
            f"{apk.name} asks for {', '.join(told.permissions)}, expected no permission"
        )
    if not told.instrumentations:
        raise BundleError(f"{apk.name} has no self-test: its manifest names no instrumentation")


def _check_classes(apk: Path, classes: frozenset[str], told: Badging, engine: Engine) -> None:
    for name in (*told.activities, *told.instrumentations):
        if name not in classes:
            raise BundleError(
                f"{apk.name}: the manifest names {name}, which is not among its classes",
                hint="check the manifest's names and app/proguard-rules.pro",
            )
    for runtime, name in CLASSES.items():
        if (name in classes) != (runtime in RUNTIMES[engine]):
            there = "has" if name in classes else "lacks"
            raise BundleError(f"{apk.name} {there} {name}, which does not fit `--engine {engine}`")
    if tests := sorted(name for name in classes if name.startswith(_TESTS)):
        raise BundleError(f"{apk.name} holds classes of tests, such as {tests[0]}")
