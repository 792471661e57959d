"""Check that an APK holds the files that it was made from.

Manifest, classes, assets, native libraries and signature are read from the finished file. The
layout of a DEX file: source.android.com, "Dalvik executable format". The files are untrusted:
every offset is checked.
"""

import dataclasses
import hashlib
import re
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mobiledeploy.base import programs
from mobiledeploy.base.errors import BundleError, CorruptFileError
from mobiledeploy.deploy import native_libraries, signing, zips
from mobiledeploy.deploy.android_project import AndroidProject, Flavour
from mobiledeploy.deploy.app_runtimes import CLASSES, RUNTIMES
from mobiledeploy.deploy.jdk import Jdk
from mobiledeploy.deploy.signing import Signature
from mobiledeploy.deploy.toolchain import Toolchain
from mobiledeploy.spec.results import File

PERMISSIONS: Final = frozenset({"android.permission.CAMERA"})
"""What an app may ask for: the live picture needs the camera, and nothing needs the network."""
ASSETS: Final = "assets/mobiledeploy/"
"""Folder in an APK that holds a build's files."""
STORED: Final = (".tflite", ".onnx", ".npz")
"""Endings of the assets that are stored uncompressed, so that they can be mapped into memory."""
_TESTS: Final = ("junit.", "org.junit.", "org.hamcrest.", "org.robolectric.", "androidx.test.")
"""Packages of test libraries, which no APK may hold."""
_DEX_HEADER: Final = 0x70
_CLASS_DEF: Final = 32
_NAME: Final = re.compile(
    r'\s*A: http://schemas\.android\.com/apk/res/android:name\(\w+\)="(.*?)"'
)
_ELEMENT: Final = re.compile(r"\s*E: ([\w-]+) ")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ApkContents:
    """What a checked APK holds.

    Attributes:
        manifest: What a phone reads in its manifest.
        signature: The signer and the schemes of its signature.
        classes: Names of the classes in its DEX files.
    """

    manifest: "ApkManifest"
    signature: Signature
    classes: frozenset[str]


def check(
    apk: Path,
    *,
    project: AndroidProject,
    flavour: Flavour,
    abis: Sequence[str],
    assets: Sequence[File],
    page: int,
    jdk: Jdk,
    toolchain: Toolchain,
) -> ApkContents:
    """Compare an APK with the files it was made from; return what it holds.

    Args:
        apk: A signed APK.
        project: The project whose ids, version and SDK levels it must have.
        flavour: The flavour whose runtimes it must have, and no other.
        abis: The ABIs for which it must have native libraries, and no other.
        assets: The build's files that it must hold.
        page: Bytes of a memory page that its libraries must be aligned to.
        jdk: Verifies the signature.
        toolchain: Holds the parts `apksig` and `aapt2`.

    Raises:
        BundleError: It holds something else than it should.
        CorruptFileError: It is damaged.
    """
    signature = signing.verify(apk, min_sdk=project.min_sdk, jdk=jdk, toolchain=toolchain)
    check_assets(apk, assets)
    if problems := native_libraries.apk_problems(apk, page=page):
        raise BundleError(f"{apk.name}: {'; '.join(problems)}")
    manifest = read_manifest(apk, toolchain)
    _check_manifest(apk, manifest, project, abis)
    names = [entry.name for entry in zips.entries(apk) if entry.name.endswith(".dex")]
    content = zips.read(apk, names)
    classes = frozenset[str]().union(
        *(dex_class_names(content[name], where=f"{apk.name}: {name}") for name in names)
    )
    _check_classes(apk, classes, manifest, flavour)
    return ApkContents(manifest=manifest, signature=signature, classes=classes)


