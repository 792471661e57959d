"""The forward pass of a network as a TensorFlow graph.

`forward` walks over the layers of an `Architecture`. Every graph that training needs is made by
it: float with batch norm, folded float, calibration, fake quantisation. They differ in what a
layer with weights computes (`apply`) and in what happens to each activation (`observe`).

To make an operator trainable, write one function and add it to `TENSORFLOW_OPERATORS`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias, assert_never

from mobiledeploy.base.errors import RequestError
from mobiledeploy.network.network import Network
from mobiledeploy.ops import conv, pad
from mobiledeploy.ops.architecture import INPUT, Architecture, Layer
from mobiledeploy.ops.padding import Pads
from mobiledeploy.ops.weights import Weights
from mobiledeploy.spec.config import Scaling
from mobiledeploy.training import tensorflow_setup

TfTensor: TypeAlias = Any
"""A `tf.Tensor`; TensorFlow has no types that mypy can check."""
Apply: TypeAlias = Callable[[Layer, TfTensor], TfTensor]
"""(layer with weights, its input) -> its output before the activation function."""
Convolve: TypeAlias = Callable[[Layer, TfTensor, TfTensor], TfTensor]
"""(layer, its input, its kernel) -> the convolution or matrix product."""
TensorFlowOperator: TypeAlias = Callable[[Layer, Sequence[TfTensor], Apply], TfTensor]
"""(layer, its inputs, what layers with weights compute) -> the layer's output."""
Observe: TypeAlias = Callable[[str, TfTensor], TfTensor]
"""(tensor name, value) -> the value that the next layers get."""
WeightPairs: TypeAlias = Mapping[str, tuple[Any, Any]]
"""Kernel and bias by layer name: tensors, `tf.Variable`s or arrays."""

_LOWEST: Final = -3.4028234663852886e38
"""The lowest float32 value, with which a maximum is padded."""


def forward(
    architecture: Architecture,
    images: TfTensor,
    apply: Apply,
    *,
    observe: Observe = lambda _, tensor: tensor,
    until: str | None = None,
) -> TfTensor:
    """Return the output of one layer for a batch of images.

    Args:
        architecture: The layers.
        images: float32, shape (batch, height, width, channels).
        apply: What convolutions and dense layers compute; the activation function follows.
        observe: Applied to the input and to the output of every layer, except layers whose
            output range is fixed, such as a softmax.
        until: The layer whose output is returned; by default the one that computes the logits.

    Returns:
        float32, shape (batch, ...).

    Raises:
        RequestError: A layer's operator has no TensorFlow function here.
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


def input_limits(scaling: Scaling) -> tuple[float, float]:
    """Return the real values of pixels 0 and 255: the range of the network's input."""
    mean, std = scaling
    return -mean / std, (255 - mean) / std


def to_input(pixels: TfTensor, scaling: Scaling) -> TfTensor:
    """Return `(pixel - mean) / std` as float32 for a tensor of 8-bit pixels.

    The difference is exact and the quotient is rounded once, so the result is bit for bit that of
    `data.preprocess.to_float32`.
    """
    tf = tensorflow_setup.tensorflow()
    mean, std = scaling
    return (tf.cast(pixels, tf.float32) - mean) / std


def traced(function: Callable[..., TfTensor], *signature: Any) -> Callable[..., TfTensor]:
    """Return a `tf.function` with a fixed signature.

    Autograph is off: the graphs hold no Python loops or conditions that it would have to convert.
    """
    tf = tensorflow_setup.tensorflow()
    made: Callable[..., TfTensor] = tf.function(
        function, autograph=False, input_signature=signature
    )
    return made


def _with_weights(layer: Layer, sources: Sequence[TfTensor], apply: Apply) -> TfTensor:
    return activate(layer, apply(layer, sources[0]))


def _add(layer: Layer, sources: Sequence[TfTensor], apply: Apply) -> TfTensor:
    del apply
    return activate(layer, sources[0] + sources[1])


