"""The QAT engine `tfmot`: tensorflow-model-optimization on a tf_keras copy of the network.

The copy has one tf_keras layer per layer of the network, activation function included, and each
layer is wrapped directly: `quantize_model` would clone the model five times with the same result.
A step takes one and a half times as long as with the engine `folded`. The engine is here for
comparison, and for users who trust it more.

Two defects of its default quantisers matter for MobileNets and are avoided here. A depthwise
kernel gets a single scale, because (height, width, channels, 1) is reduced over all axes but the
last. Activation ranges start at -6..6 and move by a thousandth per step, so a short training ends
before they have reached the true ranges.
"""

import dataclasses
import os
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from mobiledeploy.base.errors import MissingDependencyError, RequestError
from mobiledeploy.base.progress import Progress, silent
from mobiledeploy.data.pixels import Images
from mobiledeploy.models.keras_builder import DTYPE
from mobiledeploy.network.network import Network
from mobiledeploy.ops.architecture import INPUT, Layer
from mobiledeploy.ops.ranges import Ranges
from mobiledeploy.spec.config import QuantiseConfig, Scaling
from mobiledeploy.training import loop, qat, tensorflow_graph, tensorflow_setup
from mobiledeploy.training.augment import Augmentation, augmentation
from mobiledeploy.training.checkpoint import Checkpoints
from mobiledeploy.training.loss import objective
from mobiledeploy.training.step import TrainableModel
from mobiledeploy.training.teacher import with_labels, with_teacher
from mobiledeploy.training.tensorflow_graph import input_limits


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
    """Return the network and the ranges after training. See `qat.Engine`."""
    wrapped = wrap(network, ranges)
    plan = qat.plan(config, seed)
    loop.train(
        with_teacher(wrapped.trainable(), teacher),
        images.pixels,
        images.labels,
        plan,
        prepare=augmentation(augment, seed=seed, scaling=network.architecture.scaling),
        loss=with_labels(objective(images.labels, network.architecture.classes)),
        checkpoint=checkpoints.of("tfmot", network, teacher, ranges, images, plan, augment)
        if checkpoints
        else None,
        progress=progress,
    )
    return tensorflow_graph.network_of(network.architecture, wrapped.weights), wrapped.ranges()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WrappedNetwork:
    """A tf_keras model whose layers are wrapped in tfmot's `QuantizeWrapperV2`.

    Attributes:
        keras_model: float32 images to logits, a `tf_keras.Model`.
        weights: Kernel and bias by layer name, `tf.Variable`s.
        range_variables: Lowest and highest value by tensor name, scalar `tf.Variable`s.
        scaling: The input scaling of the network.
    """

    keras_model: Any
    weights: Mapping[str, tuple[Any, Any]]
    range_variables: Mapping[str, tuple[Any, Any]]
    scaling: Scaling

    def trainable(self) -> TrainableModel:
        """Return the model for the training loop; its forward pass also updates the ranges."""
        return TrainableModel(
            variables=tuple(variable for pair in self.weights.values() for variable in pair),
            statistics=tuple(v for pair in self.range_variables.values() for v in pair),
            logits=lambda inputs: self.keras_model(inputs, training=True),
        )

    def ranges(self) -> Ranges:
        """Return the present ranges; that of the input is fixed by its scaling."""
        ranges = {
            name: (float(low.numpy()), float(high.numpy()))
            for name, (low, high) in self.range_variables.items()
        }
        return {INPUT: input_limits(self.scaling), **ranges}


def wrap(network: Network, ranges: Ranges) -> WrappedNetwork:
    """Return a network as a wrapped tf_keras model.

    The input is not quantised: 8-bit pixels are on its int8 grid already.

    Args:
        network: Its weights are copied.
        ranges: Initial activation ranges.
    """
    keras = tfmot_keras()
    import tf_keras

    architecture = network.architecture
    image = tf_keras.Input(architecture.input_shape, name=INPUT, dtype=DTYPE)
    tensors, weights, range_variables = {INPUT: image}, {}, {}
    for layer in architecture.layers:
        if layer is architecture.output and layer is not architecture.logits:
            continue  # the loss takes the logits
        sources = [tensors[name] for name in layer.inputs]
        if layer.operator.FIXED_RANGE is not None:
            # Its grid is no range to train: the step of a gate is finer than its neighbours'.
            tensors[layer.name] = _keras_layer(layer)(sources if len(sources) > 1 else sources[0])
            continue
        output = activation_quantizer(*ranges[layer.name])
        kernel = kernel_quantizer(layer) if layer.has_weights else None
        inner, config = _keras_layer(layer), quantize_config(kernel, output)
        wrapper = keras.QuantizeWrapperV2(inner, config, dtype=DTYPE)
        tensors[layer.name] = wrapper(sources if len(sources) > 1 else sources[0])
        range_variables[layer.name] = output.range["min_var"], output.range["max_var"]
        if layer.has_weights:
            weights[layer.name] = config.variable, inner.bias
            config.variable.assign(network.weights[layer.name].kernel)
            inner.bias.assign(network.weights[layer.name].bias)
    return WrappedNetwork(
        keras_model=tf_keras.Model(image, tensors[architecture.logits.name]),
        weights=weights,
        range_variables=range_variables,
        scaling=architecture.scaling,
    )