def check_assets(apk: Path, assets: Sequence[File]) -> None:
    """Check that an APK's assets are a build's files.

    Raises:
        BundleError: One is missing, was changed, or is compressed where it must not be.
        CorruptFileError: The APK is damaged.
    """
    stored = {entry.name: entry for entry in zips.entries(apk)}
    for file in assets:
        name = ASSETS + file.path
        if name not in stored:
            raise BundleError(
                f"{apk.name} holds no {name}",
                hint="run `mobiledeploy bundle --apk` again: the APK was made without this build",
            )
        if name.endswith(STORED) and not stored[name].stored:
            raise BundleError(
                f"{apk.name}: {name} is compressed, expected it stored, so that it can be mapped",
                hint="keep `noCompress` for tflite, onnx and npz in app/build.gradle.kts",
            )
        digest = hashlib.sha256(zips.read(apk, [name])[name]).hexdigest()
        if digest != file.sha256:
            raise BundleError(
                f"{apk.name}: {name} has SHA-256 {digest}, the build's has {file.sha256}",
                hint="bundle again: the APK was made from another build",
            )


def _check_manifest(
    apk: Path, manifest: "ApkManifest", project: AndroidProject, abis: Sequence[str]
) -> None:
    pairs = (
        ("application id", manifest.application_id, project.application_id),
        ("version code", manifest.version_code, project.version_code),
        ("version name", manifest.version_name, project.version_name),
        ("minimum SDK", manifest.min_sdk, project.min_sdk),
        ("target SDK", manifest.target_sdk, project.target_sdk),
        ("native libraries", sorted(manifest.abis), sorted(abis)),
    )
    for what, received, expected in pairs:
        if received != expected:
            raise BundleError(f"{apk.name}: expected {what} {expected}, received {received}")
    others = sorted(set(manifest.permissions) - PERMISSIONS)
    if others:
        raise BundleError(
            f"{apk.name} asks for {', '.join(others)}, expected no permission but the camera's",
            hint="remove `uses-permission` from the manifests of the app and its libraries",
        )
    if not manifest.instrumentations:
        raise BundleError(
            f"{apk.name} has no self-test: its manifest names no instrumentation",
            hint="keep the instrumentation `.SelfTest` in AndroidManifest.xml",
        )


