"""From an Android project that holds a build to a signed APK, without Gradle.

Compile, shrink, link, package, sign; then the APK is read again and held against what it was made
from. Equal inputs, tools and an RSA key give equal bytes.
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
    check_apk,
    compile_app,
    engines,
    project,
    signing,
    toolchain,
    zips,
)
from mobiledeploy.deploy import jdk as jdks
from mobiledeploy.deploy.aar import Aar
from mobiledeploy.deploy.check_apk import ASSETS, STORED, Findings
from mobiledeploy.deploy.elf import MACHINES
from mobiledeploy.deploy.engines import Runtime
from mobiledeploy.deploy.pages import PAGE
from mobiledeploy.deploy.project import Engine
from mobiledeploy.deploy.signing import Key, Scheme
from mobiledeploy.deploy.zips import NewEntry
from mobiledeploy.spec.results import File

WORD: Final = 4
"""Bytes that stored entries are aligned to, so that they can be read in place."""
_STAGE: Final = "apk"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is wanted of an APK.

    Attributes:
        engine: The runtimes in it.
        abis: Processors that it runs on, by Android's names.
        litert: The user's AARs of LiteRT; none takes the pinned TensorFlow Lite.
        allow_4kb_pages: Whether libraries may be aligned for pages of 4 KB only.
        key: Signs it; None takes this machine's debug key.
    """

    engine: Engine = "onnx"
    abis: tuple[str, ...] = ("arm64-v8a",)
    litert: tuple[Path, ...] = ()
    allow_4kb_pages: bool = False
    key: Key | None = None

    def __post_init__(self) -> None:
        unknown = [abi for abi in self.abis if abi not in MACHINES]
        if unknown or not self.abis or len(set(self.abis)) != len(self.abis):
            raise RequestError(
                f"expected different ABIs among {', '.join(MACHINES)}, "
                f"received {', '.join(self.abis) or 'none'}"
            )
        if self.litert and self.engine == "onnx":
            raise RequestError(
                "`--litert-aar` goes with an app that has LiteRT",
                hint="add `--engine tflite` or `--engine both`",
            )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Apk:
    """An APK that was made and checked.

    Attributes:
        path: Where it is.
        size: Bytes.
        sha256: Hexadecimal digest of the bytes.
        application_id: By which a phone knows the app.
        version_name: What people see.
        min_sdk: Oldest API level that it runs on.
        target_sdk: API level that it was made for.
        runtimes: That it carries.
        abis: Processors that it runs on.
        page_size: Bytes of a memory page that its libraries are aligned to.
        classes: How many are left after shrinking.
        schemes: Of its signature.
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
    runtimes: tuple[Runtime, ...]
    abis: tuple[str, ...]
    page_size: int
    classes: int
    schemes: tuple[Scheme, ...]
    certificate: str
    debug_key: bool


def build(
    app: Path,
    assets: Path,
    held: Sequence[File],
    out: Path,
    options: Options,
    *,
    cache: Path | None = None,
    progress: Progress = silent,
) -> Apk:
    """Make a signed APK.

    Args:
        app: The Android project.
        assets: Folder of the files that the app carries.
        held: Those files; each is checked.
        out: Where the APK goes; an earlier one is replaced when the new one holds.
        options: What is wanted of it.
        cache: Of the toolchain and the debug key; by default the user's.
        progress: Told what is being done.

    Raises:
        RequestError: `out` is a folder.
        MissingDependencyError: The JDK, Maven or npm is missing.
        DownloadError: A tool cannot be had.
        BundleError: The project, a library or the key does not fit.
        CorruptFileError: A file of the build, the cache or an AAR is damaged.
        StorageError: The APK or temporary files cannot be written.
    """
    if out.is_dir():
        raise RequestError(f"{out} is a folder, expected the name of an APK")
    # Before a minute of work, not after it.
    with files.storage_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out.parent).close()
    described = project.read(app)
    jdk = jdks.installed()
    tools = toolchain.fetch(
        "apk",
        *engines.parts(options.engine, own_litert=bool(options.litert)),
        cache=cache,
        progress=progress,
        stage=_STAGE,
    )
    libraries = engines.libraries(
        options.engine, litert=options.litert, abis=options.abis, toolchain=tools
    )
    page = engines.page_size(libraries, allow_4kb=options.allow_4kb_pages)
    key = options.key or signing.debug_key(jdk, cache=cache)
    with (
        files.storage_errors(Path(tempfile.gettempdir())),
        tempfile.TemporaryDirectory(prefix="mobiledeploy-apk-") as made,
    ):
        work = Path(made)
        compiled = compile_app.compile_app(
            described, options.engine, libraries, work,
            jdk=jdk, toolchain=tools, progress=progress, stage=_STAGE,
        )  # fmt: skip
        progress(Event(_STAGE, "packaging and signing"))
        unsigned, signed = work / "unsigned.zip", work / out.name
        content = [
            *_from_linked(compiled.linked),
            *_classes(compiled.dex),
            *_natives(libraries),
            *_assets(assets, held),
        ]
        zips.write(unsigned, sorted(content, key=lambda entry: entry.name))
        sdk = described.min_sdk
        signing.sign(unsigned, signed, key, min_sdk=sdk, jdk=jdk, toolchain=tools)
        progress(Event(_STAGE, "checking the APK"))
        found = check_apk.check(
            signed,
            project=described,
            engine=options.engine,
            abis=options.abis,
            assets=held,
            page=page,
            jdk=jdk,
            toolchain=tools,
        )
        data = signed.read_bytes()
    files.write_atomic(out, data)
    return _describe(out, found, options, page)


def _from_linked(linked: Path) -> Iterator[NewEntry]:
    """Give manifest, resource table and resources; what aapt2 stored stays stored."""
    entries = zips.entries(linked)
    content = zips.read(linked, (entry.name for entry in entries))
    for entry in entries:
        alignment = WORD if entry.stored else None
        yield NewEntry(name=entry.name, data=content[entry.name], alignment=alignment)


def _classes(dex: Sequence[Path]) -> Iterator[NewEntry]:
    for path in dex:
        yield NewEntry(name=path.name, data=path.read_bytes(), alignment=None)


def _natives(libraries: tuple[Aar, ...]) -> Iterator[NewEntry]:
    """Give the native libraries: stored at whole pages, to be mapped from the APK."""
    for library in libraries:
        for (abi, name), data in library.libraries.items():
            yield NewEntry(name=f"lib/{abi}/{name}", data=data, alignment=PAGE)


def _assets(folder: Path, held: Sequence[File]) -> Iterator[NewEntry]:
    for file in held:
        data = file.check(folder).read_bytes()
        alignment = WORD if file.path.endswith(STORED) else None
        yield NewEntry(name=ASSETS + file.path, data=data, alignment=alignment)


def _describe(out: Path, found: Findings, options: Options, page: int) -> Apk:
    file = File.of(out.parent, out)
    return Apk(
        path=out.as_posix(),
        size=file.size,
        sha256=file.sha256,
        application_id=found.badging.application_id,
        version_name=found.badging.version_name,
        min_sdk=found.badging.min_sdk,
        target_sdk=found.badging.target_sdk,
        runtimes=engines.RUNTIMES[options.engine],
        abis=found.badging.abis,
        page_size=page,
        classes=len(found.classes),
        schemes=found.signature.schemes,
        certificate=found.signature.certificate,
        debug_key=options.key is None,
    )
