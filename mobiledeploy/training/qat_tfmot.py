"""The other engine: tensorflow-model-optimization on a tf_keras twin of the network.

The twin has one tf_keras layer for each of ours, with its activation function inside, and each
is wrapped directly: `quantize_model` would clone the model five times to come to the same. It
costs half as much again as the engine `folded`, and is here for comparison and for those who
trust it more.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.progress import Progress, silent
from mobiledeploy.data.pixels import Images
from mobiledeploy.models.keras_builder import DTYPE
from mobiledeploy.network.network import Network
from mobiledeploy.ops.architecture import INPUT, Layer
from mobiledeploy.ops.ranges import Ranges
from mobiledeploy.spec.config import QuantiseConfig, Scaling
from mobiledeploy.training import folded, graph, loop, qat, tfmot_quantizers
from mobiledeploy.training.augment import Augmentation, augmentation
from mobiledeploy.training.checkpoint import Checkpoints
from mobiledeploy.training.input_grid import limits
from mobiledeploy.training.loss import objective
from mobiledeploy.training.model import Model


def train_quantised(
    network: Network,
    ranges: Ranges,
    images: Images,
    config: QuantiseConfig,
    *,
    augment: Augmentation,
    seed: int,
    checkpoints: Checkpoints | None = None,
    progress: Progress = silent,
) -> tuple[Network, Ranges]:
    """Return the network and the ranges after training. See `qat.Engine`."""
    twin = build(network, ranges)
    plan = qat.plan(config, seed)
    loop.train(
        twin.trainable(),
        images.pixels,
        images.labels,
        plan,
        prepare=augmentation(augment, seed=seed, scaling=network.architecture.scaling),
        loss=objective(images.labels, network.architecture.classes),
        checkpoint=checkpoints.of("tfmot", network, ranges, images, plan, augment)
        if checkpoints
        else None,
        progress=progress,
    )
    return folded.network_of(network.architecture, twin.weights), twin.ranges()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Twin:
    """A network in tf_keras, wrapped for quantisation.

    Attributes:
        keras_model: float32 images to logits, a `tf_keras.Model`.
        weights: Kernel and bias by layer name, `tf.Variable`s.
        range_variables: Lowest and highest value by tensor name, scalar `tf.Variable`s.
        scaling: What the network takes for pixels.
    """

    keras_model: Any
    weights: Mapping[str, tuple[Any, Any]]
    range_variables: Mapping[str, tuple[Any, Any]]
    scaling: Scaling

    def trainable(self) -> Model:
        """Return what the loop trains: the ranges move with the forward pass."""
        return Model(
            variables=tuple(variable for pair in self.weights.values() for variable in pair),
            statistics=tuple(v for pair in self.range_variables.values() for v in pair),
            logits=lambda inputs: self.keras_model(inputs, training=True),
        )

    def ranges(self) -> Ranges:
        """Return the ranges as they are now; the input's is fixed by its grid."""
        found = {
            name: (float(low.numpy()), float(high.numpy()))
            for name, (low, high) in self.range_variables.items()
        }
        return {INPUT: limits(self.scaling), **found}


def build(network: Network, ranges: Ranges) -> Twin:
    """Return the wrapped twin of a network.

    The input is not quantised: 8-bit pixels lie on its grid already.

    Args:
        network: Its weights are copied.
        ranges: Where the activations' ranges start.
    """
    keras = tfmot_quantizers.module()
    import tf_keras

    architecture = network.architecture
    image = tf_keras.Input(architecture.input_shape, name=INPUT, dtype=DTYPE)
    tensors, weights, range_variables = {INPUT: image}, {}, {}
    for layer in architecture.layers:
        if layer.op == "softmax":
            continue
        output = tfmot_quantizers.activation_quantizer(*ranges[layer.name])
        kernel = tfmot_quantizers.kernel_quantizer(layer) if layer.has_weights else None
        inner, config = _twin_of(layer), tfmot_quantizers.config(kernel, output)
        sources = [tensors[name] for name in layer.inputs]
        wrapper = keras.QuantizeWrapperV2(inner, config, dtype=DTYPE)
        tensors[layer.name] = wrapper(sources if len(sources) > 1 else sources[0])
        range_variables[layer.name] = output.range["min_var"], output.range["max_var"]
        if layer.has_weights:
            weights[layer.name] = config.variable, inner.bias
            config.variable.assign(network.weights[layer.name].kernel)
            inner.bias.assign(network.weights[layer.name].bias)
    return Twin(
        keras_model=tf_keras.Model(image, tensors[architecture.logits.name]),
        weights=weights,
        range_variables=range_variables,
        scaling=architecture.scaling,
    )


def _twin_of(layer: Layer) -> Any:
    import tf_keras

    layers = tf_keras.layers
    activation = {"none": None, "relu": "relu", "relu6": "relu6"}[layer.activation]
    common = {"name": layer.name, "dtype": DTYPE}
    window = {
        "strides": layer.strides,
        "padding": layer.padding,
        "activation": activation,
        "data_format": "channels_last",
    }
    match layer.op:
        case "conv":
            return layers.Conv2D(layer.out_channels, layer.kernel, **window, **common)
        case "depthwise":
            return layers.DepthwiseConv2D(layer.kernel, **window, **common)
        case "add":
            return layers.Add(**common)
        case "mean":
            return layers.GlobalAveragePooling2D(data_format="channels_last", **common)
        case "dense":
            return layers.Dense(layer.out_channels, **common)
        case _:
            return layers.Lambda(_computed(layer), **common)


def _computed(layer: Layer) -> Callable[[Any], Any]:
    """Return what a layer without weights computes from its input, or from a list of them.

    Raises:
        RequestError: It cannot be trained.
    """
    compute = graph.twin(layer)

    def without_weights(layer: Layer, _: Any) -> Any:
        raise RequestError(f"layer `{layer.name}`: tf_keras has no twin of `{layer.op}`")

    return lambda inputs: compute(
        layer, inputs if len(layer.inputs) > 1 else [inputs], without_weights
    )
