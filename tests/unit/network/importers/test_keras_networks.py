"""Networks that people start from compute in our graph what Keras computes."""

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import keras_models
import numpy as np
import pytest
import tf_keras

from mobiledeploy.network.importers import keras as importer

pytestmark = [
    pytest.mark.usefixtures("without_children"),
    pytest.mark.tensorflow,
    pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file:UserWarning"),
]

ROUNDING = 1e-5
LIBRARIES = [
    pytest.param(keras, id="keras"),
    pytest.param(tf_keras, id="tf_keras", marks=pytest.mark.slow),
]
PIXELS = ("EfficientNet", "MobileNetV3")
"""Networks of Keras applications that take pixels from 0 to 255."""

SMALL = [
    ("MobileNet", 32, {"alpha": 0.25}),
    ("MobileNet", 72, {"alpha": 0.25}),
]
LARGE = [
    *(("MobileNet", size, {"alpha": 0.25}) for size in (96, 100, 180)),
    ("MobileNet", 224, {}),
    ("MobileNetV2", 96, {"alpha": 0.35}),
    ("MobileNetV2", 224, {}),
    ("MobileNetV3Small", 96, {}),
    ("MobileNetV3Small", 96, {"minimalistic": True}),
    ("MobileNetV3Large", 96, {}),
    ("MobileNetV3Large", 96, {"minimalistic": True}),
    ("EfficientNetB0", 64, {}),
    ("EfficientNetV2B0", 64, {}),
    ("ResNet50", 64, {}),
    ("DenseNet121", 64, {}),
    ("NASNetMobile", 64, {}),
    ("Xception", 96, {}),
]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("name", "size", "options"),
    [*SMALL, *(pytest.param(*of, marks=pytest.mark.slow) for of in LARGE)],
)
def test_keras_applications_are_imported(
    library: Any, name: str, size: int, options: dict[str, Any], tmp_path: Path
) -> None:
    model = getattr(library.applications, name)(
        input_shape=(size, size, 3),
        weights=None,
        classes=10,
        classifier_activation=None,
        **options,
    )
    keras_models.randomise(model)
    low, high = (0, 255) if name.startswith(PIXELS) else (-1, 1)
    inputs = np.random.default_rng(1).uniform(low, high, (2, size, size, 3)).astype(np.float32)
    expected = keras_models.predicted(model, inputs)
    suffix = ".h5" if library is tf_keras else ".keras"
    imported = importer.read(keras_models.saved(model, tmp_path / f"model{suffix}"))
    assert keras_models.difference(imported, inputs, expected) < ROUNDING
    assert imported.classes == 10


def keyword_spotting(of: Any) -> list[Any]:
    """Return the layers of MLPerf Tiny's DS-CNN."""
    layers = [of.Conv2D(64, (10, 4), strides=(2, 2), padding="same"), of.BatchNormalization(),
              of.Activation("relu"), of.Dropout(0.2)]  # fmt: skip
    for _ in range(4):
        layers += [of.DepthwiseConv2D((3, 3), padding="same"), of.BatchNormalization(),
                   of.Activation("relu"), of.Conv2D(64, (1, 1), padding="same"),
                   of.BatchNormalization(), of.Activation("relu")]  # fmt: skip
    return [*layers, of.Dropout(0.4), of.AveragePooling2D((25, 5)), of.Flatten(),
            of.Dense(12, activation="softmax")]  # fmt: skip


def anomaly_detection(of: Any) -> list[Any]:
    """Return the layers of MLPerf Tiny's autoencoder."""
    layers = []
    for width in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        layers += [of.Dense(width), of.BatchNormalization(), of.Activation("relu")]
    return [*layers, of.Dense(640)]


def image_classification(library: Any) -> Any:
    """Return MLPerf Tiny's ResNet for CIFAR-10."""
    of = library.layers
    image = of.Input((32, 32, 3))
    x = of.Conv2D(16, 3, padding="same")(image)
    x = of.Activation("relu")(of.BatchNormalization()(x))
    for width, strides in ((16, 1), (32, 2), (64, 2)):
        y = of.Conv2D(width, 3, strides=strides, padding="same")(x)
        y = of.Activation("relu")(of.BatchNormalization()(y))
        y = of.BatchNormalization()(of.Conv2D(width, 3, padding="same")(y))
        if strides > 1:
            x = of.Conv2D(width, 1, strides=strides, padding="same")(x)
        x = of.Activation("relu")(of.Add()([x, y]))
    x = of.Flatten()(of.AveragePooling2D(8)(x))
    return library.Model(image, of.Dense(10, activation="softmax")(x))


