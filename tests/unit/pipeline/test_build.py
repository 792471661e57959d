"""The pipeline refuses bad requests before any work, and reruns stages whose inputs changed."""

import importlib.util
import shutil
from pathlib import Path
from typing import Any, NoReturn

import accuracy_networks
import grey_levels
import h5py
import numpy as np
import pytest

from mobiledeploy.base.errors import MobileDeployError, RequestError, StorageError
from mobiledeploy.base.progress import Event, silent
from mobiledeploy.data import pixel_store, sources
from mobiledeploy.data.pixels import Images
from mobiledeploy.models import registry
from mobiledeploy.network.network import Network
from mobiledeploy.network.simplify.to_network import to_network
from mobiledeploy.pipeline import build as pipeline
from mobiledeploy.pipeline import ladder, resume, stages
from mobiledeploy.spec import defaults, manifest
from mobiledeploy.spec.config import Arch
from mobiledeploy.spec.results import Accuracy, TrainResult


class StoppedError(Exception):
    """The pipeline got as far as training."""


def stop(*args: Any, **kwargs: Any) -> NoReturn:
    raise StoppedError


def events_of_a_build(root: Path) -> list[Event]:
    events: list[Event] = []
    with pytest.raises(StoppedError):
        pipeline.build(defaults.decide(), root, progress=events.append)
    return events


def test_images_are_decoded_again_by_another_version_of_the_decoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "train", stop)
    up_to_date = Event("data", "up to date")
    assert up_to_date not in events_of_a_build(tmp_path)
    assert up_to_date in events_of_a_build(tmp_path)
    other = {**manifest.versions(), "pillow": "0.1"}
    monkeypatch.setattr(manifest, "versions", lambda: other)
    assert up_to_date not in events_of_a_build(tmp_path)


@pytest.mark.parametrize("inside", ["", "build"])
def test_a_build_folder_among_the_photos_is_refused(tmp_path: Path, inside: str) -> None:
    config = defaults.decide(data=str(tmp_path))
    with pytest.raises(RequestError, match="is in the data folder"):
        pipeline.build(config, tmp_path / inside)
    assert list(tmp_path.iterdir()) == []


def test_photos_apart_from_the_data_are_no_place_for_a_build(tmp_path: Path) -> None:
    config = defaults.decide(calibrate=tmp_path)
    with pytest.raises(RequestError, match="is in the data folder"):
        pipeline.build(config, tmp_path / "build")


def test_photos_that_decide_or_judge_do_not_calibrate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("a", "b")
    data = grey_levels.photos(tmp_path / "data", names)
    others = grey_levels.photos(tmp_path / "others", ("x",), seed=1, colours=np.array([32]))
    for number in range(12):
        shutil.copy(data / "b" / f"{number}.png", others / "x" / f"as well {number:02}.png")
    config = defaults.decide(
        data=data, calibrate=others, calibration_images=20, qat_steps=0, effort="quick",
        arch="v1", alpha=0.25, image_size=16, threads=2,
    )  # fmt: skip
    dataset = sources.open_dataset(str(data))
    apart, held_back = pipeline._apart(config, dataset, silent)
    assert apart is not None
    judging = {
        f"x/as well {int(Path(dataset.image_names[row]).stem):02}.png"
        for part in ("validation", "test")
        for row in dataset.splits[part]
        if dataset.image_names[row].startswith("b/")
    }
    assert set(held_back) == judging != set()
    assert len(apart.rows) == 24 - len(judging)

    calibrated = list[Any]()

    def climb(network: Network, pixels: Any, *_: Any, **__: Any) -> NoReturn:
        calibrated.append(pixels)
        raise StoppedError

    monkeypatch.setattr(ladder, "climb", climb)
    graph = accuracy_networks.residual_graph(shape=(16, 16, 3))
    network = to_network(graph, accuracy_networks.SCALING)
    splits: Any = {}
    splits["train"] = Images.without_labels(np.zeros((3, 16, 16, 3), np.uint8))
    with pytest.raises(StoppedError):
        stages.quantise_candidates(tmp_path, splits, network, config, apart=apart, progress=silent)
    (pixels,) = calibrated
    assert pixels.shape == (20, 16, 16, 3)
    assert pixels.mean() > 20  # none of the training images

    only = tmp_path / "only"
    only.mkdir()
    shutil.copy(others / min(judging), only / "photo.png")
    with pytest.raises(RequestError, match="only such as are among the validation and test"):
        pipeline.build(defaults.decide(data=data, calibrate=only), tmp_path / "build")


