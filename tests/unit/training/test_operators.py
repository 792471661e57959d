"""Each operator computes the same in TensorFlow as in the float reference."""

import dataclasses
from typing import Any

import gates
import graphs
import numpy as np
import pytest

from mobiledeploy.base.errors import RequestError
from mobiledeploy.models import keras_builder
from mobiledeploy.ops import table
from mobiledeploy.ops.architecture import INPUT, Architecture, Layer
from mobiledeploy.ops.node import WeightedNode
from mobiledeploy.ops.operator import Example, Operator
from mobiledeploy.training import qat_tfmot, tensorflow_graph

EXAMPLES = [
    pytest.param(operator, example, id=f"{operator.LAYERS[0]}: {example.name}")
    for operator in table.OPERATORS
    for example in operator.examples()
    if getattr(example.node, "code", None) is None or example.name != "another code"
]
"""All but a padding with another value than 0, which no float layer has."""


@pytest.mark.tensorflow
@pytest.mark.parametrize(("operator", "example"), EXAMPLES)
def test_an_operator_computes_the_same_as_the_float_reference(
    operator: Operator[Any], example: Example
) -> None:
    random, node = np.random.default_rng(8), example.node
    sources = [
        (random.normal(0, 30, (2, *each.shape)) * each.scale).astype(np.float32)
        for each in example.inputs
    ]
    layer, weights, pairs = operator.float_layer(node, example.inputs), None, {}
    if isinstance(node, WeightedNode):
        kernel, bias = weights = node.weights.real(node.channel_axis)
        # OHWI to HWIO, 1HWC to HWC1, OI to IO.
        order = (*range(1, kernel.ndim), 0)
        turned = kernel.transpose(order)
        # H, W, C * M and 1 to H, W, C and M.
        pairs = {layer.name: (turned.reshape(*turned.shape[:2], *layer.kernel_shape[2:]), bias)}
    received = tensorflow_graph.tensorflow_operator(layer)(
        layer, sources, tensorflow_graph.float_layers(pairs)
    )
    expected = operator.float_values(node, sources, weights)
    np.testing.assert_allclose(np.asarray(received), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.tensorflow
@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (2, 1)])
@pytest.mark.parametrize("dilations", [(2, 2), (1, 2)])
def test_a_dilated_kernel_is_one_with_zeros_between(
    strides: tuple[int, int], dilations: tuple[int, int]
) -> None:
    """TensorFlow's own depthwise convolution is wrong if it is dilated and strided."""
    random = np.random.default_rng(2)
    images = random.normal(0, 1, (2, 9, 10, 4)).astype(np.float32)
    kernel = random.normal(0, 1, (3, 2, 4, 2)).astype(np.float32)
    wide = np.zeros((2 * dilations[0] + 1, dilations[1] + 1, 4, 2), np.float32)
    wide[:: dilations[0], :: dilations[1]] = kernel
    layer = Layer(
        name="filter", op="depthwise", inputs=(INPUT,), in_channels=4, out_channels=8,
        kernel=(3, 2), strides=strides, padding=(2, 1, 0, 3), parameters={"dilations": dilations},
    )  # fmt: skip
    plain = dataclasses.replace(layer, kernel=wide.shape[:2], parameters={})
    received = tensorflow_graph.convolve(layer, images, kernel)
    expected = tensorflow_graph.convolve(plain, images, wide)
    assert received.shape[1:] == layer.operator.output_shape(layer, [images.shape[1:]])
    np.testing.assert_allclose(received, expected, atol=1e-5)


def gated() -> Architecture:
    def layer(name: str, op: str, *inputs: str, ins: int = 4, outs: int = 4) -> Layer:
        return Layer(name=name, op=op, inputs=inputs, in_channels=ins, out_channels=outs)

    return Architecture(
        name="gated",
        input_shape=(4, 4, 3),
        layers=(
            layer("stem", "conv", INPUT, ins=3),
            layer("swished", "hard_swish", "stem"),
            layer("gated", "mul", "swished", "stem"),
            layer("pool", "mean", "gated"),
            layer("logits", "dense", "pool", outs=3),
        ),
    )


@pytest.mark.tensorflow
def test_operators_without_weights_are_trained_by_both_engines() -> None:
    network, ranges = graphs.random_network(gated())
    ranges = dict.fromkeys(ranges, (-8.0, 8.0))
    images = np.random.default_rng(0).normal(0, 0.5, (2, 4, 4, 3)).astype(np.float32)
    wrapped = qat_tfmot.wrap(network, ranges)
    assert set(wrapped.range_variables) == {layer.name for layer in gated().layers}
    logits = tensorflow_graph.forward(
        gated(), images, tensorflow_graph.constant_layers(network)
    ).numpy()
    rounded = wrapped.keras_model(images, training=False).numpy()
    np.testing.assert_allclose(rounded, logits, atol=0.3)
    assert np.abs(rounded - logits).max() > 0


@pytest.mark.tensorflow
def test_gates_on_a_fixed_grid_are_trained_without_a_range_of_their_own() -> None:
    architecture = gates.swish_and_gate()
    network, ranges = graphs.random_network(architecture)
    ranges = dict.fromkeys(ranges, (-8.0, 8.0))
    images = np.random.default_rng(0).normal(0, 0.5, (2, 12, 10, 3)).astype(np.float32)
    wrapped = qat_tfmot.wrap(network, ranges)
    fixed = {layer.name for layer in architecture.layers if layer.op == "logistic"}
    assert set(wrapped.range_variables) == {each.name for each in architecture.layers} - fixed
    logits = tensorflow_graph.forward(
        architecture, images, tensorflow_graph.constant_layers(network)
    ).numpy()
    rounded = wrapped.keras_model(images, training=False).numpy()
    np.testing.assert_allclose(rounded, logits, atol=0.5)


@pytest.mark.tensorflow
def test_keras_models_are_built_of_the_papers_operators_only() -> None:
    with pytest.raises(RequestError, match="layer `swished`: expected an operator of the papers'"):
        keras_builder.build(gated())
