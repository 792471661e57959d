"""Weights are set in our own Keras models, saved and loaded without change."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobiledeploy.base.errors import RequestError
from mobiledeploy.models import keras_builder, mobilenet_v1, mobilenet_v2, registry
from mobiledeploy.network import keras_model, weight_matching
from mobiledeploy.network.cost import cost
from mobiledeploy.network.fold import BatchNorm, Variables, fold
from mobiledeploy.network.network import Float
from mobiledeploy.ops.architecture import Architecture

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("without_children")]

V2 = registry.architecture("v2", alpha=0.35, image_size=32, classes=3)


@pytest.fixture(scope="module")
def model() -> Any:
    return keras_builder.build(V2, batch_norm_momentum=0.8)


def run(model: Any, seed: int = 0) -> Float:
    images = np.random.default_rng(seed).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    return np.asarray(model(images, training=False))


def random_variables(architecture: Architecture = V2) -> dict[str, Variables]:
    rng = np.random.default_rng(0)

    def some(*shape: int) -> Float:
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)

    variables = {}
    for layer in architecture.layers:
        if layer.has_weights:
            channels = layer.out_channels
            norm = BatchNorm(
                gamma=some(channels), beta=some(channels), mean=some(channels),
                variance=some(channels), epsilon=keras_builder.EPSILON,
            )  # fmt: skip
            dense = layer.op == "dense"
            variables[layer.name] = Variables(
                kernel=some(*layer.kernel_shape),
                bias=some(channels) if dense else None,
                batch_norm=None if dense else norm,
            )
    return variables


def assert_same(received: Variables, expected: Variables) -> None:
    np.testing.assert_array_equal(received.kernel, expected.kernel)
    if expected.bias is not None:
        np.testing.assert_array_equal(received.bias, expected.bias)
    if expected.batch_norm is None:
        assert received.batch_norm is None
    else:
        assert received.batch_norm is not None
        for field in dataclasses.fields(BatchNorm):
            np.testing.assert_array_equal(
                getattr(received.batch_norm, field.name), getattr(expected.batch_norm, field.name)
            )


@pytest.mark.parametrize(("arch", "head"), [("v1", "softmax"), ("v2", "logits")])
def test_a_built_model_has_the_shapes_and_parameters_of_its_architecture(
    arch: Any, head: Any
) -> None:
    alpha = 0.25 if arch == "v1" else 0.35
    network = registry.architecture(
        arch, alpha=alpha, image_size=32, classes=7, head=head, stem_stride=1
    )
    built = keras_builder.build(network)
    assert built.count_params() == cost(network).parameters
    shapes = network.shapes()
    for layer in network.layers:
        tensor = built.get_layer(layer.name).output
        assert tuple(tensor.shape[1:]) == shapes[layer.name]
    assert (np.isclose(run(built).sum(axis=1), 1)).all() == (head == "softmax")


def test_layers_have_the_documented_names_and_settings(model: Any) -> None:
    assert model.name == "mobilenet_v2_0.35_32"
    norm = model.get_layer("block_1_expand_BN")
    assert (norm.momentum, norm.epsilon) == (0.8, 1e-3)
    assert model.get_layer("block_1_expand_relu").max_value == 6
    assert not model.get_layer("block_1_expand").use_bias
    assert "block_1_project_relu" not in {layer.name for layer in model.layers}


def test_each_paper_has_its_builder() -> None:
    for module, name in ((mobilenet_v1, "conv_pw_13"), (mobilenet_v2, "block_16_project")):
        built = module.build(alpha=0.5, image_size=32, classes=2, head="logits")
        assert built.get_layer(name).filters == (512 if module is mobilenet_v1 else 160)
        assert built.output.name == built.get_layer("logits").output.name


def test_assigned_weights_are_read_back(model: Any) -> None:
    expected = random_variables()
    keras_model.assign(V2, model, expected)
    received = keras_model.variables_of(V2, model)
    assert received.keys() == expected.keys()
    for name in expected:
        assert_same(received[name], expected[name])


@pytest.mark.parametrize("name", ["m.keras", "m.weights.h5", "m.h5"])
def test_saved_weights_are_loaded(model: Any, tmp_path: Path, name: str) -> None:
    expected = random_variables()
    keras_model.assign(V2, model, expected)
    save = model.save_weights if ".weights" in name else model.save
    save(tmp_path / name)
    received = weight_matching.load(tmp_path / name, V2)
    assert received.head
    if ".weights" in name:
        for layer in expected:
            assert_same(received.variables[layer], expected[layer])
    else:  # batch normalisations are folded
        theirs, ours = fold(V2, received.variables), fold(V2, expected)
        for layer, weights in ours.weights.items():
            kernel, bias = theirs.weights[layer].kernel, theirs.weights[layer].bias
            np.testing.assert_allclose(kernel, weights.kernel, rtol=1e-5)
            np.testing.assert_allclose(bias, weights.bias, rtol=1e-5, atol=1e-5)


def test_without_head_the_dense_layer_is_unchanged(model: Any) -> None:
    before = model.get_layer("logits").get_weights()
    variables = random_variables()
    del variables["logits"]
    keras_model.assign(V2, model, variables, head=False)
    np.testing.assert_array_equal(model.get_layer("logits").get_weights()[0], before[0])
    np.testing.assert_array_equal(
        model.get_layer("Conv1").get_weights()[0], variables["Conv1"].kernel
    )


def test_a_refused_assignment_changes_nothing(model: Any) -> None:
    before = model.get_weights()
    variables = random_variables()
    variables["logits"] = Variables(kernel=np.ones((1280, 4), np.float32))
    with pytest.raises(RequestError, match=r"`logits`.*\(1280, 3\).*\(1280, 4\)"):
        keras_model.assign(V2, model, variables)
    del variables["logits"]
    with pytest.raises(RequestError, match="`logits` has no weights"):
        keras_model.assign(V2, model, variables)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_another_epsilon_a_bias_and_a_missing_norm_compute_the_same() -> None:
    """Variables that the model cannot hold unchanged are converted."""
    network = registry.architecture("v1", alpha=0.25, image_size=32, classes=3, head="logits")
    foreign = {}
    for name, variables in random_variables(network).items():
        norm = variables.batch_norm
        kernel = variables.kernel / np.float32(variables.kernel.size / variables.kernel.shape[-1])
        if norm is None:
            foreign[name] = variables
        elif name == "conv_pw_2":
            foreign[name] = Variables(kernel=kernel, bias=norm.beta)
        else:
            foreign[name] = Variables(
                kernel=kernel, bias=norm.gamma, batch_norm=dataclasses.replace(norm, epsilon=0.5)
            )
    built = keras_builder.build(network)
    keras_model.assign(network, built, foreign)
    from_model = keras_model.network_of(network, built)
    directly = fold(network, foreign)
    for name, weights in directly.weights.items():
        np.testing.assert_allclose(from_model.weights[name].kernel, weights.kernel, rtol=1e-5)
        np.testing.assert_allclose(
            from_model.weights[name].bias, weights.bias, rtol=1e-5, atol=1e-6
        )


def test_a_model_with_another_head_is_refused(model: Any) -> None:
    other = registry.architecture("v2", alpha=0.35, image_size=32, classes=4)
    with pytest.raises(RequestError, match="head is new"):
        keras_model.network_of(other, model)
    wider = registry.architecture("v2", alpha=0.5, image_size=32, classes=3)
    with pytest.raises(RequestError, match="`block_1_project`"):
        keras_model.network_of(wider, model)