def test_a_network_that_gives_one_class_for_all_photos_is_warned_of() -> None:
    dataset = sources.open_dataset("digits")
    score = Accuracy(correct=1, total=2)
    trained = TrainResult(validation=score, test=score, note="")

    def warnings(logits: Any, held_back: tuple[str, ...] = ()) -> tuple[str, ...]:
        return pipeline._warnings(
            defaults.decide(), dataset, trained, None, held_back=held_back,
            logits=logits, labels=np.arange(10),
        )  # fmt: skip

    (said,) = warnings(np.eye(10, dtype=np.float32)[[3] * 10])
    assert said.startswith("the float network gives the class `3` for all 10 images")
    assert "train longer (`--epochs`)" in said
    assert not warnings(np.eye(10, dtype=np.float32))
    (said,) = warnings(np.eye(10, dtype=np.float32), ("a.png",))
    assert said == (
        "1 photo of `--calibrate` is among those of `--data` that decide or judge, and does not "
        "calibrate: `a.png`"
    )


def test_other_photos_that_calibrate_are_another_quantisation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The photos of `--calibrate` are an input of the stage, which is not taken over."""
    keys = list[tuple[object, ...]]()

    def run(stage: str, kind: Any, inputs: Any, *_: Any, **__: Any) -> Any:
        if stage != "quantise":
            return None, None
        keys.append(inputs)
        raise StoppedError

    monkeypatch.setattr(resume, "run", run)
    monkeypatch.setattr(pixel_store, "read", lambda _: {})
    monkeypatch.setattr(pipeline, "load_network", lambda _: None)
    (tmp_path / "build/train").mkdir(parents=True)
    (tmp_path / "build/train/network.npz").write_bytes(b"")
    (tmp_path / "build" / resume.LOCK).touch()
    (tmp_path / "build/train/started").touch()
    for seed in (1, 1, 2):
        shutil.rmtree(tmp_path / "others", ignore_errors=True)
        grey_levels.photos(tmp_path / "others", ("x",), seed=seed, colours=np.array([32]))
        with pytest.raises(StoppedError):
            pipeline.build(defaults.decide(calibrate=tmp_path / "others"), tmp_path / "build")
    assert keys[0] == keys[1] != keys[2]


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make it an error to look at the data, which may take minutes."""

    def read(*args: object, **kwargs: object) -> NoReturn:
        raise AssertionError("the data were read")

    monkeypatch.setattr(sources, "open_dataset", read)


def weights_file(path: Path, *, arch: Arch = "v1", alpha: float = 0.25, fill: float = 0.5) -> Path:
    """Write a trunk as Keras 3 does, without batch normalisation."""
    architecture = registry.architecture(arch, alpha=alpha, image_size=32, classes=2)
    used: dict[str, int] = {}
    with h5py.File(path, "w") as file:
        for layer in architecture.layers:
            stem = {"conv": "conv2d", "depthwise": "depthwise_conv2d"}.get(layer.op)
            if stem is None:
                continue
            number, used[stem] = used.get(stem, 0), used.get(stem, 0) + 1
            group = file.create_group(f"layers/{stem}{f'_{number}' if number else ''}/vars")
            group["0"] = np.full(layer.kernel_shape, fill, np.float32)
            group["1"] = np.zeros(layer.out_channels, np.float32)
    return path