def _sub(layer: Layer, sources: Sequence[TfTensor], apply: Apply) -> TfTensor:
    del layer, apply
    return sources[0] - sources[1]


def _mul(layer: Layer, sources: Sequence[TfTensor], apply: Apply) -> TfTensor:
    del layer, apply
    return sources[0] * sources[1]


def _hard_swish(layer: Layer, sources: Sequence[TfTensor], apply: Apply) -> TfTensor:
    del layer, apply
    return sources[0] * tensorflow_setup.tensorflow().nn.relu6(sources[0] + 3.0) / 6.0


def _clamp(layer: Layer, sources: Sequence[TfTensor], apply: Apply) -> TfTensor:
    del apply
    return activate(layer, sources[0])


def _hard_sigmoid(layer: Layer, sources: Sequence[TfTensor], apply: Apply) -> TfTensor:
    del layer, apply
    return tensorflow_setup.tensorflow().nn.relu6(sources[0] + 3.0) / 6.0


def _logistic(layer: Layer, sources: Sequence[TfTensor], apply: Apply) -> TfTensor:
    del layer, apply
    return tensorflow_setup.tensorflow().sigmoid(sources[0])


def _tanh(layer: Layer, sources: Sequence[TfTensor], apply: Apply) -> TfTensor:
    del layer, apply
    return tensorflow_setup.tensorflow().tanh(sources[0])


def _leaky_relu(layer: Layer, sources: Sequence[TfTensor], apply: Apply) -> TfTensor:
    del apply
    return tensorflow_setup.tensorflow().nn.leaky_relu(sources[0], layer.parameters["alpha"])


def _prelu(layer: Layer, sources: Sequence[TfTensor], apply: Apply) -> TfTensor:
    del apply
    tf = tensorflow_setup.tensorflow()
    slopes = tf.constant(layer.parameters["alpha"], tf.float32)
    return tf.maximum(sources[0], 0.0) + slopes * tf.minimum(sources[0], 0.0)


def _gelu(layer: Layer, sources: Sequence[TfTensor], apply: Apply) -> TfTensor:
    del apply
    approximate = layer.parameters["approximate"]
    return tensorflow_setup.tensorflow().nn.gelu(sources[0], approximate=approximate)


def _elu(layer: Layer, sources: Sequence[TfTensor], apply: Apply) -> TfTensor:
    del layer, apply
    return tensorflow_setup.tensorflow().nn.elu(sources[0])


def _exp(layer: Layer, sources: Sequence[TfTensor], apply: Apply) -> TfTensor:
    del layer, apply
    return tensorflow_setup.tensorflow().exp(sources[0])


def _mean(layer: Layer, sources: Sequence[TfTensor], apply: Apply) -> TfTensor:
    del apply
    kept = bool(layer.parameters.get("keep_dims"))
    return tensorflow_setup.tensorflow().reduce_mean(sources[0], (1, 2), keepdims=kept)


def _concatenation(layer: Layer, sources: Sequence[TfTensor], apply: Apply) -> TfTensor:
    del layer, apply
    return tensorflow_setup.tensorflow().concat(sources, -1)


def _strided_slice(layer: Layer, sources: Sequence[TfTensor], apply: Apply) -> TfTensor:
    del apply
    begin, end = layer.parameters["begin"], layer.parameters["end"]
    strides = layer.parameters.get("strides", (1,) * len(begin))
    bounds = zip(begin, end, strides, strict=True)
    return sources[0][(slice(None), *(slice(*each) for each in bounds))]


def _reshape(layer: Layer, sources: Sequence[TfTensor], apply: Apply) -> TfTensor:
    del apply
    return tensorflow_setup.tensorflow().reshape(sources[0], (-1, *layer.parameters["shape"]))


def _transpose(layer: Layer, sources: Sequence[TfTensor], apply: Apply) -> TfTensor:
    del apply
    order = (0, *(axis + 1 for axis in layer.parameters["perm"]))
    return tensorflow_setup.tensorflow().transpose(sources[0], order)


