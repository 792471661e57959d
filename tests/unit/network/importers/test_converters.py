"""What TensorFlow's and tf2onnx's converters make of Keras models, against Keras itself."""

import dataclasses
import gc
import logging
from collections.abc import Callable, Iterator
from typing import Any

import float_graph_reference as reference
import numpy as np
import pytest

from mobiledeploy.formats import onnx as onnx_format
from mobiledeploy.formats import tflite as tflite_format
from mobiledeploy.network.importers import onnx, tflite
from mobiledeploy.network.importers.imported import Imported
from mobiledeploy.runtimes import litert

pytestmark = pytest.mark.tensorflow
CLOSE = 2e-5


def small(layers: Any, keras: Any) -> Any:
    """Every kind of layer that the converters treat in a way of their own."""
    image = layers.Input((24, 20, 3))
    x = layers.Rescaling(1 / 127.5, -1)(image)
    x = layers.Conv2D(8, 3, 2, padding="same", use_bias=False)(x)
    x = layers.Activation("hard_swish")(layers.BatchNormalization()(x))
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(8, 1, activation="hard_sigmoid")(gate)
    x = layers.Multiply()([x, gate])
    y = layers.DepthwiseConv2D(3, padding="same", dilation_rate=2)(x)
    y = layers.ReLU(6.0)(layers.BatchNormalization()(y))
    x = layers.Add()([x, layers.Conv2D(8, 1)(y)])
    x = layers.Concatenate()([x, layers.AveragePooling2D(3, 1, padding="same")(x)])
    x = layers.ZeroPadding2D(((0, 1), (2, 1)))(x)
    x = layers.SeparableConv2D(6, 3, 2, activation="swish")(x)
    x = layers.MaxPooling2D(2, padding="same")(layers.LeakyReLU(0.1)(x))
    x = layers.PReLU(shared_axes=[1, 2])(layers.UpSampling2D(2)(x))
    x = layers.Dense(12, activation="elu")(layers.Flatten()(x))
    return keras.Model(image, layers.Dense(4, activation="softmax")(x))


def residual(layers: Any, keras: Any) -> Any:
    """MLPerf Tiny's image classifier, a third as wide."""

    def conv(x: Any, channels: int, stride: int) -> Any:
        return layers.BatchNormalization()(layers.Conv2D(channels, 3, stride, padding="same")(x))

    image = layers.Input((32, 32, 3))
    x = layers.ReLU()(conv(image, 6, 1))
    for channels, stride in ((6, 1), (12, 2), (24, 2)):
        y = conv(layers.ReLU()(conv(x, channels, stride)), channels, 1)
        x = layers.Conv2D(channels, 1, stride, padding="same")(x) if stride > 1 else x
        x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.Flatten()(layers.AveragePooling2D(8)(x))
    return keras.Model(image, layers.Dense(10, activation="softmax")(x))


def keywords(layers: Any, keras: Any) -> Any:
    """MLPerf Tiny's keyword spotting: one channel, not square."""
    sound = layers.Input((49, 10, 1))
    x = layers.ReLU()(
        layers.BatchNormalization()(layers.Conv2D(8, (10, 4), 2, padding="same")(sound))
    )
    for _ in range(2):
        x = layers.ReLU()(
            layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same")(x))
        )
        x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(8, 1)(x)))
    x = layers.Flatten()(layers.AveragePooling2D((25, 5))(x))
    return keras.Model(sound, layers.Dense(12, activation="softmax")(x))


def anomalies(layers: Any, keras: Any) -> Any:
    """MLPerf Tiny's autoencoder: vectors."""
    x = spectrum = layers.Input((64,))
    for units in (16, 16, 4, 16):
        x = layers.ReLU()(layers.BatchNormalization()(layers.Dense(units)(x)))
    return keras.Model(spectrum, layers.Dense(64)(x))


def application(name: str, size: int, last: str = "") -> Callable[[Any, Any], Any]:
    """A network of Keras applications, or its layers up to `last` with a new head."""

    def build(layers: Any, keras: Any) -> Any:
        make = getattr(keras.applications, name)
        model = make(weights=None, input_shape=(size, size, 3), classes=10)
        if not last:
            return model
        pooled = layers.GlobalAveragePooling2D()(model.get_layer(last).output)
        return keras.Model(model.input, layers.Dense(10, activation="softmax")(pooled))

    return build


