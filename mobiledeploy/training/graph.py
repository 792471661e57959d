"""The forward pass of an `Architecture` in TensorFlow operations.

One walk over the layers serves every graph that training needs; they differ in what a layer with
weights computes (`apply`) and in what happens to each activation (`observe`): float with batch
norm, folded float, calibration, fake quantisation.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias, assert_never

from mobiledeploy.base.errors import RequestError
from mobiledeploy.ops.architecture import INPUT, Architecture, Layer
from mobiledeploy.training import session

Tensor: TypeAlias = Any
"""A `tf.Tensor`; TensorFlow has no types that mypy could check."""
Apply: TypeAlias = Callable[[Layer, Tensor], Tensor]
"""From a layer with weights and its input to its output before the activation."""
Convolve: TypeAlias = Callable[[Layer, Tensor, Tensor], Tensor]
"""From a layer, its input and its kernel to their product."""
Twin: TypeAlias = Callable[[Layer, Sequence[Tensor], Apply], Tensor]
"""From a layer, its inputs and what layers with weights compute to its output."""
Observe: TypeAlias = Callable[[str, Tensor], Tensor]
"""From a tensor's name and value to the value that goes on."""


def forward(
    architecture: Architecture,
    images: Tensor,
    apply: Apply,
    *,
    observe: Observe = lambda _, tensor: tensor,
    until: str | None = None,
) -> Tensor:
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
        output = twin(layer)(layer, [tensors[name] for name in layer.inputs], apply)
        fixed = layer.operator.FIXED_RANGE is not None
        tensors[layer.name] = output if fixed else observe(layer.name, output)
        if layer.name == last:
            break
    return tensors[last]


def traced(function: Callable[..., Tensor], *signature: Any) -> Callable[..., Tensor]:
    """Return a `tf.function` for one signature, without autograph: our graphs hold no loops."""
    tf = session.tensorflow()
    made: Callable[..., Tensor] = tf.function(function, autograph=False, input_signature=signature)
    return made


def _weighted(layer: Layer, sources: Sequence[Tensor], apply: Apply) -> Tensor:
    return activate(layer, apply(layer, sources[0]))


def _add(layer: Layer, sources: Sequence[Tensor], apply: Apply) -> Tensor:
    del apply
    return activate(layer, sources[0] + sources[1])


def _mul(layer: Layer, sources: Sequence[Tensor], apply: Apply) -> Tensor:
    del layer, apply
    return sources[0] * sources[1]


def _hard_swish(layer: Layer, sources: Sequence[Tensor], apply: Apply) -> Tensor:
    del layer, apply
    return sources[0] * session.tensorflow().nn.relu6(sources[0] + 3.0) / 6.0


def _mean(layer: Layer, sources: Sequence[Tensor], apply: Apply) -> Tensor:
    del layer, apply
    return session.tensorflow().reduce_mean(sources[0], (1, 2))


def _softmax(layer: Layer, sources: Sequence[Tensor], apply: Apply) -> Tensor:
    del layer, apply
    return session.tensorflow().nn.softmax(sources[0])


TWINS: Final[Mapping[str, Twin]] = {
    "conv": _weighted,
    "depthwise": _weighted,
    "dense": _weighted,
    "add": _add,
    "mul": _mul,
    "hard_swish": _hard_swish,
    "mean": _mean,
    "softmax": _softmax,
}
"""By name in `ops.table`, what a layer computes in TensorFlow."""


def twin(layer: Layer) -> Twin:
    """Return what a layer computes in TensorFlow.

    Raises:
        RequestError: Its operator can be quantised, but not trained.
    """
    if layer.op not in TWINS:
        raise RequestError(
            f"layer `{layer.name}`: `{layer.op}` cannot be trained, only {', '.join(TWINS)}",
            hint="quantise the network without training",
        )
    return TWINS[layer.op]


def convolve(layer: Layer, source: Tensor, kernel: Tensor) -> Tensor:
    """Return a layer's product with its kernel, without bias and activation.

    Raises:
        ValueError: The layer has no kernel.
    """
    tf = session.tensorflow()
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


def convolve_to_train(layer: Layer, source: Tensor, kernel: Tensor) -> Tensor:
    """Return the same up to rounding, in a form that trains faster.

    A pointwise convolution is a matrix product, whose gradients TensorFlow computes in about
    two thirds of the time. Not for graphs that are exported: there it should stay what it is.
    """
    tf = session.tensorflow()
    if layer.op != "conv" or layer.kernel != (1, 1) or layer.strides != (1, 1):
        return convolve(layer, source, kernel)
    pixels = tf.reshape(source, (-1, layer.in_channels))
    product = tf.matmul(pixels, tf.reshape(kernel, layer.kernel_shape[2:]))
    return tf.reshape(product, (-1, *source.shape[1:3], layer.out_channels))


def activate(layer: Layer, tensor: Tensor) -> Tensor:
    """Return the layer's activation function of a tensor."""
    tf = session.tensorflow()
    match layer.activation:
        case "relu6":
            return tf.nn.relu6(tensor)
        case "relu":
            return tf.nn.relu(tensor)
        case "none":
            return tensor
        case _:
            assert_never(layer.activation)
