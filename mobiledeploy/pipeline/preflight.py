"""What can be known before a build's first photo is read: whether it could be finished at all.

Reading many photos takes minutes, training takes hours: what fails then must be what could not
be seen here.
"""

import dataclasses
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from mobiledeploy.base import files
from mobiledeploy.base.errors import MissingDependencyError, RequestError
from mobiledeploy.base.progress import Progress
from mobiledeploy.network import keras_file
from mobiledeploy.network.keras_weights import KerasWeights
from mobiledeploy.network.weight_matching import architecture_for, match_weights
from mobiledeploy.spec.config import DIGITS, IMAGENET_RANGE, BuildConfig


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Start:
    """The weights that training starts from.

    Attributes:
        stored: What the file holds.
        digest: SHA-256 of the file.
    """

    stored: KerasWeights
    digest: str


def check_packages(config: BuildConfig) -> None:
    """Check that the packages a build needs are installed, without importing them.

    Raises:
        MissingDependencyError: One is not.
    """
    for package, purpose in _packages(config):
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


def check_apart(config: BuildConfig, root: Path) -> None:
    """Check that a build does not write where it reads.

    Photos that hold the build folder would have a class more in the next run; weights in a
    stage's folder would be gone when the stage begins.

    Raises:
        RequestError: The build folder lies among the photos, or the weights in it.
    """
    if config.data != DIGITS:
        photos = files.user_path(config.data)
        if root.resolve().is_relative_to(photos.resolve()):
            raise RequestError(
                f"the build folder {root} lies in the data folder {photos}",
                hint="choose a folder outside with `--out`",
            )
    weights = _file_of(config)
    if weights is not None and weights.resolve().is_relative_to(root.resolve()):
        raise RequestError(
            f"the weights {weights} lie in the build folder {root}, where they would be replaced",
            hint="choose another folder with `--out`, or copy the weights out of this one",
        )


def starting_weights(config: BuildConfig, *, progress: Progress) -> Start | None:
    """Read the weights to start from, downloading ImageNet's where asked; None for none.

    Raises:
        RequestError: The named file cannot be read, or is of another network than the one asked
            for.
        CorruptFileError: It is damaged, or no Keras file.
        DownloadError: The weights cannot be had.
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
    stored = keras_file.read(path)
    if name == "imagenet":
        stored = dataclasses.replace(stored, input_range=IMAGENET_RANGE)
    # How many classes there are is not known yet, nor whether the head is taken.
    architecture = architecture_for(config, stored, classes=2)
    transfer.starting_network(architecture, match_weights(stored, architecture, take_head=False))
    return Start(stored=stored, digest=files.sha256(path))


def check_head(config: BuildConfig, start: Start | None, *, classes: int) -> None:
    """Check the weights' head, when it is known how many classes there are.

    Raises:
        RequestError: It has the right shape, and computes something else than ours.
    """
    if start is not None:
        match_weights(start.stored, architecture_for(config, start.stored, classes=classes))


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
