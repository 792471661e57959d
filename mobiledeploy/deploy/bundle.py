"""Put a build's files into an Android project's assets, all of them or none."""

import contextlib
import dataclasses
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mobiledeploy.base import codec
from mobiledeploy.base.errors import BundleError
from mobiledeploy.base.files import Name, storage_errors, user_path
from mobiledeploy.base.progress import Progress, silent
from mobiledeploy.deploy import apk as apks
from mobiledeploy.deploy import demo_project
from mobiledeploy.deploy.apk import Apk, ApkOptions
from mobiledeploy.spec import manifest
from mobiledeploy.spec.contract import Contract, class_names
from mobiledeploy.spec.results import File
from mobiledeploy.verify.outputs import golden

ASSETS: Final = Path("app/src/main/assets")
"""Where a project keeps its assets."""
FOLDER: Final = "mobiledeploy"
"""Folder of a build's files in the assets."""
CARRIED: Final = ("model.tflite", "model.onnx", "labels.txt", "contract.json", "golden.npz")
"""The files of a build that an app carries."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What was put into an Android project.

    Attributes:
        folder: The folder of the assets.
        files: The files in it, with paths relative to `folder`.
        apk: The APK that was made of the project; None if none was asked for.
    """

    folder: str
    files: tuple[File, ...]
    apk: Apk | None


def bundle(
    build: Name,
    app: Name,
    *,
    apk: Name | None = None,
    options: ApkOptions | None = None,
    progress: Progress = silent,
) -> Bundle:
    """Put a build's model, labels, contract and golden vectors into an Android project.

    The earlier assets stay as they were until the new ones are complete, then one rename
    replaces them.

    Args:
        build: A build folder; its manifest is checked first.
        app: The Android project: the folder that holds `app/`.
        apk: Name of an APK to make of the project; None makes none.
        options: How to make the APK.
        progress: Called with what is being done for the APK.

    Raises:
        RequestError: There is no such build, or `apk` is a folder or an existing file of another
            kind.
        CorruptFileError: The build is incomplete or was changed, or its models or labels are not
            those that its contract names.
        BundleError: `app` is not an Android project, the labels do not fit the model, or no APK
            can be made of them.
        ParityError: All golden vectors have the same answer, so that they would prove nothing.
        MissingDependencyError: A tool that makes the APK is missing.
        DownloadError: A tool that makes the APK cannot be downloaded.
        StorageError: The assets or the APK cannot be written.
    """
    build, app = user_path(build), user_path(app)
    if apk is not None:
        apks.check_name(user_path(apk))
    _check_build(build)
    if not (app / "app").is_dir():
        raise BundleError(
            f"{app} is not an Android project: it holds no folder `app`"
            if app.is_dir()
            else f"there is no folder {app}",
            hint="`--new DIR` makes a new project, the demo app, with this build in it; "
            "`--app DIR` names an Android project of yours",
        )
    _fill(app, build)
    return _described(app, apk, options, progress)


def new_project(
    folder: Name,
    build: Name | None,
    *,
    apk: Name | None = None,
    options: ApkOptions | None = None,
    progress: Progress = silent,
) -> Bundle:
    """Make a project of the demo app in a new folder, with a build in it.

    The folder appears when the project is complete. What is there already is never overwritten.

    Args:
        folder: A folder that does not exist, or is empty.
        build: As for `bundle`; None makes a project without a model.
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
    demo_project.check_new(folder)
    if apk is not None:
        apks.check_name(user_path(apk))
    if build is not None:
        _check_build(user_path(build))
    with storage_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _staging(folder) as staging:
            demo_project.write(staging)
            if build is not None:
                _fill(staging, user_path(build))
            if folder.is_dir():  # empty, or this fails
                folder.rmdir()
            staging.rename(folder)
    return _described(folder, apk, options, progress)


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


def _fill(app: Path, build: Path) -> None:
    """Put a checked build's files into a project's assets, in place of earlier ones."""
    assets = app / ASSETS
    with storage_errors(assets):
        assets.mkdir(parents=True, exist_ok=True)
        with _staging(assets / FOLDER) as staging:
            for name in CARRIED:
                _copy_whole(build / name, staging / name)
            _swap(staging, assets / FOLDER)


def _described(
    app: Path, apk: Name | None, options: ApkOptions | None, progress: Progress
) -> Bundle:
    """Return what a project holds, after making an APK of it if asked."""
    folder = app / ASSETS / FOLDER
    carried = tuple(File.of(folder, path) for path in sorted(folder.glob("*")))
    made_apk = None
    if apk is not None:
        made_apk = apks.build(
            app, folder, carried, user_path(apk), options or ApkOptions(), progress=progress
        )
    return Bundle(folder=folder.as_posix(), files=carried, apk=made_apk)


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