MODELS: dict[str, Callable[[Any, Any], Any]] = {
    "small": small,
    "residual": residual,
    "keywords": keywords,
    "anomalies": anomalies,
}
APPLICATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "MobileNet": application("MobileNet", 72),
    "MobileNetV2": application("MobileNetV2", 96),
    "MobileNetV3Small": application("MobileNetV3Small", 96),
    "MobileNetV3Large": application("MobileNetV3Large", 96, "expanded_conv_7_add"),
    "EfficientNetB0": application("EfficientNetB0", 64, "block4b_add"),
    "EfficientNetV2B0": application("EfficientNetV2B0", 64, "block4b_add"),
    "ResNet50": application("ResNet50", 64, "conv3_block2_out"),
    "DenseNet121": application("DenseNet121", 64, "conv3_block3_concat"),
    "NASNetMobile": application("NASNetMobile", 64, "normal_concat_1"),
    "Xception": application("Xception", 96, "block6_sepconv1_act"),
}
"""Every kind of block, which later ones repeat; test_keras_networks.py has the whole networks."""
WHOLE = {"whole NASNetMobile": application("NASNetMobile", 64)}
"""The network with the most operators."""
BUILDERS = {**MODELS, **APPLICATIONS, **WHOLE}


@dataclasses.dataclass(frozen=True)
class Made:
    """A Keras model and its function of one image."""

    name: str
    model: Any
    function: Any


@pytest.fixture(
    scope="module",
    params=[*MODELS, *(pytest.param(name, marks=pytest.mark.slow) for name in APPLICATIONS)],
)
def made(request: pytest.FixtureRequest) -> Iterator[Made]:
    """Give one model after the other, with random statistics; all together take gigabytes."""
    import keras
    import tensorflow as tf

    name = request.param
    keras.utils.set_random_seed(5)
    model = BUILDERS[name](keras.layers, keras)
    rng = np.random.default_rng(5)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    function = tf.function(lambda x: model(x, training=False), autograph=False)
    yield Made(name, model, function)
    keras.backend.clear_session()
    gc.collect()


def spec(model: Any) -> Any:
    import tensorflow as tf

    return tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="input")


def assert_equal(imported: Imported, compute: Callable[[Any], Any]) -> None:
    assert not imported.unsupported, [node.attributes for node in imported.unsupported]
    shape = (2, *imported.graph.input_shape)
    images = np.random.default_rng(6).uniform(-1, 1, shape).astype(np.float32)
    expected = np.asarray(compute(images))
    output = reference.output(imported.graph, images).reshape(expected.shape)
    assert np.abs(output - expected).max() <= CLOSE * np.abs(expected).max()
    assert imported.classes == expected.shape[-1]


def converted(made: Made, *, float16: bool = False) -> bytes:
    import tensorflow as tf

    concrete = made.function.get_concrete_function(spec(made.model))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    if float16:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    data: bytes = converter.convert()
    return data


def test_tensorflows_converter(made: Made) -> None:
    imported = tflite.read_model(tflite_format.parse(converted(made)), name=made.name)
    assert "float16" not in imported.dtypes
    assert_equal(imported, made.model)


@pytest.mark.parametrize(
    "made",
    [*MODELS, *(pytest.param(name, marks=pytest.mark.slow) for name in WHOLE)],
    indirect=True,
)
def test_tensorflows_converter_to_float16(made: Made) -> None:
    data = converted(made, float16=True)
    imported = tflite.read_model(tflite_format.parse(data), name=made.name)
    assert "float16" in imported.dtypes
    session = litert.load(data, kernels="builtin")
    # Keras does not compute with rounded weights.
    assert_equal(imported, lambda x: session.run(x)[0])


def assert_tf2onnx_equal(made: Made, opset: int) -> None:
    import tf2onnx

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    proto, _ = tf2onnx.convert.from_function(
        made.function, input_signature=[spec(made.model)], opset=opset
    )
    parsed = onnx_format.parse(proto.SerializeToString())
    imported = onnx.read_model(parsed, name=made.name)
    assert_equal(imported, made.model)
    # The transpositions between NHWC and NCHW all cancel.
    assert "transpose" not in {node.op for node in imported.graph.nodes}


def test_tf2onnx(made: Made) -> None:
    assert_tf2onnx_equal(made, 18)


@pytest.mark.parametrize("made", list(MODELS), indirect=True)
def test_tf2onnx_of_an_older_opset(made: Made) -> None:
    assert_tf2onnx_equal(made, 13)
