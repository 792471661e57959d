"""The default QAT engine, `folded`: fake quantisation of a network with batch norm folded.

Activation ranges come from calibration and stay fixed; kernel scales follow the weights at every
step. No moving average has to converge first, and a step takes no longer than a float step with
batch norm (benchmarks/qat_step.py).

Tensors are rounded to TFLite's int8 grids: kernels to -127..127 with one scale per output channel
(a single one for the dense layer), activations to 256 codes over their range. Gradients pass
straight through inside a range and are 0 outside.
"""

import dataclasses
from typing import Final

from mobiledeploy.base.progress import Progress, silent
from mobiledeploy.data.pixels import Images
from mobiledeploy.network.network import Network
from mobiledeploy.ops.architecture import Layer
from mobiledeploy.ops.ranges import Ranges
from mobiledeploy.spec.config import QuantiseConfig, WeightsPer
from mobiledeploy.training import loop, qat, tensorflow_graph, tensorflow_setup
from mobiledeploy.training.augment import Augmentation, augmentation
from mobiledeploy.training.checkpoint import Checkpoints
from mobiledeploy.training.loss import objective
from mobiledeploy.training.step import TrainableModel
from mobiledeploy.training.teacher import with_labels, with_teacher
from mobiledeploy.training.tensorflow_graph import (
    Apply,
    Observe,
    TfTensor,
    WeightPairs,
    convolve_to_train,
)

SMALLEST_RANGE: Final = 1e-8
"""Range of a channel whose weights are all 0: a scale must be positive."""


def train_quantised(
    network: Network,
    ranges: Ranges,
    images: Images,
    config: QuantiseConfig,
    *,
    teacher: Network,
    augment: Augmentation,
    seed: int,
    checkpoints: Checkpoints | None = None,
    progress: Progress = silent,
) -> tuple[Network, Ranges]:
    """Return the trained network with the same ranges. See `qat.Engine`."""
    variables = tensorflow_graph.variables_of(network)
    plan = qat.plan(config, seed)
    loop.train(
        with_teacher(model_of(network, variables, ranges), teacher),
        images.pixels,
        images.labels,
        plan,
        prepare=augmentation(augment, seed=seed, scaling=network.architecture.scaling),
        loss=with_labels(objective(images.labels, network.architecture.classes)),
        checkpoint=checkpoints.of("folded", network, teacher, ranges, images, plan, augment)
        if checkpoints
        else None,
        progress=progress,
    )
    trained = tensorflow_graph.network_of(network.architecture, variables)
    return dataclasses.replace(trained, weights_per=network.weights_per), ranges


def model_of(network: Network, variables: WeightPairs, ranges: Ranges) -> TrainableModel:
    """Return the fake-quantised network for the training loop."""
    apply = fake_quantised_layers(variables, network.weights_per)
    observe = fake_quantised_activations(ranges)
    return TrainableModel(
        variables=tuple(variable for pair in variables.values() for variable in pair),
        logits=lambda inputs: tensorflow_graph.forward(
            network.architecture, inputs, apply, observe=observe
        ),
    )


def fake_quantised_kernel(
    layer: Layer, values: TfTensor, weights_per: WeightsPer = "channel"
) -> TfTensor:
    """Return a kernel rounded to its int8 grid, same shape.

    Args:
        layer: The layer with this kernel.
        values: float32, in Keras's order.
        weights_per: What of a convolution's kernel has a scale of its own.

    Raises:
        ValueError: The layer has no kernel.
    """
    tf = tensorflow_setup.tensorflow()
    match layer.op:
        case "dense" | "conv" | "depthwise" if layer.op == "dense" or weights_per == "tensor":
            bound = _largest_magnitude(values, None)
            return tf.quantization.fake_quant_with_min_max_vars(
                values, -bound, bound, narrow_range=True
            )
        case "depthwise":
            # The operation wants all channels last, this kernel has those of each channel last.
            channels_last = tf.reshape(values, (*layer.kernel, 1, layer.out_channels))
            return tf.reshape(_rounded_per_channel(channels_last), layer.kernel_shape)
        case "conv":
            return _rounded_per_channel(values)
        case op:
            raise ValueError(f"`{layer.name}`: expected a layer with a kernel, received {op}")


def _rounded_per_channel(values: TfTensor) -> TfTensor:
    tf = tensorflow_setup.tensorflow()
    bound = _largest_magnitude(values, (0, 1, 2))
    return tf.quantization.fake_quant_with_min_max_vars_per_channel(
        values, -bound, bound, narrow_range=True
    )


def _largest_magnitude(values: TfTensor, axes: tuple[int, ...] | None) -> TfTensor:
    tf = tensorflow_setup.tensorflow()
    return tf.stop_gradient(tf.maximum(tf.reduce_max(tf.abs(values), axes), SMALLEST_RANGE))


def fake_quantised_layers(weights: WeightPairs, weights_per: WeightsPer = "channel") -> Apply:
    """Return the `apply` of `forward` with kernels rounded to int8 grids; biases stay float.

    Args:
        weights: Kernel and bias by layer name.
        weights_per: What of a convolution's kernel has a scale of its own.
    """
    tf = tensorflow_setup.tensorflow()

    def apply(layer: Layer, source: TfTensor) -> TfTensor:
        values, bias = weights[layer.name]
        return tf.nn.bias_add(
            convolve_to_train(layer, source, fake_quantised_kernel(layer, values, weights_per)),
            bias,
        )

    return apply


def fake_quantised_activations(ranges: Ranges) -> Observe:
    """Return the `observe` of `forward` that rounds every activation to its int8 grid.

    Args:
        ranges: Lowest and highest value by tensor name.
    """
    tf = tensorflow_setup.tensorflow()

    def observe(name: str, tensor: TfTensor) -> TfTensor:
        low, high = ranges[name]
        return tf.quantization.fake_quant_with_min_max_args(tensor, low, high)

    return observe
