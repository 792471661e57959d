"""A Keras model's graph computes what Keras computes, or names what it does not."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import keras_models
import numpy as np
import pytest
import tf_keras

from mobiledeploy.base.errors import CorruptFileError, RequestError
from mobiledeploy.network.importers import keras as importer
from mobiledeploy.network.importers import keras_activations
from mobiledeploy.network.importers.builder import GraphBuilder

pytestmark = [
    pytest.mark.usefixtures("without_children"),
    pytest.mark.tensorflow,
    pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file:UserWarning"),
]

ROUNDING = 3e-6
"""Largest difference by rounding in float32, as a share of the largest output."""
LIBRARIES = [
    pytest.param(keras, id="keras"),
    pytest.param(tf_keras, id="tf_keras", marks=pytest.mark.slow),
]
IMAGE = (16, 18, 6)

Layers = Callable[[Any], list[Any]]


def images(*shape: int, seed: int = 1) -> Any:
    return np.random.default_rng(seed).normal(0, 1, (2, *shape)).astype(np.float32)


def sequential(library: Any, shape: tuple[int | None, ...], layers: list[Any]) -> Any:
    return library.Sequential([library.layers.Input(shape), *layers])


CHAINS: dict[str, tuple[tuple[int, ...], Layers]] = {
    "convolutions": (IMAGE, lambda of: [
        of.Conv2D(8, 3, padding="same", strides=2, activation="relu"),
        of.Conv2D(8, (1, 3), use_bias=False, groups=2),
        of.Conv2D(6, 3, padding="same", dilation_rate=2, activation="relu6"),
    ]),
    "depthwise": (IMAGE, lambda of: [
        of.DepthwiseConv2D(3, padding="same", strides=2, depth_multiplier=2),
        of.DepthwiseConv2D((3, 1), use_bias=False),
        of.SeparableConv2D(5, 3, padding="same", depth_multiplier=2, activation="tanh"),
    ]),
    "batch_norms": (IMAGE, lambda of: [
        of.BatchNormalization(epsilon=0.01), of.BatchNormalization(scale=False),
        of.BatchNormalization(center=False), of.BatchNormalization(scale=False, center=False),
    ]),
    "pools": (IMAGE, lambda of: [
        of.MaxPooling2D(3, strides=2, padding="same"), of.AveragePooling2D(3, 1, padding="same"),
        of.AveragePooling2D((2, 3)), of.GlobalMaxPooling2D(),
    ]),
    "moves": (IMAGE, lambda of: [
        of.ZeroPadding2D(((1, 2), (0, 3))), of.Cropping2D(((0, 1), (2, 1))), of.UpSampling2D(2),
        of.Permute((2, 1, 3)), of.Reshape((-1, 12)), of.Flatten(), of.Dense(3),
    ]),
    "functions": (IMAGE, lambda of: [
        of.ReLU(3.0), of.Activation("swish"), of.ReLU(negative_slope=0.1), of.ELU(0.5),
        of.Activation("selu"), of.Activation("softplus"), of.Dropout(0.5),
        of.PReLU(shared_axes=[1, 2]), of.Activation("log_softmax"),
        of.Activation("hard_sigmoid"), of.GlobalAveragePooling2D(keepdims=True), of.Softmax(),
    ]),
    "leaky_relu": (IMAGE, lambda of: [of.LeakyReLU(0.2), of.Dense(4, activation="gelu")]),
    "pixels": (IMAGE, lambda of: [
        of.RandomFlip(), of.RandomRotation(0.1), of.Rescaling(0.5, offset=-1),
        of.Rescaling([1, 2, 3, 4, 5, 6]), of.Rescaling(2.0, offset=[1, 2, 3, 4, 5, 6]),
        of.Normalization(mean=[1, 2, 3, 4, 5, 6], variance=[1, 2, 3, 4, 5, 6]),
        of.Normalization(mean=1, variance=4, axis=None),
        of.Normalization(), of.GlobalAveragePooling2D(),
    ]),
    "vector": ((7,), lambda of: [
        of.Normalization(), of.Dense(9, activation="relu"), of.BatchNormalization(),
        of.PReLU(), of.Dense(4, activation="sigmoid"), of.Activation("linear"),
    ]),
    "sequence": ((20, 5), lambda of: [
        of.Conv1D(6, 3, padding="causal", dilation_rate=2, activation="relu"),
        of.Conv1D(6, 4, strides=2, padding="same"), of.BatchNormalization(),
        of.SeparableConv1D(4, 3), of.MaxPooling1D(2), of.ZeroPadding1D(1),
        of.AveragePooling1D(2, strides=1, padding="same"), of.GlobalAveragePooling1D(),
    ]),
    "spectrogram": ((49, 10, 1), lambda of: [
        of.Conv2D(8, (10, 4), strides=2, padding="same"), of.BatchNormalization(), of.ReLU(),
        of.AveragePooling2D((25, 5)), of.Flatten(), of.Dense(12, activation="softmax"),
    ]),
}  # fmt: skip


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", CHAINS)
def test_layers_compute_what_keras_computes(library: Any, name: str, tmp_path: Path) -> None:
    shape, layers = CHAINS[name]
    model = sequential(library, shape, layers(library.layers))
    keras_models.randomise(model)
    suffixes = (".keras", ".h5")
    assert max(keras_models.differences(model, images(*shape), tmp_path, *suffixes)) < ROUNDING


def merges(library: Any) -> Any:
    of = library.layers
    image = of.Input(IMAGE)
    first = of.Conv2D(6, 3, padding="same")(image)
    gate = of.Dense(6, activation="sigmoid")(of.GlobalAveragePooling2D()(first))
    tensors = [
        of.Add()([image, first, first]), of.Multiply()([first, of.Reshape((1, 1, 6))(gate)]),
        of.Multiply()([first, gate]), of.Subtract()([image, first]),
        of.Average()([image, first, first]), of.Maximum()([image, first]),
        of.Minimum()([image, first]),
    ]  # fmt: skip
    tall = of.Concatenate(axis=1)([of.Concatenate()(tensors), of.Concatenate(axis=-1)(tensors)])
    return library.Model(image, of.Concatenate(axis=2)([tall, tall]))


def nested(library: Any) -> Any:
    """Return a model that calls a model twice, which holds a model, with layers of one name."""
    of = library.layers
    image = of.Input((8, 8, 4))
    tail = library.Sequential(
        [
            of.Input((8, 8, 4)),
            of.Conv2D(4, 3, padding="same", name="conv"),
            of.PReLU(shared_axes=[1, 2]),
        ],
        name="tail",
    )
    inside = of.Conv2D(4, 1, name="conv")(image)
    inside = of.BatchNormalization(name="norm")(inside)
    trunk = library.Model(image, tail(inside), name="trunk")
    other = of.Input((8, 8, 4))
    shared = of.Conv2D(4, 3, padding="same", name="conv")
    dense = of.Dense(4, activation="relu", name="dense")
    start = library.Sequential([of.RandomFlip(), of.Rescaling(0.5)], name="start")(other)
    first = trunk(shared(start))
    second = trunk(shared(first))
    return library.Model(other, dense(dense(of.Add()([first, second]))))


def operators(library: Any) -> Any:
    of = library.layers
    image = of.Input((8, 8, 3))
    x = image / 127.5
    x = x - 1.0
    x = (1.0 - x) * np.array([0.5, 1.0, 2.0], np.float32) + np.array(
        [[[[1.0, 2.0, 3.0]]]], np.float32
    )
    x = of.Conv2D(6, 3)(-x)
    x = of.Conv2D(6, 3)(x * x + x - of.ReLU()(x))
    return library.Model(image, of.GlobalAveragePooling2D()(x))


def preprocessed(mode: str) -> Callable[[Any], Any]:
    def build(library: Any) -> Any:
        image = library.layers.Input((8, 8, 3))
        preprocess = getattr(library.applications, mode).preprocess_input
        return library.Model(image, library.layers.Conv2D(4, 3)(preprocess(image)))

    return build


def names_of_trunk_layers_repeat(library: Any) -> Any:
    """Return a model of two models whose layers have the same names."""
    of = library.layers
    image = of.Input((8, 8, 3))

    def branch(name: str) -> Any:
        start = of.Input((8, 8, 3))
        return library.Model(start, of.Conv2D(4, 3, name="conv")(start), name=name)

    return library.Model(image, of.Concatenate()([branch("left")(image), branch("right")(image)]))


GRAPHS: dict[str, Callable[[Any], Any]] = {
    "merges": merges, "nested": nested, "operators": operators,
    "tf": preprocessed("mobilenet"), "caffe": preprocessed("resnet50"),
    "torch": preprocessed("densenet"), "two_trunks": names_of_trunk_layers_repeat,
}  # fmt: skip
SUFFIXES = {
    ("tf_keras", "caffe"): [".h5"],  # an ellipsis is not saved as .keras
    ("tf_keras", "operators"): [".h5"],  # nor a NumPy array
    ("tf_keras", "nested"): [".keras"],  # layers of one name are not saved as .h5
}
"""The formats in which tf_keras can save a model, where it is not both."""


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_compute_what_keras_computes(library: Any, name: str, tmp_path: Path) -> None:
    model = GRAPHS[name](library)
    keras_models.randomise(model)
    inputs = images(*model.input_shape[1:])
    suffixes = SUFFIXES.get((library.__name__, name), [".keras", ".h5"])
    assert max(keras_models.differences(model, inputs, tmp_path, *suffixes)) < ROUNDING


def test_functions_of_keras_3_compute_what_keras_computes(tmp_path: Path) -> None:
    of, ops = keras.layers, keras.ops
    image = of.Input((8, 8, 6))
    x = of.Conv2D(6, 3, padding="same")(image)
    x = ops.concatenate([ops.relu(x), ops.relu6(x), ops.clip(x, -0.5, 0.5)], axis=-1)
    x = ops.leaky_relu(x, 0.1) + ops.silu(x) + ops.gelu(x) + ops.hard_sigmoid(x)
    x = ops.maximum(x, 0.1) + ops.minimum(x, ops.tanh(x)) + ops.hard_silu(x) + ops.square(x)
    x = ops.transpose(x, (0, 2, 1, 3))[:, 1:, ::2, 3:15]
    x = ops.reshape(x, (-1, 7, 24, 2))
    x = ops.stack([ops.mean(x, (1, 2)), ops.max(x, (1, 2))], axis=1)
    x = ops.squeeze(ops.expand_dims(ops.cast(x, "float32"), 1), 1)
    model = keras.Model(image, ops.softmax(ops.reshape(x, (-1, 4))))
    keras_models.randomise(model)
    found = keras_models.differences(model, images(8, 8, 6), tmp_path, ".keras", ".h5")
    assert max(found) < ROUNDING


def test_functions_of_tensorflow_compute_what_keras_computes(tmp_path: Path) -> None:
    import tensorflow as tf

    of = tf_keras.layers
    image = of.Input((8, 8, 6))
    x = of.Conv2D(6, 3, padding="same")(tf.cast(image, tf.float32))
    x = tf.concat([tf.nn.relu(x), tf.nn.relu6(x), tf.clip_by_value(x, -0.5, 0.5)], axis=-1)
    x = tf.nn.leaky_relu(x, 0.1) + tf.nn.silu(x) + tf.nn.gelu(x) + tf.sigmoid(x)
    x = tf.maximum(x, 0.1) + tf.minimum(x, tf.tanh(x)) + tf.square(x)
    x = tf.transpose(x, (0, 2, 1, 3))[:, 1:, ::2, 3:15]
    x = tf.reshape(x, (-1, 7, 24, 2))
    x = tf.stack([tf.reduce_mean(x, (1, 2)), tf.reduce_max(x, (1, 2))], axis=1)
    x = tf.squeeze(tf.expand_dims(x, 1), 1)
    model = tf_keras.Model(image, tf.nn.softmax(tf.reshape(x, (-1, 4))))
    keras_models.randomise(model)
    found = keras_models.differences(model, images(8, 8, 6), tmp_path, ".h5")
    assert max(found) < ROUNDING


@pytest.mark.parametrize("policy", ["float16", "bfloat16", "mixed_float16", "mixed_bfloat16"])
def test_other_types_of_numbers_are_read_as_float32(policy: str, tmp_path: Path) -> None:
    layers = [
        keras.layers.Conv2D(4, 3, dtype=policy), keras.layers.BatchNormalization(dtype=policy),
        keras.layers.Dense(3, dtype=policy),
    ]  # fmt: skip
    model = sequential(keras, (8, 8, 3), layers)
    keras_models.randomise(model)
    inputs = images(8, 8, 3)
    plain = sequential(keras, (8, 8, 3), [
        keras.layers.Conv2D(4, 3), keras.layers.BatchNormalization(), keras.layers.Dense(3)
    ])  # fmt: skip
    plain.set_weights([np.asarray(array, np.float32) for array in model.get_weights()])
    expected = keras_models.predicted(plain, inputs)
    for suffix in (".keras", ".h5"):
        imported = importer.read(keras_models.saved(model, tmp_path / f"m{suffix}"))
        assert keras_models.difference(imported, inputs, expected) < ROUNDING
        mixed = policy.startswith("mixed")
        assert imported.dtypes == ("float32" if mixed else policy,)
        assert [notice.kind for notice in imported.notices] == [
            "mixed_precision" if mixed else policy
        ]


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_model_with_channels_first_computes_the_same_on_images_with_channels_last(
    library: Any,
) -> None:
    def model(data_format: str, shape: tuple[int, ...]) -> Any:
        of, form = library.layers, {"data_format": data_format}
        axis = 1 if data_format == "channels_first" else -1
        return sequential(library, shape, [
            of.Conv2D(8, 3, padding="same", strides=2, **form), of.BatchNormalization(axis=axis),
            of.ReLU(), of.DepthwiseConv2D(3, **form), of.ZeroPadding2D(1, **form),
            of.MaxPooling2D(2, **form), of.Flatten(**form), of.Dense(5),
        ])  # fmt: skip

    first, last = model("channels_first", (3, 16, 12)), model("channels_last", (16, 12, 3))
    keras_models.randomise(last)
    first.set_weights(last.get_weights())
    imported, inputs = importer.read_model(first), images(16, 12, 3)
    assert imported.graph.input_shape == (16, 12, 3)
    assert imported.input_layout == "NCHW"
    expected = keras_models.predicted(last, inputs)
    assert keras_models.difference(imported, inputs, expected) < ROUNDING


@pytest.mark.parametrize("library", LIBRARIES)
def test_facts_that_the_file_states_are_kept(library: Any, tmp_path: Path) -> None:
    model = sequential(library, (8, 8, 3), [library.layers.Flatten(), library.layers.Dense(7)])
    for suffix in (".keras", ".h5"):
        imported = importer.read(keras_models.saved(model, tmp_path / f"m{suffix}"))
        name = "Keras" if library is keras else "tf.keras"
        assert imported.producer == f"{name} {library.__version__}"
        assert (imported.source, imported.classes, imported.input_layout) == ("keras", 7, "NHWC")
        assert imported.graph.input_shape == (8, 8, 3)
        assert imported.notices == ()


@pytest.mark.parametrize("library", LIBRARIES)
def test_layers_keep_their_names(library: Any) -> None:
    layers = [library.layers.Conv2D(4, 3, activation="relu", name="stem"),
              library.layers.BatchNormalization(name="stem_norm")]  # fmt: skip
    graph = importer.read_model(sequential(library, (8, 8, 3), layers)).graph
    assert [node.name for node in graph.nodes] == ["stem", "stem/clip", "stem_norm"]
    assert [node.kind for node in graph.nodes] == ["Conv2D", "Conv2D", "BatchNormalization"]


def refused(library: Any, shape: tuple[int, ...], *layers: Any) -> dict[str, str]:
    """Return the reasons of what is not supported, by label."""
    imported = importer.read_model(sequential(library, shape, list(layers)))
    return {node.label: node.attributes["reason"] for node in imported.unsupported}


class Mine(keras.layers.Layer):  # type: ignore[misc]
    def call(self, inputs: Any) -> Any:
        return inputs


def test_all_layers_that_are_not_supported_are_named_with_their_reason() -> None:
    of = keras.layers
    problems = refused(
        keras, (8, 8, 3), of.Conv2D(4, 3, name="a"), of.LayerNormalization(name="b"),
        of.Conv2D(4, 3, activation=lambda x: x, name="c"), of.Lambda(lambda x: x, name="d"),
        Mine(name="e"), of.UpSampling2D(2, interpolation="bilinear", name="f"),
        of.ReLU(threshold=1.0, name="i"), of.Conv2DTranspose(4, 3, name="g"), of.Flatten(),
        of.Dense(3, name="h"), of.LayerNormalization(name="j"),
    )  # fmt: skip
    assert [label.split("`")[1] for label in problems] == list("bcdefigj")
    assert "no exact int8 form of LayerNormalization" in problems["`b` (LayerNormalization)"]
    assert "Python code" in problems["`c` (Conv2D)"]
    assert "not run" in problems["`d` (Lambda)"]
    assert "not a class of Keras" in problems["`e` (Mine)"]
    assert "bilinear" in problems["`f` (UpSampling2D)"]
    assert "Conv2DTranspose" in problems["`g` (Conv2DTranspose)"]
    assert "threshold" in problems["`i` (ReLU)"]


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (keras.layers.PReLU, "differs along several axes"),
        (lambda: keras.layers.Resizing(4, 4), "resizes images from (8, 8) to (4, 4)"),
        (lambda: keras.layers.Softmax(axis=0), "across the images"),
        (lambda: keras.layers.Normalization(axis=(1, 3)), "its axis is"),
        (lambda: keras.layers.Activation("softsign"), "`softsign` is not supported"),
    ],
)
def test_settings_that_are_not_supported_are_named(layer: Callable[[], Any], reason: str) -> None:
    [text] = refused(keras, (8, 8, 3), layer()).values()
    assert reason in text


def test_what_does_not_matter_to_the_output_is_ignored() -> None:
    image = keras.layers.Input((8, 8, 3))
    middle = keras.layers.Conv2D(4, 3)(image)
    whole = keras.Model(image, [middle, keras.layers.LayerNormalization()(middle)])
    assert not importer.read_model(keras.Model(image, whole.outputs[0])).unsupported


def test_a_layer_called_as_in_training_is_refused() -> None:
    image = keras.layers.Input((8, 8, 3))
    for layer in (keras.layers.Dropout(0.5), keras.layers.BatchNormalization()):
        model = keras.Model(image, layer(image, training=True))
        [problem] = importer.read_model(model).unsupported
        assert "training=True" in problem.attributes["reason"]


def test_models_with_several_inputs_or_outputs_are_refused() -> None:
    first, second = keras.layers.Input((4,), name="a"), keras.layers.Input((4,), name="b")
    added = keras.layers.Add()([first, second])
    with pytest.raises(RequestError, match=r"one input, received `a`, `b`"):
        importer.read_model(keras.Model([first, second], added))
    with pytest.raises(RequestError, match="one output, received 2: multiply"):
        importer.read_model(keras.Model(first, [first * 2, first * 3]))


def test_an_input_of_any_size_needs_the_size_of_the_images() -> None:
    layers = [keras.layers.Conv2D(4, 3), keras.layers.GlobalAveragePooling2D()]
    model = sequential(keras, (None, None, 3), layers)
    with pytest.raises(RequestError, match="any size"):
        importer.read_model(model)
    imported = importer.read_model(model, image_size=(9, 7))
    assert imported.graph.input_shape == (9, 7, 3)
    fixed = sequential(keras, (8, 8, 3), [keras.layers.Conv2D(4, 3)])
    with pytest.raises(RequestError, match="8 x 8 pixels, not of 9 x 7"):
        importer.read_model(fixed, image_size=(9, 7))


class MyModel(keras.Model):  # type: ignore[misc]
    def call(self, inputs: Any) -> Any:
        return super().call(inputs) + 1


def test_a_model_whose_class_is_the_users_own_is_refused(tmp_path: Path) -> None:
    image = keras.layers.Input((8, 8, 3))
    model = MyModel(image, keras.layers.Conv2D(4, 3)(image))
    with pytest.raises(RequestError, match="class `MyModel`"):
        importer.read(keras_models.saved(model, tmp_path / "m.keras"))
    nested = keras.Model(image, model(image))
    [problem] = importer.read_model(nested).unsupported
    assert "not a class of Keras" in problem.attributes["reason"]


def test_something_else_than_a_model_is_refused() -> None:
    with pytest.raises(RequestError, match="received int"):
        importer.read_model(3)


def small(tmp_path: Path, suffix: str) -> Path:
    model = sequential(keras, (8, 8, 3), [
        keras.layers.Conv2D(4, 3, name="first"), keras.layers.Conv2D(4, 3, name="second")
    ])  # fmt: skip
    return keras_models.saved(model, tmp_path / f"m{suffix}")


def test_files_with_weights_only_are_refused(tmp_path: Path) -> None:
    model = sequential(keras, (8, 8, 3), [keras.layers.Conv2D(4, 3)])
    model.save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(RequestError, match="without the model"):
        importer.read(tmp_path / "m.weights.h5")


def test_missing_weights_are_named(tmp_path: Path) -> None:
    path = small(tmp_path, ".h5")
    with h5py.File(path, "r+") as file:
        file["model_weights/second"].attrs["weight_names"] = np.array([], "S1")
    with pytest.raises(CorruptFileError, match="weights of layer `second`"):
        importer.read(path)


def test_weights_go_to_the_layer_whose_name_they_have(tmp_path: Path) -> None:
    """Two layers of one shape whose groups are exchanged in the file, with their names."""
    model = sequential(keras, (8, 8, 3), [
        keras.layers.Conv2D(3, 3, name="first"), keras.layers.Conv2D(3, 3, name="second")
    ])  # fmt: skip
    keras_models.randomise(model)
    path = keras_models.saved(model, tmp_path / "m.keras")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    weights = tmp_path / "weights.h5"
    weights.write_bytes(members["model.weights.h5"])
    with h5py.File(weights, "r+") as file:
        layers = file["layers"]
        layers.move("conv2d", "other")
        layers.move("conv2d_1", "conv2d")
        layers.move("other", "conv2d_1")
    members["model.weights.h5"] = weights.read_bytes()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    inputs = images(8, 8, 3)
    expected = keras_models.predicted(model, inputs)
    assert keras_models.difference(importer.read(path), inputs, expected) < ROUNDING


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_tensorflows_own_names_of_functions_are_known(name: str) -> None:
    of_tensorflow = {"class_name": "function", "module": "builtins", "config": f"{name}_v2"}
    builder = GraphBuilder(channels_last=True)
    activation = keras_activations.of_setting(of_tensorflow, keras_2=False)
    activation(builder, builder.made("input", (1, 3), (1,)))
    assert [node.op for node in builder.nodes] == [name]
    with pytest.raises(keras_activations.SettingError, match="in place of a function"):
        keras_activations.of_setting({**of_tensorflow, "config": "swish"}, keras_2=False)


def test_nan_in_the_weights_is_named(tmp_path: Path) -> None:
    model = sequential(keras, (8, 8, 3), [keras.layers.Dense(3, name="last")])
    model.layers[-1].set_weights([np.full((3, 3), np.nan), np.zeros(3)])
    [problem] = importer.read_model(model).unsupported
    assert problem.name == "last"
    assert "`kernel` holds NaN" in problem.attributes["reason"]


def test_models_that_call_models_without_end_are_refused(tmp_path: Path) -> None:
    """Each model calls the one inside it ten times: 10^8 layers in a few kilobytes."""

    def call(name: str) -> dict[str, Any]:
        tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}}
        return {"args": [tensor], "kwargs": {}}

    row: dict[str, Any] = {"class_name": "ReLU", "config": {"name": "r"}, "name": "r"}
    for depth in range(8):
        entry = {"class_name": "InputLayer", "config": {"name": "i", "batch_shape": [None, 4]},
                 "name": "i", "inbound_nodes": []}  # fmt: skip
        row = {**row, "inbound_nodes": [call("i")] * 10}
        inside = {"name": f"m{depth}", "layers": [entry, row], "input_layers": ["i", 0, 0],
                  "output_layers": [row["name"], 9, 0]}  # fmt: skip
        row = {"class_name": "Functional", "config": inside, "name": f"m{depth}"}
    path = small(tmp_path, ".keras")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["config.json"] = json.dumps(row).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(CorruptFileError, match="configuration is damaged"):
        importer.read(path)
