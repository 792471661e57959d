"""Make a signed APK of an Android project without Gradle.

The steps: compile, shrink, link, package, sign. Then the finished file is read and compared with
what it was made from. Equal inputs, tools and an RSA key give equal bytes.
"""

import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from mobiledeploy.base import files
from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.deploy import (
    android_project,
    app_runtimes,
    check_apk,
    compile_app,
    output_names,
    signing,
    toolchain,
    zips,
)
from mobiledeploy.deploy import jdk as jdks
from mobiledeploy.deploy.aar import Aar
from mobiledeploy.deploy.android_project import Flavour
from mobiledeploy.deploy.app_runtimes import AppRuntime
from mobiledeploy.deploy.check_apk import ASSETS, STORED, ApkContents
from mobiledeploy.deploy.native_libraries import MACHINES, PAGE
from mobiledeploy.deploy.signing import Scheme, SigningKey
from mobiledeploy.deploy.zips import NewEntry
from mobiledeploy.spec.results import File

WORD: Final = 4
"""Alignment of stored entries in bytes, so that they can be read in place."""
_STAGE: Final = "apk"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ApkOptions:
    """How to make an APK.

    Attributes:
        engine: The flavour of the app: which runtimes it carries.
        abis: Processors that it runs on, by Android's names.
        litert: The user's AARs of LiteRT; if empty, the pinned TensorFlow Lite is used.
        allow_4kb_pages: Whether libraries may be aligned for pages of 4 KB only.
        key: The key that signs it; None for this machine's debug key.
    """

    engine: Flavour = "onnx"
    abis: tuple[str, ...] = ("arm64-v8a",)
    litert: tuple[Path, ...] = ()
    allow_4kb_pages: bool = False
    key: SigningKey | None = None

    def __post_init__(self) -> None:
        unknown = [abi for abi in self.abis if abi not in MACHINES]
        if unknown or not self.abis or len(set(self.abis)) != len(self.abis):
            raise RequestError(
                f"expected different ABIs among {', '.join(MACHINES)}, "
                f"received {', '.join(self.abis) or 'none'}",
                hint="name each processor once: `--abi arm64-v8a --abi x86_64`",
            )
        if self.litert and self.engine == "onnx":
            raise RequestError(
                "`--litert-aar` needs an app with LiteRT, received `--engine onnx`",
                hint="add `--engine tflite` or `--engine both`",
            )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Apk:
    """An APK that was made and checked.

    Attributes:
        path: The file.
        size: Bytes of the file.
        sha256: Hexadecimal digest of the bytes.
        application_id: The id by which a phone knows the app.
        version_name: The version that people see.
        min_sdk: Oldest API level that it runs on.
        target_sdk: API level that it was made for.
        runtimes: The runtimes that it carries.
        abis: Processors that it runs on.
        page_size: Bytes of the memory pages that its libraries are aligned for.
        classes: Number of classes that are left after shrinking.
        schemes: Schemes of its signature.
        certificate: SHA-256 of the signer's certificate, hexadecimal.
        debug_key: Whether it is signed by this machine's debug key.
    """

    path: str
    size: int
    sha256: str
    application_id: str
    version_name: str
    min_sdk: int
    target_sdk: int
    runtimes: tuple[AppRuntime, ...]
    abis: tuple[str, ...]
    page_size: int
    classes: int
    schemes: tuple[Scheme, ...]
    certificate: str
    debug_key: bool


