"""Put a build's files into the assets of an app or of a library, all of them or none."""

import contextlib
import dataclasses
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mobiledeploy.base import codec
from mobiledeploy.base.errors import BundleError, RequestError
from mobiledeploy.base.files import Name, storage_errors, user_path
from mobiledeploy.base.progress import Progress, silent
from mobiledeploy.deploy import additions, app_module, demo_project, output_names
from mobiledeploy.deploy import apk as apks
from mobiledeploy.deploy import library as libraries
from mobiledeploy.deploy.additions import Addition
from mobiledeploy.deploy.android_project import Flavour
from mobiledeploy.deploy.apk import Apk, ApkOptions
from mobiledeploy.deploy.app_module import AppModule, Kind
from mobiledeploy.deploy.app_runtimes import RUNTIMES, AppRuntime
from mobiledeploy.deploy.library import Library
from mobiledeploy.spec import manifest
from mobiledeploy.spec.contract import Contract, class_names
from mobiledeploy.spec.results import File
from mobiledeploy.verify.outputs import golden

FOLDER: Final = "mobiledeploy"
"""Folder of a build's files in the assets."""
MODELS: Final[dict[AppRuntime, str]] = {"tflite": "model.tflite", "onnx": "model.onnx"}
"""The model that each runtime reads."""
GOLDEN: Final = "golden.npz"
"""The golden vectors."""
CARRIED: Final = (*MODELS.values(), "labels.txt", "contract.json", GOLDEN)
"""The files of a build that an app carries."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Which files of a build an app or a library carries.

    Attributes:
        engine: The runtimes whose models it carries.
        golden: Whether it carries the golden vectors, which its self-test needs.
    """

    engine: Flavour = "both"
    golden: bool = True

    def names(self) -> tuple[str, ...]:
        """Return the names of the files."""
        left_out = {name for runtime, name in MODELS.items() if runtime not in self._runtimes}
        return tuple(
            name for name in CARRIED if name not in left_out and (self.golden or name != GOLDEN)
        )

    @property
    def _runtimes(self) -> tuple[AppRuntime, ...]:
        return RUNTIMES[self.engine]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """The project that a build was put into.

    Attributes:
        kind: What it is of.
        module: The application module's folder, relative to the project.
        additions: Lines that its own files lack.
    """

    kind: Kind
    module: str
    additions: tuple[Addition, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What was put into an Android project or a library.

    Attributes:
        folder: The folder of the assets; in a library, their path inside it.
        files: The files in it, with paths relative to `folder`.
        project: The project; None for a library.
        apk: The APK that was made of the project; None if none was asked for.
        library: The library that was made; None if none was asked for.
    """

    folder: str
    files: tuple[File, ...]
    project: Project | None = None
    apk: Apk | None = None
    library: Library | None = None


def bundle(
    build: Name,
    app: Name,
    *,
    module: str | None = None,
    contents: Contents | None = None,
    apk: Name | None = None,
    options: ApkOptions | None = None,
    progress: Progress = silent,
) -> Bundle:
    """Put a build's model, labels, contract and golden vectors into a project's assets.

    The earlier assets stay as they were until the new ones are complete, then one rename
    replaces them.

    Args:
        build: A build folder; its manifest is checked first.
        app: The root folder of an Android, Flutter or React Native project.
        module: Its application module, if it has several: `app` or `:features:app`.
        contents: Which files to carry; by default all.
        apk: Name of an APK to make of the project, which must be like `android_demo`; None makes
            none.
        options: How to make the APK; its engine's model must be among the contents.
        progress: Called with what is being done for the APK.

    Raises:
        RequestError: There is no such build or module, or `apk` is a folder or an existing file
            of another kind.
        CorruptFileError: The build is incomplete or was changed, or its models or labels are not
            those that its contract names.
        BundleError: `app` has no application module, or several and none is named, the labels do
            not fit the model, or no APK can be made of them.
        ParityError: All golden vectors have the same answer, so that they would prove nothing.
        MissingDependencyError: A tool that makes the APK is missing.
        DownloadError: A tool that makes the APK cannot be downloaded.
        StorageError: The assets or the APK cannot be written.
    """
    build, app = user_path(build), user_path(app)
    contents = contents or Contents()
    _check_apk(apk, options, contents)
    _check_build(build)
    target = app_module.find(app, module)
    _fill(target.assets, build, contents)
    return _described(target, contents, apk, options, progress)


def new_project(
    folder: Name,
    build: Name | None,
    *,
    contents: Contents | None = None,
    apk: Name | None = None,
    options: ApkOptions | None = None,
    progress: Progress = silent,
) -> Bundle:
    """Make a project of the demo app in a new folder, with a build in it.

    The folder appears when the project is complete. What is there already is never overwritten.

    Args:
        folder: A folder that does not exist, or is empty.
        build: As for `bundle`; None makes a project without a model.
        contents: As for `bundle`.
        apk: As for `bundle`.
        options: As for `bundle`.
        progress: As for `bundle`.

    Raises:
        RequestError: As for `bundle`, or `folder` is a file or holds something.
        CorruptFileError: As for `bundle`.
        BundleError: As for `bundle`.
        ParityError: As for `bundle`.
        MissingDependencyError: As for `bundle`.
        DownloadError: As for `bundle`.
        StorageError: The project or the APK cannot be written.
    """
    folder = user_path(folder)
    contents = contents or Contents()
    demo_project.check_new(folder)
    _check_apk(apk, options, contents)
    if build is not None:
        _check_build(user_path(build))
    with storage_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _staging(folder) as staging:
            demo_project.write(staging)
            if build is not None:
                _fill(app_module.find(staging).assets, user_path(build), contents)
            if folder.is_dir():  # empty, or this fails
                folder.rmdir()
            staging.rename(folder)
    return _described(app_module.find(folder), contents, apk, options, progress)


def library(
    out: Name,
    build: Name | None,
    *,
    contents: Contents | None = None,
    progress: Progress = silent,
) -> Bundle:
    """Make an Android library (`.aar`) with a build in it.

    Args:
        out: The AAR; an earlier one is replaced once the new one has passed its checks.
        build: As for `bundle`; None makes a library without a model, for apps that carry it.
        contents: As for `bundle`.
        progress: Called with what is being done.

    Raises:
        RequestError: There is no such build, or `out` is a folder or an existing file of another
            kind.
        CorruptFileError: As for `bundle`.
        BundleError: The labels do not fit the model, or the library does not compile.
        ParityError: As for `bundle`.
        MissingDependencyError: The JDK, Maven or npm is missing.
        DownloadError: A tool cannot be downloaded.
        StorageError: The AAR cannot be written.
    """
    out = user_path(out)
    output_names.check(out, "AAR")
    assets: dict[str, Path] = {}
    files: tuple[File, ...] = ()
    if build is not None:
        root = user_path(build)
        _check_build(root)
        assets = {name: root / name for name in (contents or Contents()).names()}
        files = tuple(File.of(root, path) for path in sorted(assets.values()))
    made = libraries.build(out, assets, progress=progress)
    return Bundle(folder=f"assets/{FOLDER}", files=files, library=made)


def _check_apk(apk: Name | None, options: ApkOptions | None, contents: Contents) -> None:
    """Check that an APK may have its name, and that its models will be there."""
    if apk is None:
        return
    output_names.check(user_path(apk), "APK")
    engine = (options or ApkOptions()).engine
    if not set(RUNTIMES[engine]) <= set(RUNTIMES[contents.engine]):
        raise RequestError(
            f"an APK with the engine `{engine}` needs its model, received contents for "
            f"`{contents.engine}`",
            hint="choose the same engine for both",
        )


def _check_build(build: Path) -> None:
    """Check that a build is complete and that its files belong together."""
    manifest.read(build, holding=CARRIED)
    contract = codec.from_json(
        Contract, (build / "contract.json").read_bytes(), where="contract.json"
    )
    _check_labels(build / contract.labels.path, contract)
    for file in (*contract.files, contract.labels):
        file.check(build)
    *_, answers = golden.read(build / "golden.npz")
    golden.require_variety(answers)


def _fill(assets: Path, build: Path, contents: Contents) -> None:
    """Put files of a checked build into a folder of assets, in place of earlier ones."""
    with storage_errors(assets):
        assets.mkdir(parents=True, exist_ok=True)
        with _staging(assets / FOLDER) as staging:
            for name in contents.names():
                _copy_whole(build / name, staging / name)
            _swap(staging, assets / FOLDER)


def _described(
    module: AppModule,
    contents: Contents,
    apk: Name | None,
    options: ApkOptions | None,
    progress: Progress,
) -> Bundle:
    """Return what a project holds, after making an APK of it if asked."""
    folder = module.assets / FOLDER
    carried = tuple(File.of(folder, path) for path in sorted(folder.glob("*")))
    made_apk = None
    if apk is not None:
        made_apk = apks.build(
            module.project,
            folder,
            carried,
            user_path(apk),
            options or ApkOptions(),
            progress=progress,
        )
    project = Project(
        kind=module.kind,
        module=module.folder.relative_to(module.project).as_posix(),
        additions=additions.needed(module, contents.engine),
    )
    return Bundle(folder=folder.as_posix(), files=carried, project=project, apk=made_apk)


def _check_labels(path: Path, contract: Contract) -> None:
    labels = class_names(path.parent)
    if len(labels) != contract.classes:
        raise BundleError(
            f"{path} has {len(labels)} labels, but the model has {contract.classes} classes",
            hint="the app would show wrong names: build again with the data of this model",
        )
    for number, label in enumerate(labels, start=1):
        if not label.strip():
            raise BundleError(
                f"{path} has an empty label in line {number}",
                hint="give the class a name: rename its folder of photos and build again",
            )
    if len(set(labels)) != len(labels):
        double = next(label for label in labels if labels.count(label) > 1)
        raise BundleError(
            f"{path} has the label `{double}` twice",
            hint="give each class a name of its own and build again",
        )


@contextlib.contextmanager
def _staging(place: Path) -> Iterator[Path]:
    """Make a folder next to its final place; it is removed at the end unless it was renamed."""
    folder = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copy_whole(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    with target.open("rb") as handle:
        os.fsync(handle.fileno())


def _swap(new: Path, place: Path) -> None:
    """Rename `new` to `place`; what was there is put back if that fails."""
    old = place.with_name(f".{place.name}-old")
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.rename(old)
    try:
        new.rename(place)
    except OSError:
        if old.exists():
            old.rename(place)
        raise
    shutil.rmtree(old, ignore_errors=True)