def _maximum(layer: Layer, sources: Sequence[TfTensor], apply: Apply) -> TfTensor:
    del apply
    tf = tensorflow_setup.tensorflow()
    return (tf.minimum if layer.op == "minimum" else tf.maximum)(sources[0], sources[1])


def _resize_nearest(layer: Layer, sources: Sequence[TfTensor], apply: Apply) -> TfTensor:
    del apply
    centres = layer.parameters.get("centres", "asymmetric")
    return tensorflow_setup.tensorflow().raw_ops.ResizeNearestNeighbor(
        images=sources[0],
        size=layer.parameters["size"],
        align_corners=centres == "align_corners",
        half_pixel_centers=centres == "half_pixel",
    )


def _softmax(layer: Layer, sources: Sequence[TfTensor], apply: Apply) -> TfTensor:
    del layer, apply
    return tensorflow_setup.tensorflow().nn.softmax(sources[0])


def _max_pool(layer: Layer, sources: Sequence[TfTensor], apply: Apply) -> TfTensor:
    del apply
    tf = tensorflow_setup.tensorflow()
    # What it pads with is below all values.
    source, padding = _padded(layer, sources[0], value=_LOWEST)
    return activate(layer, tf.nn.max_pool2d(source, layer.kernel, layer.strides, padding))


def _average_pool(layer: Layer, sources: Sequence[TfTensor], apply: Apply) -> TfTensor:
    del apply
    tf = tensorflow_setup.tensorflow()
    source, padding = _padded(layer, sources[0])
    means = tf.nn.avg_pool2d(source, layer.kernel, layer.strides, padding)
    whole = tuple(source.shape[1:3]) == layer.kernel and tuple(means.shape[1:3]) == (1, 1)
    return tf.reshape(means, (-1, layer.out_channels)) if whole else means


def _pad(layer: Layer, sources: Sequence[TfTensor], apply: Apply) -> TfTensor:
    del apply
    return _bordered(sources[0], layer.parameters[pad.PADS], 0.0)


def _reduce_max(layer: Layer, sources: Sequence[TfTensor], apply: Apply) -> TfTensor:
    del layer, apply
    return tensorflow_setup.tensorflow().reduce_max(sources[0], (1, 2))


TENSORFLOW_OPERATORS: Final[Mapping[str, TensorFlowOperator]] = {
    "conv": _with_weights,
    "depthwise": _with_weights,
    "dense": _with_weights,
    "add": _add,
    "concatenation": _concatenation,
    "strided_slice": _strided_slice,
    "reshape": _reshape,
    "transpose": _transpose,
    "maximum": _maximum,
    "minimum": _maximum,
    "resize_nearest": _resize_nearest,
    "sub": _sub,
    "mul": _mul,
    "hard_swish": _hard_swish,
    "clamp": _clamp,
    "hard_sigmoid": _hard_sigmoid,
    "logistic": _logistic,
    "tanh": _tanh,
    "leaky_relu": _leaky_relu,
    "prelu": _prelu,
    "gelu": _gelu,
    "elu": _elu,
    "exp": _exp,
    "mean": _mean,
    "softmax": _softmax,
    "max_pool": _max_pool,
    "average_pool": _average_pool,
    "pad": _pad,
    "reduce_max": _reduce_max,
}
"""What a layer computes in TensorFlow, by its operator's name in `ops.table`."""


def tensorflow_operator(layer: Layer) -> TensorFlowOperator:
    """Return the TensorFlow function of a layer's operator.

    Raises:
        RequestError: There is none: the operator can be quantised, but not trained.
    """
    if layer.op not in TENSORFLOW_OPERATORS:
        raise RequestError(
            f"layer `{layer.name}`: `{layer.op}` cannot be trained, only "
            f"{', '.join(TENSORFLOW_OPERATORS)}",
            hint="quantise the network without training",
        )
    return TENSORFLOW_OPERATORS[layer.op]


