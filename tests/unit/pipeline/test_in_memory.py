"""A model in memory becomes two files in memory, by images in memory."""

import re
import tempfile
from pathlib import Path
from typing import Any

import grey_levels
import numpy as np
import numpy.typing as npt
import pytest
import small_floats

import mobiledeploy
from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.data import sources
from mobiledeploy.pipeline import in_memory
from mobiledeploy.runtimes import litert_xnnpack
from mobiledeploy.spec import manifest
from mobiledeploy.spec.channel_scaling import SCALINGS
from mobiledeploy.spec.config import ImportConfig

CLASSES = 4
TORCHVISION = SCALINGS["torchvision"]


def pixels(images: int = 20, side: int = grey_levels.SIDE) -> npt.NDArray[np.uint8]:
    """Noise of every brightness."""
    rng = np.random.default_rng(0)
    levels = grey_levels.levels(CLASSES)[np.arange(images) % CLASSES]
    level = (levels + rng.uniform(-15, 15, images))[:, None, None, None]
    return rng.normal(level, 8, (images, side, side, 3)).clip(0, 255).astype(np.uint8)


def classes_of(model: bytes, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    (outputs,) = litert_xnnpack.load(model).run((images ^ np.uint8(128)).view(np.int8))
    classes: npt.NDArray[np.int64] = outputs.argmax(axis=1)
    return classes


def expected(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    distance = np.abs(images.mean(axis=(1, 2, 3))[:, None] - grey_levels.levels(CLASSES))
    classes: npt.NDArray[np.int64] = distance.argmin(axis=1)
    return classes


class SavesItself:
    """What is used of a Keras model: where its class is from, a name and `save`."""

    name = "my: model"
    paths: list[Path]

    def __init__(self, error: Exception | None = None) -> None:
        self.paths, self._error = [], error

    def save(self, filepath: str) -> None:
        self.paths.append(Path(filepath))
        if self._error is not None:
            raise self._error
        grey_levels.classifier(Path(filepath), TORCHVISION, CLASSES)


class KerasThree(SavesItself):
    __module__ = "keras.src.models.functional"


class KerasTwo(SavesItself):
    __module__ = "tf_keras.src.engine.functional"


class OfTheUser(KerasThree):
    """As a subclass in a notebook."""


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (KerasThree, "my__model.keras"),
        (KerasTwo, "my__model.h5"),
        (OfTheUser, "my__model.keras"),
    ],
)
def test_a_model_is_saved_as_its_keras_saves_a_whole_model(
    kind: type[SavesItself], name: str, tmp_path: Path
) -> None:
    model = kind()
    assert in_memory._saved(model, tmp_path) == tmp_path / name
    assert model.paths == [tmp_path / name]


def test_a_model_in_memory_is_quantised_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    model, images = KerasThree(), pixels()
    made = mobiledeploy.quantize(model, images, mean=TORCHVISION.mean, std=TORCHVISION.std)
    (saved,) = model.paths
    assert saved.is_relative_to(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert made.report.holds
    assert np.array_equal(classes_of(made.tflite, images), expected(images))
    assert made.onnx


def test_floats_of_the_networks_own_input_give_what_their_pixels_give(tmp_path: Path) -> None:
    model = grey_levels.classifier(tmp_path / "m.onnx", SCALINGS["-1..1"], CLASSES)
    images = pixels()
    out = tmp_path / "build"
    made = in_memory.quantize(model, images, input_range="-1..1", out=out, labels="abcd")
    floats = (images / 127.5 - 1).astype(np.float32)
    same = in_memory.quantize(model, floats, input_range="-1..1", labels="abcd")
    assert (same.tflite, same.onnx) == (made.tflite, made.onnx)
    assert (out / "model.tflite").read_bytes() == made.tflite
    assert (out / "labels.txt").read_text().split() == list("abcd")
    assert manifest.read(out).data_digest == sources.from_array(images).digest


@pytest.mark.parametrize(
    ("images", "more", "message"),
    [
        (pixels(2)[:1], {}, "expected at least two images"),
        (pixels(4)[..., :2], {}, r"received uint8 of shape \(4, 16, 16, 2\)"),
        (pixels(4).astype(np.int64), {}, "received int64"),
        ([pixels(1)[0], pixels(1, 18)[0]], {}, "received some of different shapes"),
        (pixels(4).astype(np.float32), {}, r"expected values of -1 to 1, .* received \d+ to 2"),
        (np.full((4, 16, 16, 3), np.nan), {}, r"received nan at \[0, 0, 0, 0\]"),
        (np.full((4, 16, 16, 3), np.inf), {}, r"received inf at \[0, 0, 0, 0\]"),
        (pixels(4) / 255, {"input_range": "0..255"}, "0 to 255, .* received 0.* than 3 of 255"),
        (np.zeros((4, 3, 16, 16)), {}, r"\(16, 16, 3\), received \(3, 16, 16\)"),
        (pixels(4), {"input_range": "0..2"}, r"received 0\.\.2"),
        (pixels(4), {"mean": [1.0]}, "caffe, .*, or `mean` and `std`"),
        (pixels(4), {"labels": ["a"]}, "expected 4 labels"),
        (pixels(4), {"input_range": None}, "does not say how pixels become its input"),
        (np.zeros((4, 16, 16, 3)), {"input_range": None}, "does not say how pixels"),
    ],
)
def test_images_that_do_not_fit_are_refused(
    images: Any, more: dict[str, Any], message: str, tmp_path: Path
) -> None:
    model = grey_levels.classifier(tmp_path / "m.onnx", SCALINGS["-1..1"], CLASSES)
    with pytest.raises(RequestError, match=message) as caught:
        in_memory.quantize(model, images, **{"input_range": "-1..1", **more})
    assert caught.value.hint


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (pixels() / 255, r"expected values of -1 to 1, received 0(\.\d+)? to 1 only"),
        (pixels() // 8, "expected values of 0 to 255, received 0 to 31 only"),
    ],
)
def test_images_that_have_another_scale_are_warned_of(
    images: npt.NDArray[Any], message: str, tmp_path: Path
) -> None:
    model = grey_levels.classifier(tmp_path / "m.onnx", SCALINGS["-1..1"], CLASSES)
    warnings = in_memory.quantize(model, images, input_range="-1..1").report.warnings
    assert re.match(message, warnings[0])


