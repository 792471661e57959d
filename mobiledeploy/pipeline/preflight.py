"""Checks before a build reads its first photo.

Reading many photos takes minutes and training hours, so everything that can be checked before is
checked here.
"""

import dataclasses
import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path

from mobiledeploy.base import files
from mobiledeploy.base.errors import MissingDependencyError, RequestError
from mobiledeploy.base.progress import Progress
from mobiledeploy.network import weight_matching
from mobiledeploy.network.keras_weights import KerasWeights
from mobiledeploy.network.table_matching import OtherNetworkError
from mobiledeploy.network.weight_matching import (
    Stored,
    WholeModel,
    architecture_for,
    has_outputs,
    match_weights,
)
from mobiledeploy.spec.config import DIGITS, IMAGENET_RANGE, BuildConfig


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StartingWeights:
    """The weights that training starts from.

    Attributes:
        path: The file.
        stored: Its content.
        digest: SHA-256 of the file.
        differs: What a whole model computes before its head that the asked network does not, so
            that its own graph is taken; empty for nothing.
    """

    path: Path
    stored: Stored
    digest: str
    differs: str = ""


def check_packages(config: BuildConfig) -> None:
    """Check that the packages that a build needs are installed, without importing them.

    Raises:
        MissingDependencyError: A package is not installed.
    """
    require_packages(_packages(config))


def require_packages(packages: Iterable[tuple[str, str]]) -> None:
    """Check that packages of the `build` extra are installed, without importing them.

    Args:
        packages: The name by which each is imported, and what needs it.

    Raises:
        MissingDependencyError: A package is not installed.
    """
    for package, purpose in packages:
        if importlib.util.find_spec(package) is None:
            raise MissingDependencyError(
                f"{purpose} needs `{package}`, which is not installed",
                hint="python -m pip install 'mobiledeploy[build]'",
            )


def _packages(config: BuildConfig) -> Iterator[tuple[str, str]]:
    yield from (("tensorflow", "training"), ("keras", "training"), ("h5py", "training"))
    if not config.export.int8:
        yield "tf2onnx", "a float build"
    elif config.quantise.steps and config.quantise.engine == "tfmot":
        for package in ("tensorflow_model_optimization", "tf_keras"):
            yield package, "the QAT engine `tfmot`"


def check_folders(config: BuildConfig, root: Path) -> None:
    """Check that a build does not write into the folders that it reads.

    A build folder among the photos would be one more class in the next run, and weights in the
    build folder would be deleted when a stage begins.

    Raises:
        RequestError: The build folder is in the data folder, or the weights in the build folder.
    """
    for folder in (config.data, config.quantise.calibrate):
        photos = files.user_path(folder)
        if folder and folder != DIGITS and root.resolve().is_relative_to(photos.resolve()):
            raise RequestError(
                f"the build folder {root} is in the data folder {photos}",
                hint="choose a folder outside the photos with `--out`",
            )
    weights = _file_of(config)
    if weights is not None and weights.resolve().is_relative_to(root.resolve()):
        raise RequestError(
            f"the weights {weights} are in the build folder {root}, where they would be deleted",
            hint="choose another folder with `--out`, or copy the weights out of this one",
        )


def starting_weights(config: BuildConfig, *, progress: Progress) -> StartingWeights | None:
    """Read the weights to start from, after downloading ImageNet's if asked; None for `none`.

    Raises:
        RequestError: The named file cannot be read, or is of another network than the one asked
            for.
        CorruptFileError: It is damaged, or not a Keras file.
        DownloadError: The weights cannot be downloaded.
    """
    model, name = config.model, config.train.weights
    if name == "none":
        return None
    from mobiledeploy.training import transfer

    path = _file_of(config)
    if path is None:
        from mobiledeploy.training import imagenet_weights

        path = imagenet_weights.download(
            model.arch, alpha=model.alpha, image_size=model.image_size, progress=progress
        )
    _check_readable(path)
    stored = weight_matching.read(path)
    if name == "imagenet" and isinstance(stored, KerasWeights):
        stored = dataclasses.replace(stored, input_range=IMAGENET_RANGE)
    start = StartingWeights(path=path, stored=stored, digest=files.sha256(path))
    try:
        # Neither the number of classes nor whether the head can be used is known yet.
        architecture = architecture_for(config, stored, classes=2)
        matched = match_weights(stored, architecture, take_head=False)
        transfer.starting_network(architecture, matched)
    except OtherNetworkError as error:
        _refuse_other_table(config, stored, error)
        return dataclasses.replace(start, differs=str(error))
    return start


def _refuse_other_table(config: BuildConfig, stored: Stored, error: OtherNetworkError) -> None:
    """Refuse a model that is another one of our tables than the one that is asked for.

    Raises:
        RequestError: It is; the hint has its options.
    """
    table = weight_matching.recognise(stored)
    if table is None or (table.arch, table.alpha) == (config.model.arch, config.model.alpha):
        return
    model = dataclasses.replace(config.model, arch=table.arch, alpha=table.alpha)
    other = dataclasses.replace(config, model=model)
    try:
        match_weights(stored, architecture_for(other, stored, classes=2), take_head=False)
    except OtherNetworkError:
        return
    raise RequestError(str(error), hint=error.hint) from error


def difference(config: BuildConfig, start: StartingWeights | None, *, classes: int) -> str:
    """Return why a whole model's own graph is to be taken; empty if it is not.

    Args:
        config: The build's configuration.
        start: The weights; None for none.
        classes: Number of classes, which says whether its head can be used.

    Raises:
        RequestError: A new head is needed, but the model's input range is another one.
    """
    if start is None or start.differs:
        return "" if start is None else start.differs
    try:
        match_weights(start.stored, architecture_for(config, start.stored, classes=classes))
    except OtherNetworkError as error:
        assert isinstance(start.stored, WholeModel)  # noqa: S101 - weights alone have no graph
        size = config.model.image_size
        if not has_outputs(start.stored.at((size, size)).classes, classes):
            raise
        return str(error)
    return ""


def network_name(config: BuildConfig) -> str:
    """Return the name of the network that is asked for."""
    return architecture_for(config, None, classes=2).name


def _check_readable(path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise RequestError(
            f"cannot read the weights {path}: {error.strerror}",
            hint="name a Keras file (.keras, .weights.h5, .h5; no SavedModel folder), `imagenet`, "
            "or `none`",
        ) from error


def _file_of(config: BuildConfig) -> Path | None:
    name = config.train.weights
    return None if name in {"none", "imagenet"} else files.user_path(name)