@pytest.mark.usefixtures("unread")
@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("another architecture", "--arch v2 --alpha 0.35"),
        ("another width", "--alpha 0.5"),
        ("not a number", "NaN"),
        ("no Keras file", "not a Keras weights file"),
        ("a folder", "SavedModel"),
        ("not there", "cannot read the weights"),
    ],
)
def test_unsuitable_weights_are_refused_before_the_data_are_read(
    tmp_path: Path, what: str, message: str
) -> None:
    path = tmp_path / "w.weights.h5"
    match what:
        case "another architecture":
            weights_file(path, arch="v2", alpha=0.35)
        case "another width":
            weights_file(path, alpha=0.5)
        case "not a number":
            weights_file(path, fill=np.nan)
        case "no Keras file":
            path.write_bytes(b"PK not really")
        case "a folder":
            path.mkdir()
        case _:
            pass
    config = defaults.decide(arch="v1", weights=path)
    with pytest.raises(MobileDeployError) as refused:
        pipeline.build(config, tmp_path / "build")
    assert message in f"{refused.value} {refused.value.hint}"
    assert not (tmp_path / "build").exists()


def test_suitable_weights_are_accepted_and_the_data_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "open_dataset", stop)
    config = defaults.decide(arch="v1", weights=weights_file(tmp_path / "w.weights.h5"))
    with pytest.raises(StoppedError):
        pipeline.build(config, tmp_path / "build")


@pytest.mark.usefixtures("unread")
@pytest.mark.parametrize(
    ("package", "options"),
    [
        ("tensorflow", {}),
        ("tf2onnx", {"int8": False}),
        ("tensorflow_model_optimization", {"qat_engine": "tfmot"}),
    ],
)
def test_a_missing_package_is_reported_before_the_data_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, options: dict[str, Any]
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == package else find(name)
    )
    with pytest.raises(MobileDeployError, match=f"`{package}`, which is not") as refused:
        pipeline.build(defaults.decide(**options), tmp_path / "build")
    assert refused.value.exit_status == 3


@pytest.mark.usefixtures("unread")
def test_a_folder_without_a_build_or_in_use_is_refused_before_the_data_are_read(
    tmp_path: Path,
) -> None:
    (tmp_path / "somebody" / "else").mkdir(parents=True)
    with pytest.raises(RequestError, match="empty folder"):
        pipeline.build(defaults.decide(), tmp_path / "somebody")
    with (
        resume.lock_folder(tmp_path / "held"),
        pytest.raises(StorageError, match="another build"),
    ):
        pipeline.build(defaults.decide(), tmp_path / "held")


def test_weights_in_the_build_folder_are_refused_and_not_deleted(tmp_path: Path) -> None:
    """Training would empty their folder before it reads them."""
    (tmp_path / "build" / "train").mkdir(parents=True)
    path = weights_file(tmp_path / "build/train/model.weights.h5")
    with pytest.raises(RequestError, match="where they would be deleted"):
        pipeline.build(defaults.decide(arch="v1", weights=path), tmp_path / "build")
    assert path.exists()


def test_unreadable_data_leave_no_build_folder_behind(tmp_path: Path) -> None:
    config = defaults.decide(data=tmp_path / "nowhere")
    with pytest.raises(RequestError, match="no folder"):
        pipeline.build(config, tmp_path / "build")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_too_small_for_the_images_is_reported_before_they_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1797 * 32 * 32 * 3 - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(StorageError, match="no space left"):
        pipeline.build(defaults.decide(), tmp_path)


def test_zero_epochs_without_weights_are_refused() -> None:
    with pytest.raises(RequestError, match=r"epochs in 1\.\.10000; received 0"):
        defaults.decide(epochs=0)
    assert defaults.decide(epochs=0, weights="imagenet").train.epochs == 0