def _keras_layer(layer: Layer) -> Any:
    import tf_keras

    layers = tf_keras.layers
    unknown = layer.parameters or layer.padding not in ("same", "valid")
    if layer.op == "depthwise":
        unknown = unknown or layer.out_channels != layer.in_channels
    if layer.has_weights and unknown:
        raise RequestError(
            f"layer `{layer.name}`: the engine `tfmot` trains no convolution with padding "
            f"{layer.padding} and {dict(layer.parameters)}, or with several outputs a channel",
            hint="use `--qat-engine folded`",
        )
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
            kept = bool(layer.parameters.get("keep_dims"))
            return layers.GlobalAveragePooling2D("channels_last", keepdims=kept, **common)
        case "dense":
            return layers.Dense(layer.out_channels, **common)
        case _:
            return layers.Lambda(_computation(layer), **common)


def _computation(layer: Layer) -> Callable[[Any], Any]:
    """Return what a layer without weights computes from its input, or from a list of inputs.

    Raises:
        RequestError: The operator cannot be trained.
    """
    compute = tensorflow_graph.tensorflow_operator(layer)

    def without_weights(layer: Layer, _: Any) -> Any:
        raise RequestError(f"layer `{layer.name}`: tf_keras has no layer for `{layer.op}`")

    return lambda inputs: compute(
        layer, inputs if len(layer.inputs) > 1 else [inputs], without_weights
    )


def tfmot_keras() -> Any:
    """Return `tensorflow_model_optimization.quantization.keras`.

    Raises:
        MissingDependencyError: It is not installed.
    """
    tensorflow_setup.tensorflow()
    before = os.environ.get("TF_USE_LEGACY_KERAS")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # it still asks for distutils
            import tensorflow_model_optimization as tfmot
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"the QAT engine `tfmot` needs `{error.name}`, which is not installed",
            hint="python -m pip install 'mobiledeploy[build]', or use `--qat-engine folded`",
        ) from error
    finally:
        # Importing it decides which Keras TensorFlow uses in all child processes.
        if before is None:
            os.environ.pop("TF_USE_LEGACY_KERAS", None)
        else:
            os.environ["TF_USE_LEGACY_KERAS"] = before
    return tfmot.quantization.keras


def kernel_quantizer(layer: Layer) -> Any:
    """Return a kernel quantiser: symmetric, -127..127, scaled by the kernel's present values.

    Convolutions have one range per output channel, the dense layer has a single range.
    """
    base: Any = tfmot_keras().quantizers.LastValueQuantizer

    class KernelQuantizer(base):  # type: ignore[misc]
        def build(self, tensor_shape: Any, name: str, layer: Any) -> Any:
            return super().build([tensor_shape[axis] for axis in order], name, layer)

        def __call__(self, inputs: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
            tf = tensorflow_setup.tensorflow()
            values = tf.transpose(inputs, order)
            return tf.transpose(super().__call__(values, training, weights, **kwargs), order)

    # Swapping the last two axes puts a depthwise kernel's channels last, and is its own inverse.
    order = {"conv": (0, 1, 2, 3), "depthwise": (0, 1, 3, 2), "dense": (0, 1)}[layer.op]
    return KernelQuantizer(
        num_bits=8, per_axis=layer.op != "dense", symmetric=True, narrow_range=True
    )


def activation_quantizer(low: float, high: float) -> Any:
    """Return an activation quantiser: a moving average that starts at a calibrated range.

    Args:
        low: Initial lowest value.
        high: Initial highest value.
    """
    base: Any = tfmot_keras().quantizers.MovingAverageQuantizer

    class ActivationQuantizer(base):  # type: ignore[misc]
        def build(self, tensor_shape: Any, name: str, layer: Any) -> Any:
            self.range = super().build(tensor_shape, name, layer)
            self.range["min_var"].assign(low)
            self.range["max_var"].assign(high)
            return self.range

    return ActivationQuantizer(num_bits=8, per_axis=False, symmetric=False, narrow_range=False)


def quantize_config(kernel: Any | None, output: Any) -> Any:
    """Return the tfmot configuration of a layer: its kernel and output with their quantisers.

    Args:
        kernel: Quantiser of the kernel; None for layers without a kernel.
        output: Quantiser of the output.
    """
    base: Any = tfmot_keras().QuantizeConfig

    class Config(base):  # type: ignore[misc]
        variable: Any = None

        def get_weights_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
            if kernel is None:
                return []
            # While the wrapper computes, the layer's own attribute holds the rounded kernel.
            self.variable = getattr(layer, _kernel_attribute(layer))
            return [(self.variable, kernel)]

        def set_quantize_weights(self, layer: Any, quantize_weights: list[Any]) -> None:
            if quantize_weights:
                setattr(layer, _kernel_attribute(layer), quantize_weights[0])

        def get_activations_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
            del layer
            return []

        def set_quantize_activations(self, layer: Any, quantize_activations: list[Any]) -> None:
            del layer, quantize_activations

        def get_output_quantizers(self, layer: Any) -> list[Any]:
            del layer
            return [output]

        def get_config(self) -> dict[str, Any]:
            return {}

    return Config()


def _kernel_attribute(layer: Any) -> str:
    return "depthwise_kernel" if hasattr(layer, "depthwise_kernel") else "kernel"