def chain(library: Any, shape: tuple[int, ...], layers: Callable[[Any], list[Any]]) -> Any:
    return library.Sequential([library.layers.Input(shape), *layers(library.layers)])


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    "build",
    [
        lambda library: chain(library, (49, 10, 1), keyword_spotting),
        lambda library: chain(library, (640,), anomaly_detection),
        image_classification,
    ],
    ids=["keyword_spotting", "anomaly_detection", "image_classification"],
)
def test_networks_of_mlperf_tiny_are_imported(
    library: Any, build: Callable[[Any], Any], tmp_path: Path
) -> None:
    model = build(library)
    keras_models.randomise(model)
    shape = model.input_shape[1:]
    inputs = np.random.default_rng(1).normal(0, 1, (2, *shape)).astype(np.float32)
    assert max(keras_models.differences(model, inputs, tmp_path, ".h5")) < ROUNDING


@pytest.mark.skipif("MLPERF_TINY_VWW" not in os.environ, reason="set MLPERF_TINY_VWW to vww_96.h5")
def test_the_visual_wake_words_of_mlperf_tiny_are_imported() -> None:
    path = Path(os.environ["MLPERF_TINY_VWW"])
    model = tf_keras.models.load_model(path, compile=False)
    inputs = np.random.default_rng(1).uniform(0, 1, (2, 96, 96, 3)).astype(np.float32)
    expected = keras_models.predicted(model, inputs)
    assert keras_models.difference(importer.read(path), inputs, expected) < ROUNDING


def half(of: Any, x: Any) -> Any:
    return of.Rescaling(1 / 255, offset=-0.5)(x)


def no_offset(of: Any, x: Any) -> Any:
    return of.Rescaling(1 / 127.5)(x)


def divided(_of: Any, x: Any) -> Any:
    return x / 255.0


def normalised(of: Any, x: Any) -> Any:
    mean, variance = [123.7, 116.3, 103.5], [58.4**2, 57.1**2, 57.4**2]
    return of.Normalization(mean=mean, variance=variance)(x)


def twice(of: Any, x: Any) -> Any:
    return of.Rescaling([2.0, 2.0, 2.0], offset=[-1.0, -1.0, -1.0])(of.Rescaling(1 / 255)(x))


def adapted(of: Any, x: Any) -> Any:
    layer = of.Normalization()
    layer.adapt(np.random.default_rng(0).uniform(0, 255, (8, 32, 32, 3)))
    return layer(x)


def first_layers(of: Any) -> list[Any]:
    """Return the first layers of a MobileNet."""
    return [
        of.Conv2D(8, 3, strides=2, padding="same", use_bias=False), of.BatchNormalization(),
        of.ReLU(6.0), of.DepthwiseConv2D(3, padding="same"), of.BatchNormalization(),
    ]  # fmt: skip


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    "preprocess", [half, no_offset, divided, normalised, twice, adapted],
    ids=lambda function: str(function.__name__),
)  # fmt: skip
def test_the_range_of_the_pixels_is_the_models_own(
    library: Any, preprocess: Callable[[Any, Any], Any], tmp_path: Path
) -> None:
    of = library.layers
    trunk = chain(library, (32, 32, 3), first_layers)
    keras_models.randomise(trunk)
    image = of.Input((32, 32, 3))
    x = trunk(preprocess(of, of.RandomFlip("horizontal")(image)))
    model = library.Model(image, of.Dense(3)(of.GlobalMaxPooling2D()(x)))
    inputs = np.random.default_rng(1).uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)
    found = keras_models.differences(model, inputs, tmp_path, ".keras", ".h5")
    assert max(found) < ROUNDING


def test_a_model_quantised_by_keras_is_refused_in_words() -> None:
    of = keras.layers
    model = keras.Sequential([of.Input((8,)), of.Dense(4, name="first"), of.Dense(3, name="last")])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an input layer cannot be quantised
        model.quantize("int8")
    problems = importer.read_model(model).unsupported
    assert [problem.name for problem in problems] == ["first", "last"]
    assert all("save the float model" in problem.attributes["reason"] for problem in problems)


@pytest.mark.slow
def test_wrappers_of_the_optimization_toolkit_are_refused_in_words(tmp_path: Path) -> None:
    tfmot = pytest.importorskip("tensorflow_model_optimization")
    of = tf_keras.layers
    model = tf_keras.Sequential([of.Input((8, 8, 3)), of.Conv2D(4, 3, name="stem"), of.ReLU()])
    for wrapped, words in (
        (tfmot.quantization.keras.quantize_model(model), "save the float model"),
        (tfmot.sparsity.keras.prune_low_magnitude(model), "strip_pruning"),
    ):
        problems = importer.read(keras_models.saved(wrapped, tmp_path / "m.h5")).unsupported
        assert problems
        assert all(words in problem.attributes["reason"] for problem in problems)
