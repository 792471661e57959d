"""The forward pass of an `Architecture` in TensorFlow operations.

One walk over the layers serves every graph that training needs; they differ in what a layer with
weights computes (`apply`) and in what happens to each activation (`observe`): float with batch
norm, folded float, calibration, fake quantisation.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias, assert_never
from mobiledeploy.base.errors import RequestError
from mobiledeploy.ops.architecture import INPUT, Architecture, Layer
from mobiledeploy.training import tensorflow_setup
from collections.abc import Mapping
from typing import Any, TypeAlias
from mobiledeploy.network.network import Network
from mobiledeploy.ops.architecture import Architecture, Layer
from mobiledeploy.ops.weights import Weights
from typing import Final
from mobiledeploy.spec.input_scaling import SCALINGS, Scaling

TfTensor: TypeAlias = Any
"""A `tf.Tensor`; TensorFlow has no types that mypy could check."""
Apply: TypeAlias = Callable[[Layer, TfTensor], TfTensor]
"""From a layer with weights and its input to its output before the activation."""
Convolve: TypeAlias = Callable[[Layer, TfTensor, TfTensor], TfTensor]
"""From a layer, its input and its kernel to their product."""
TensorFlowOperator: TypeAlias = Callable[[Layer, Sequence[TfTensor], Apply], TfTensor]
"""From a layer, its inputs and what layers with weights compute to its output."""
Observe: TypeAlias = Callable[[str, TfTensor], TfTensor]
"""From a tensor's name and value to the value that goes on."""


def forward(
    architecture: Architecture,
    images: TfTensor,
    apply: Apply,
    *,
    observe: Observe = lambda _, tensor: tensor,
    until: str | None = None,
) -> TfTensor:
    """Return the output of one layer.

    Args:
        architecture: The layers.
        images: float32, shape (batch, height, width, channels).
        apply: What convolutions and dense layers compute; the activation function follows.
        observe: Applied to the input and to the output of every layer but those whose range is
            fixed, such as a softmax.
        until: The layer to stop at; by default the one that computes the logits.

    Returns:
        float32, shape (batch, ...).

    Raises:
        RequestError: A layer's operator cannot be trained.
    """
    last = architecture.logits.name if until is None else until
    tensors = {INPUT: observe(INPUT, images)}
    for layer in architecture.layers:
        output = tensorflow_operator(layer)(layer, [tensors[name] for name in layer.inputs], apply)
        fixed = layer.operator.FIXED_RANGE is not None
        tensors[layer.name] = output if fixed else observe(layer.name, output)
        if layer.name == last:
            break
    return tensors[last]


def traced(function: Callable[..., TfTensor], *signature: Any) -> Callable[..., TfTensor]:
    """Return a `tf.function` for one signature, without autograph: our graphs hold no loops."""
    tf = tensorflow_setup.tensorflow()
    made: Callable[..., TfTensor] = tf.function(function, autograph=False, input_signature=signature)
    return made


def _with_weights(layer: Layer, sources: Sequence[TfTensor], apply: Apply) -> TfTensor:
    return activate(layer, apply(layer, sources[0]))


def _add(layer: Layer, sources: Sequence[TfTensor], apply: Apply) -> TfTensor:
    del apply
    return activate(layer, sources[0] + sources[1])


def _mul(layer: Layer, sources: Sequence[TfTensor], apply: Apply) -> TfTensor:
    del layer, apply
    return sources[0] * sources[1]


def _hard_swish(layer: Layer, sources: Sequence[TfTensor], apply: Apply) -> TfTensor:
    del layer, apply
    return sources[0] * tensorflow_setup.tensorflow().nn.relu6(sources[0] + 3.0) / 6.0


def _mean(layer: Layer, sources: Sequence[TfTensor], apply: Apply) -> TfTensor:
    del layer, apply
    return tensorflow_setup.tensorflow().reduce_mean(sources[0], (1, 2))


def _softmax(layer: Layer, sources: Sequence[TfTensor], apply: Apply) -> TfTensor:
    del layer, apply
    return tensorflow_setup.tensorflow().nn.softmax(sources[0])


TENSORFLOW_OPERATORS: Final[Mapping[str, TensorFlowOperator]] = {
    "conv": _with_weights,
    "depthwise": _with_weights,
    "dense": _with_weights,
    "add": _add,
    "mul": _mul,
    "hard_swish": _hard_swish,
    "mean": _mean,
    "softmax": _softmax,
}
"""By name in `ops.table`, what a layer computes in TensorFlow."""


