"""Make an Android library (`.aar`) of the module `library` in `android_demo`, without Gradle.

Equal inputs and tools give equal bytes. The finished file is read and compared with what it was
made from.
"""

import dataclasses
import io
import tempfile
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mobiledeploy.base import files
from mobiledeploy.base.errors import BundleError
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.deploy import aar as aars
from mobiledeploy.deploy import (
    android_project,
    app_runtimes,
    compile_app,
    demo_project,
    output_names,
    toolchain,
    zips,
)
from mobiledeploy.deploy import jdk as jdks
from mobiledeploy.deploy.android_project import LIBRARY_MANIFEST, LIBRARY_RULES, AndroidLibrary
from mobiledeploy.deploy.check_apk import ASSETS
from mobiledeploy.deploy.zips import NewEntry
from mobiledeploy.spec.results import File

ENTRY: Final = "dev.mobiledeploy.android.MobileDeploy"
"""The class that apps begin with."""
_TOOLS: Final = "http://schemas.android.com/tools"
_STAGE: Final = "library"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """An AAR that was made and checked.

    Attributes:
        path: The file.
        size: Bytes of the file.
        sha256: Hexadecimal digest of the bytes.
        namespace: The library's package in the manifest.
        min_sdk: Oldest API level that apps with it run on.
        classes: Number of its classes.
    """

    path: str
    size: int
    sha256: str
    namespace: str
    min_sdk: int
    classes: int


def build(
    out: Path,
    assets: Mapping[str, Path],
    *,
    cache: Path | None = None,
    progress: Progress = silent,
) -> Library:
    """Make an AAR of the library.

    Args:
        out: The AAR; an earlier one is replaced once the new one has passed its checks.
        assets: The files of a build that it carries, by name; none for a library without a model.
        cache: Folder of the toolchain; by default the user's cache folder.
        progress: Called with what is being done.

    Raises:
        RequestError: `out` is a folder, or an existing file that is no AAR.
        MissingDependencyError: The JDK, Maven or npm is missing.
        DownloadError: A tool cannot be downloaded.
        BundleError: The sources do not compile.
        CorruptFileError: A file of the cache is damaged.
        StorageError: The AAR or temporary files cannot be written.
    """
    output_names.check(out, "AAR")
    with files.storage_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    files.check_writable(out.parent)
    library = android_project.read_library(demo_project.folder())
    with (
        files.storage_errors(Path(tempfile.gettempdir())),
        tempfile.TemporaryDirectory(prefix="mobiledeploy-aar-") as made,
    ):
        work = Path(made)
        classes = _compiled(library, work, cache=cache, progress=progress)
        content = {
            "AndroidManifest.xml": manifest(library),
            "R.txt": b"",  # it has no resources
            "classes.jar": classes.read_bytes(),
            "proguard.txt": (library.root / LIBRARY_RULES).read_bytes(),
            **{ASSETS + name: path.read_bytes() for name, path in assets.items()},
        }
        packed = work / "library.aar"
        zips.write(
            packed,
            (NewEntry(name=name, data=content[name], alignment=None) for name in sorted(content)),
        )
        progress(Event(_STAGE, "checking the AAR"))
        names = check(packed, content)
        files.write_atomic(out, packed.read_bytes())
    file = File.of(out.parent, out)
    return Library(
        path=out.as_posix(),
        size=file.size,
        sha256=file.sha256,
        namespace=library.namespace,
        min_sdk=library.min_sdk,
        classes=len(names),
    )


def _compiled(
    library: AndroidLibrary, work: Path, *, cache: Path | None, progress: Progress
) -> Path:
    """Compile the library against both runtimes; return the jar of its classes."""
    jdk = jdks.installed()
    runtimes = app_runtimes.parts("both", own_litert=False)
    tools = toolchain.fetch(
        "kotlin", "android-15", *runtimes, cache=cache, progress=progress, stage=_STAGE
    )
    read = [aars.read(tools.file(part, ".aar"), abis=()) for part in runtimes]
    progress(Event(_STAGE, "compiling the library"))
    folder = work / "classes"
    folder.mkdir()
    compile_app.compile_kotlin(
        library.sources(), folder, module="library",
        class_path=(
            *compile_app.write_classes(read, work, "runtime"),
            *tools.jars("kotlin-stdlib", "android-15"),
        ),
        jvm_target=library.jvm_target, jdk=jdk, toolchain=tools, explicit_api=True,
    )  # fmt: skip
    return compile_app.pack_classes(folder)


def manifest(library: AndroidLibrary) -> bytes:
    """Return the library's manifest with what Gradle's plug-in would add to it."""
    ET.register_namespace("android", compile_app.ANDROID)
    ET.register_namespace("tools", _TOOLS)
    root = ET.fromstring((library.root / LIBRARY_MANIFEST).read_bytes())  # noqa: S314  our own file
    root.set("package", library.namespace)
    sdk = ET.Element("uses-sdk", {f"{{{compile_app.ANDROID}}}minSdkVersion": str(library.min_sdk)})
    sdk.tail = "\n\n    "
    root.insert(0, sdk)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def check(path: Path, content: Mapping[str, bytes]) -> tuple[str, ...]:
    """Check that an AAR holds what it was made from; return the names of its class files.

    Raises:
        BundleError: It holds something else, or a class of the library is missing.
        CorruptFileError: It is damaged.
    """
    held = zips.read(path, (entry.name for entry in zips.entries(path)))
    if held != dict(content):
        different = sorted(
            name for name in held.keys() | content.keys() if held.get(name) != content.get(name)
        )
        raise BundleError(f"{path.name}: {', '.join(different)} differ from what was packed")
    library = aars.read(path, abis=())
    if not library.has(ENTRY):
        raise BundleError(f"{path.name} lacks the class {ENTRY}")
    with zipfile.ZipFile(io.BytesIO(library.classes)) as jar:
        return tuple(name for name in jar.namelist() if name.endswith(".class"))