def _check_classes(
    apk: Path, classes: frozenset[str], manifest: "ApkManifest", flavour: Flavour
) -> None:
    for name in (*manifest.activities, *manifest.instrumentations):
        if name not in classes:
            raise BundleError(
                f"{apk.name}: the manifest names {name}, which is not among its classes",
                hint="check the manifest's names and app/proguard-rules.pro",
            )
    for runtime, name in CLASSES.items():
        if (name in classes) != (runtime in RUNTIMES[flavour]):
            verb = "has" if name in classes else "lacks"
            raise BundleError(f"{apk.name} {verb} {name}, which does not fit `--engine {flavour}`")
    if tests := sorted(name for name in classes if name.startswith(_TESTS)):
        raise BundleError(
            f"{apk.name} holds classes of tests, such as {tests[0]}",
            hint="move test sources out of `src/main` and of the flavours' folders",
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ApkManifest:
    """What a phone reads in an APK's manifest, as `aapt2 dump badging` prints it.

    Attributes:
        application_id: The id by which a phone knows the app.
        version_code: A number that must grow from release to release.
        version_name: The version that people see.
        min_sdk: Oldest API level that the app runs on.
        target_sdk: API level that the app was made for.
        abis: The ABIs for which it has native libraries.
        permissions: The permissions that it asks for.
        activities: Classes of its screens; the launcher starts the first.
        instrumentations: Classes that `am instrument` can start.
    """

    application_id: str
    version_code: int
    version_name: str
    min_sdk: int
    target_sdk: int
    abis: tuple[str, ...]
    permissions: tuple[str, ...]
    activities: tuple[str, ...]
    instrumentations: tuple[str, ...]


def read_manifest(apk: Path, toolchain: Toolchain) -> ApkManifest:
    """Read an APK's manifest by `aapt2`.

    Raises:
        BundleError: `aapt2` cannot read it, or a value that is needed is missing.
    """
    aapt2, what = toolchain.file("aapt2", "aapt2"), f"reading of {apk.name}"
    printed = programs.run(aapt2, "dump", "badging", apk, failed=BundleError, what=what)
    tree = programs.run(
        aapt2, "dump", "xmltree", "--file", "AndroidManifest.xml", apk,
        failed=BundleError, what=what,
    )  # fmt: skip
    launched = _all(printed, r"launchable-activity: name='([^']+)'")
    activities = _named(tree, "activity")
    if not launched or not set(launched) <= set(activities):
        raise BundleError(
            f"{apk.name}: expected an activity that the launcher starts, received none",
            hint="give an activity the category LAUNCHER in AndroidManifest.xml",
        )
    return ApkManifest(
        application_id=_one(printed, r"package: name='([^']+)'"),
        version_code=int(_one(printed, r"package: .* versionCode='(\d+)'")),
        version_name=_one(printed, r"package: .* versionName='([^']+)'"),
        min_sdk=int(_one(printed, r"(?:minSdk|sdk)Version:'(\d+)'")),
        target_sdk=int(_one(printed, r"targetSdkVersion:'(\d+)'")),
        abis=tuple(re.findall(r"'([^']+)'", "".join(_all(printed, r"native-code: (.*)")))),
        permissions=_all(printed, r"uses-permission[\w-]*: name='([^']+)'"),
        activities=(launched[0], *(name for name in activities if name != launched[0])),
        instrumentations=_named(tree, "instrumentation"),
    )


def _all(printed: str, pattern: str) -> tuple[str, ...]:
    return tuple(re.findall(rf"^{pattern}", printed, re.MULTILINE))


def _one(printed: str, pattern: str) -> str:
    values = _all(printed, pattern)
    if len(values) != 1:
        raise BundleError(
            f"expected one line like `{pattern}` from `aapt2 dump badging`, received {len(values)}"
        )
    return values[0]


def _named(tree: str, element: str) -> tuple[str, ...]:
    """Return the attribute `name` of each element of a kind in the manifest."""
    names, current = [], ""
    for line in tree.splitlines():
        if opened := _ELEMENT.match(line):
            current = opened[1]
        elif current == element and (name := _NAME.match(line)):
            names.append(name[1])
    return tuple(names)


def dex_class_names(data: bytes, *, where: str) -> frozenset[str]:
    """Return the names of the classes in a DEX file, such as `dev.mobiledeploy.demo.MainActivity`.

    Args:
        data: The whole file.
        where: Its name, for messages.

    Raises:
        CorruptFileError: It is not a DEX file, or an offset points outside it.
    """
    if len(data) < _DEX_HEADER or data[:4] != b"dex\n":
        raise CorruptFileError(f"{where} is not a DEX file")
    (size,) = struct.unpack_from("<I", data, 0x20)
    if size != len(data):
        raise CorruptFileError(f"{where}: the header gives {size:,} bytes, received {len(data):,}")
    strings, types, classes = (
        struct.unpack_from("<II", data, place) for place in (0x38, 0x40, 0x60)
    )
    try:
        return frozenset(
            _descriptor(data, strings, types, classes[1] + i * _CLASS_DEF)
            for i in range(classes[0])
        )
    except (struct.error, IndexError, UnicodeDecodeError, ValueError) as error:
        raise CorruptFileError(f"{where} is damaged: an offset points outside it") from error


def _descriptor(data: bytes, strings: tuple[int, ...], types: tuple[int, ...], place: int) -> str:
    (kind,) = struct.unpack_from("<I", data, place)
    if kind >= types[0]:
        raise ValueError
    (string,) = struct.unpack_from("<I", data, types[1] + 4 * kind)
    if string >= strings[0]:
        raise ValueError
    (start,) = struct.unpack_from("<I", data, strings[1] + 4 * string)
    while data[start] & 0x80:  # skips the length in UTF-16 units: 7 bits a byte
        start += 1
    text = data[start + 1 : data.index(0, start + 1)].decode("utf-8")
    if not (text.startswith("L") and text.endswith(";")):
        raise ValueError
    return text[1:-1].replace("/", ".")