def build(
    app: Path,
    assets: Path,
    carried: Sequence[File],
    out: Path,
    options: ApkOptions,
    *,
    cache: Path | None = None,
    progress: Progress = silent,
) -> Apk:
    """Make a signed APK of a project that carries a build.

    Args:
        app: The Android project.
        assets: Folder of the files that the app carries.
        carried: Those files; each is checked.
        out: The APK; an earlier one is replaced once the new one has passed its checks.
        options: How to make it.
        cache: Folder of the toolchain and the debug key; by default the user's cache folder.
        progress: Called with what is being done.

    Raises:
        RequestError: `out` is a folder, or an existing file that is no APK.
        MissingDependencyError: The JDK, Maven or npm is missing.
        DownloadError: A tool cannot be downloaded.
        BundleError: The project, a library or the key cannot be used.
        CorruptFileError: A file of the build, the cache or an AAR is damaged.
        StorageError: The APK or temporary files cannot be written.
    """
    output_names.check(out, "APK")
    # Writing to `out` is tried first: the APK takes a minute to make.
    with files.storage_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    files.check_writable(out.parent)
    project = android_project.read(app)
    jdk = jdks.installed()
    tools = toolchain.fetch(
        "apk",
        # The project's library is compiled against both runtimes, whichever the app carries.
        *app_runtimes.parts("both", own_litert=bool(options.litert)),
        cache=cache,
        progress=progress,
        stage=_STAGE,
    )
    libraries = app_runtimes.libraries(
        options.engine, litert=options.litert, abis=options.abis, toolchain=tools
    )
    others = app_runtimes.others(options.engine, toolchain=tools)
    page = app_runtimes.page_size(libraries, allow_4kb=options.allow_4kb_pages)
    key = options.key or signing.debug_key(jdk, cache=cache)
    with (
        files.storage_errors(Path(tempfile.gettempdir())),
        tempfile.TemporaryDirectory(prefix="mobiledeploy-apk-") as made,
    ):
        work = Path(made)
        compiled = compile_app.compile_app(
            project, options.engine, libraries, others, work,
            jdk=jdk, toolchain=tools, progress=progress, stage=_STAGE,
        )  # fmt: skip
        progress(Event(_STAGE, "packaging and signing"))
        unsigned, signed = work / "unsigned.zip", work / out.name
        content = [
            *_from_linked(compiled.linked),
            *_classes(compiled.dex),
            *_natives(libraries),
            *_assets(assets, carried),
        ]
        zips.write(unsigned, sorted(content, key=lambda entry: entry.name))
        sdk = project.min_sdk
        signing.sign(unsigned, signed, key, min_sdk=sdk, jdk=jdk, toolchain=tools)
        progress(Event(_STAGE, "checking the APK"))
        contents = check_apk.check(
            signed,
            project=project,
            flavour=options.engine,
            abis=options.abis,
            assets=carried,
            page=page,
            jdk=jdk,
            toolchain=tools,
        )
        data = signed.read_bytes()
    files.write_atomic(out, data)
    return _describe(out, contents, options, page)


def _from_linked(linked: Path) -> Iterator[NewEntry]:
    """Yield manifest, resource table and resources; what aapt2 left uncompressed stays so."""
    entries = zips.entries(linked)
    content = zips.read(linked, (entry.name for entry in entries))
    for entry in entries:
        alignment = WORD if entry.stored else None
        yield NewEntry(name=entry.name, data=content[entry.name], alignment=alignment)


def _classes(dex: Sequence[Path]) -> Iterator[NewEntry]:
    for path in dex:
        yield NewEntry(name=path.name, data=path.read_bytes(), alignment=None)


def _natives(libraries: tuple[Aar, ...]) -> Iterator[NewEntry]:
    """Yield the native libraries, uncompressed at whole pages, so that they can be mapped."""
    for library in libraries:
        for (abi, name), data in library.libraries.items():
            yield NewEntry(name=f"lib/{abi}/{name}", data=data, alignment=PAGE)


def _assets(folder: Path, carried: Sequence[File]) -> Iterator[NewEntry]:
    for file in carried:
        data = file.check(folder).read_bytes()
        alignment = WORD if file.path.endswith(STORED) else None
        yield NewEntry(name=ASSETS + file.path, data=data, alignment=alignment)


def _describe(out: Path, contents: ApkContents, options: ApkOptions, page: int) -> Apk:
    file = File.of(out.parent, out)
    return Apk(
        path=out.as_posix(),
        size=file.size,
        sha256=file.sha256,
        application_id=contents.manifest.application_id,
        version_name=contents.manifest.version_name,
        min_sdk=contents.manifest.min_sdk,
        target_sdk=contents.manifest.target_sdk,
        runtimes=app_runtimes.RUNTIMES[options.engine],
        abis=contents.manifest.abis,
        page_size=page,
        classes=len(contents.classes),
        schemes=contents.signature.schemes,
        certificate=contents.signature.certificate,
        debug_key=options.key is None,
    )