def tensorflow_operator(layer: Layer) -> TensorFlowOperator:
    """Return what a layer computes in TensorFlow.

    Raises:
        RequestError: Its operator can be quantised, but not trained.
    """
    if layer.op not in TENSORFLOW_OPERATORS:
        raise RequestError(
            f"layer `{layer.name}`: `{layer.op}` cannot be trained, only {', '.join(TENSORFLOW_OPERATORS)}",
            hint="quantise the network without training",
        )
    return TENSORFLOW_OPERATORS[layer.op]


def convolve(layer: Layer, source: TfTensor, kernel: TfTensor) -> TfTensor:
    """Return a layer's product with its kernel, without bias and activation.

    Raises:
        ValueError: The layer has no kernel.
    """
    tf = tensorflow_setup.tensorflow()
    padding = layer.padding.upper()
    match layer.op:
        case "conv":
            return tf.nn.conv2d(source, kernel, layer.strides, padding)
        case "depthwise":
            return tf.nn.depthwise_conv2d(source, kernel, (1, *layer.strides, 1), padding)
        case "dense":
            return tf.matmul(source, kernel)
        case op:
            raise ValueError(f"`{layer.name}`: expected a layer with a kernel, received {op}")


def convolve_to_train(layer: Layer, source: TfTensor, kernel: TfTensor) -> TfTensor:
    """Return the same up to rounding, in a form that trains faster.

    A pointwise convolution is a matrix product, whose gradients TensorFlow computes in about
    two thirds of the time. Not for graphs that are exported: there it should stay what it is.
    """
    tf = tensorflow_setup.tensorflow()
    if layer.op != "conv" or layer.kernel != (1, 1) or layer.strides != (1, 1):
        return convolve(layer, source, kernel)
    pixels = tf.reshape(source, (-1, layer.in_channels))
    product = tf.matmul(pixels, tf.reshape(kernel, layer.kernel_shape[2:]))
    return tf.reshape(product, (-1, *source.shape[1:3], layer.out_channels))


def activate(layer: Layer, tensor: TfTensor) -> TfTensor:
    """Return the layer's activation function of a tensor."""
    tf = tensorflow_setup.tensorflow()
    match layer.activation:
        case "relu6":
            return tf.nn.relu6(tensor)
        case "relu":
            return tf.nn.relu(tensor)
        case "none":
            return tensor
        case _:
            assert_never(layer.activation)


WeightPairs: TypeAlias = Mapping[str, tuple[Any, Any]]
"""Kernel and bias by layer name: tensors, `tf.Variable`s or arrays."""


def float_layers(weights: WeightPairs, *, convolve: Convolve = convolve) -> Apply:
    """Return what layers with these weights compute.

    Args:
        weights: Kernel and bias by layer name.
        convolve: How the product is computed.
    """
    tf = tensorflow_setup.tensorflow()

    def apply(layer: Layer, source: TfTensor) -> TfTensor:
        kernel, bias = weights[layer.name]
        return tf.nn.bias_add(convolve(layer, source, kernel), bias)

    return apply


def constant_layers(network: Network) -> Apply:
    """Return what the network's layers compute, for graphs that do not train it."""
    return float_layers({name: (found.kernel, found.bias) for name, found in network.weights.items()})


def variables_of(network: Network) -> WeightPairs:
    """Return new variables with the network's weights."""
    tf = tensorflow_setup.tensorflow()
    return {
        name: (
            tf.Variable(found.kernel, name=f"{name}/kernel"),
            tf.Variable(found.bias, name=f"{name}/bias"),
        )
        for name, found in network.weights.items()
    }


def network_of(architecture: Architecture, variables: WeightPairs) -> Network:
    """Return what `variables_of` gave, after training.

    Raises:
        RequestError: A weight is not finite.
    """
    return Network(
        architecture=architecture,
        weights={
            name: Weights(kernel=kernel.numpy(), bias=bias.numpy())
            for name, (kernel, bias) in variables.items()
        },
    )


SIGNED: Final = SCALINGS["-1..1"]


def input_limits(scaling: Scaling) -> tuple[float, float]:
    """Return the real values of pixels 0 and 255."""
    mean, std = scaling
    return -mean / std, (255 - mean) / std


def to_input(pixels: TfTensor, scaling: Scaling) -> TfTensor:
    """Return `(pixel - mean) / std` of a tensor of 8-bit values as float32.

    The difference is exact and the quotient rounded once: `data.preprocess.to_float32` gives the
    same.
    """
    tf = tensorflow_setup.tensorflow()
    mean, std = scaling
    return (tf.cast(pixels, tf.float32) - mean) / std


def from_signed(values: TfTensor, scaling: Scaling) -> TfTensor:
    """Return values on the scale -1..1 on another one."""
    if scaling == SIGNED:
        return values
    signed_mean, signed_std = SIGNED
    mean, std = scaling
    return (values * signed_std + (signed_mean - mean)) / std