def test_pixels_of_another_size_are_said_to_be_resized(tmp_path: Path) -> None:
    model = grey_levels.classifier(tmp_path / "m.onnx", SCALINGS["-1..1"], CLASSES)
    made = in_memory.quantize(model, pixels(side=20)[:, :18], input_range="-1..1")
    said = "the images are of 18 x 20 and were cropped and resized to 16 x 16"
    assert made.report.note.endswith(f"; {said}")
    assert made.report.warnings == ()
    assert "resized" not in in_memory.quantize(model, pixels(), input_range="-1..1").report.note


def test_hints_name_arguments(tmp_path: Path) -> None:
    model = grey_levels.classifier(tmp_path / "m.onnx", SCALINGS["-1..1"], CLASSES)
    with pytest.raises(RequestError) as caught:
        in_memory.quantize(model, pixels(4))
    assert caught.value.hint == (
        'say what it was trained with: `input_range="-1..1"`, `0..1` or `0..255` '
        "(`0..1-bgr` if it was trained on images of OpenCV: blue, green, red); for Keras's "
        'ResNet50 and VGG `input_range="caffe"`; for torchvision '
        "and timm `mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375)`"
    )
    words = "give photos with `--data`, `--qat`, `--random`, `--std 255` or `mobiledeploy convert`"
    assert in_memory._by_arguments(words) == (
        'give photos with `images`, `qat`, `images="random"`, `std=255` or `mobiledeploy convert`'
    )


def test_values_and_what_their_outputs_are_may_be_given(tmp_path: Path) -> None:
    model = small_floats.file(tmp_path / "a.tflite", (40,), 3)
    values = np.random.default_rng(0).normal(size=(20, 40))
    made = in_memory.quantize(model, values, task="regression", out=tmp_path / "build")
    assert made.report.holds
    config = manifest.read(tmp_path / "build").config
    assert isinstance(config, ImportConfig)
    assert config.task == "regression"
    assert "random values" not in made.report.note


def test_choices_of_a_training_that_is_not_asked_for_are_refused() -> None:
    with pytest.raises(RequestError, match="qat_steps would change nothing without `qat=True`"):
        in_memory.quantize("model.onnx", "random", qat_steps=5)


def test_what_is_no_keras_model_or_cannot_be_saved_is_refused() -> None:
    with pytest.raises(RequestError, match=r"received .*\.SavesItself") as caught:
        in_memory.quantize(SavesItself(), pixels())
    assert "torch.onnx.export" in str(caught.value.hint)
    with pytest.raises(ConversionError, match="Keras cannot save the model `my__model`: no"):
        in_memory.quantize(KerasThree(NotImplementedError("no")), pixels())


def test_an_array_is_a_data_set_whose_images_are_in_one_split_each() -> None:
    for count in (2, 4, 5, 23):
        images = pixels(count)
        data = sources.from_array(images)
        train, test = data.splits["train"], data.splits["test"]
        assert sorted([*train, *test]) == list(range(count))
        assert len(test) == max(1, count // 5)
        assert np.array_equal(data.decode(count - 1), images[-1])
    assert sources.from_array(pixels(4)).digest != sources.from_array(pixels(4) + 1).digest


@pytest.mark.tensorflow
@pytest.mark.slow
@pytest.mark.parametrize("package", ["keras", "tf_keras"])
def test_a_keras_model_answers_as_before(package: str) -> None:
    keras = pytest.importorskip(package)
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.InputLayer((16, 16, 3)),
            layers.Rescaling(1 / 127.5, -1),
            layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    images = pixels()
    made = mobiledeploy.quantize(model, images)
    (codes,) = litert_xnnpack.load(made.tflite).run((images ^ np.uint8(128)).view(np.int8))
    floats = np.asarray(model(images.astype(np.float32)))
    assert np.abs((codes.astype(float) + 128) / 256 - floats).max() < 0.02