def require_trainable(architecture: Architecture) -> None:
    """Refuse a network with layers that cannot be trained.

    Raises:
        RequestError: There are some; the message names all of them.
    """
    layers = [each for each in architecture.layers if each.op not in TENSORFLOW_OPERATORS]
    if layers:
        raise RequestError(
            f"{len(layers)} of {len(architecture.layers)} layers cannot be trained: "
            + ", ".join(f"`{each.name}` ({each.op})" for each in layers),
            hint="quantise the network without training",
        )


def convolve(layer: Layer, source: TfTensor, kernel: TfTensor) -> TfTensor:
    """Return a layer's convolution or matrix product, without bias and activation function.

    Raises:
        ValueError: The layer has no kernel.
    """
    tf = tensorflow_setup.tensorflow()
    if layer.op == "dense":
        return tf.matmul(source, kernel)
    source, padding = _padded(layer, source)
    dilations = conv.dilations_of(layer)
    match layer.op:
        case "conv":
            return tf.nn.conv2d(source, kernel, layer.strides, padding, dilations=dilations)
        case "depthwise" if (1, 1) not in (layer.strides, dilations):
            # TensorFlow's depthwise convolution is wrong with steps and gaps at once.
            grouped = tf.reshape(kernel, (*layer.kernel, 1, layer.out_channels))
            return tf.nn.conv2d(source, grouped, layer.strides, padding, dilations=dilations)
        case "depthwise":
            strides = (1, *layer.strides, 1)
            return tf.nn.depthwise_conv2d(source, kernel, strides, padding, dilations=dilations)
        case op:
            raise ValueError(f"`{layer.name}`: expected a layer with a kernel, received {op}")


def _padded(layer: Layer, source: TfTensor, value: float = 0.0) -> tuple[TfTensor, str]:
    """Return a layer's input with the padding that is given in numbers, and the name of the rest.

    Args:
        layer: A convolution or pool.
        source: What it reads.
        value: That it pads with.
    """
    match layer.padding:
        case "same" | "valid":
            return source, layer.padding.upper()
        case _:
            return _bordered(source, layer.padding, value), "VALID"


def _bordered(source: TfTensor, around: Pads, value: float) -> TfTensor:
    top, bottom, left, right = around
    amounts = ((0, 0), (top, bottom), (left, right), (0, 0))
    return tensorflow_setup.tensorflow().pad(source, amounts, constant_values=value)


def convolve_to_train(layer: Layer, source: TfTensor, kernel: TfTensor) -> TfTensor:
    """Return the result of `convolve`, up to rounding, by operations that train faster.

    A pointwise convolution is computed as a matrix product, whose gradients TensorFlow computes
    in about two thirds of the time. Not for exported graphs: a file should hold a convolution.
    """
    tf = tensorflow_setup.tensorflow()
    pointwise = layer.op == "conv" and layer.kernel == layer.strides == (1, 1)
    if not pointwise or layer.padding not in ("same", "valid") or layer.parameters:
        return convolve(layer, source, kernel)
    pixels = tf.reshape(source, (-1, layer.in_channels))
    product = tf.matmul(pixels, tf.reshape(kernel, layer.kernel_shape[2:]))
    return tf.reshape(product, (-1, *source.shape[1:3], layer.out_channels))


def activate(layer: Layer, tensor: TfTensor) -> TfTensor:
    """Return a tensor after the layer's activation function."""
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


def float_layers(weights: WeightPairs, *, convolve: Convolve = convolve) -> Apply:
    """Return the `apply` of `forward` for float weights.

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
    """Return the `apply` of `forward` for a network whose weights stay constant."""
    return float_layers({name: (each.kernel, each.bias) for name, each in network.weights.items()})


def variables_of(network: Network) -> WeightPairs:
    """Return new `tf.Variable`s with the network's weights."""
    tf = tensorflow_setup.tensorflow()
    return {
        name: (
            tf.Variable(weights.kernel, name=f"{name}/kernel"),
            tf.Variable(weights.bias, name=f"{name}/bias"),
        )
        for name, weights in network.weights.items()
    }


def network_of(architecture: Architecture, variables: WeightPairs) -> Network:
    """Return the network whose weights are the variables' present values.

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
