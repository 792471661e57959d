"""Each operator computes the same in TensorFlow as in the float reference."""

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
