"""Fold batch normalisation into the convolution before it."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from mobiledeploy.base.errors import RequestError
from mobiledeploy.network.network import Float, Network
from mobiledeploy.ops.architecture import Architecture, Layer
from mobiledeploy.ops.tensors import Shape
from mobiledeploy.ops.weights import Weights


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BatchNorm:
    """The parameters of a batch normalisation at inference.

    Attributes:
        gamma: float32, shape (channels,).
        beta: float32, shape (channels,).
        mean: Moving mean, float32, shape (channels,).
        variance: Moving variance, float32, shape (channels,), not negative.
        epsilon: Added to the variance.
    """

    gamma: Float
    beta: Float
    mean: Float
    variance: Float
    epsilon: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Variables:
    """One layer's weights as in training: batch norm not folded.

    Attributes:
        kernel: float32 in Keras's order: HWIO, HWC1 for depthwise, IO for dense.
        bias: float32, shape (channels,), or None.
        batch_norm: The batch normalisation that follows, or None.
    """

    kernel: Float
    bias: Float | None = None
    batch_norm: BatchNorm | None = None


def fold(architecture: Architecture, variables: Mapping[str, Variables]) -> Network:
    """Return the network without batch normalisation that computes the same.

    `gamma * (conv(x) + bias - mean) / sqrt(variance + epsilon) + beta` is a convolution again:
    the kernel's output channels are multiplied by `gamma / sqrt(variance + epsilon)`. The
    arithmetic is float64, so folding costs a single rounding to float32.

    Args:
        architecture: The layers.
        variables: By layer name, for every layer that has weights.

    Raises:
        RequestError: A layer's variables are missing, have another shape or are not finite.
    """
    return Network(
        architecture=architecture,
        weights={
            layer.name: _fold_layer(layer, variables)
            for layer in architecture.layers
            if layer.has_weights
        },
    )


def check_shapes(layer: Layer, variables: Variables) -> None:
    """Check that variables have the shapes that `layer` needs.

    Raises:
        RequestError: Names the layer, the expected and the received shape.
    """
    channels = (layer.out_channels,)
    _check(layer, "kernel", variables.kernel, layer.kernel_shape)
    if variables.bias is not None:
        _check(layer, "bias", variables.bias, channels)
    norm = variables.batch_norm
    if norm is not None:
        for what in ("gamma", "beta", "mean", "variance"):
            _check(layer, what, getattr(norm, what), channels)


def _check(layer: Layer, what: str, array: Float, expected: Shape) -> None:
    if array.shape != expected:
        raise RequestError(
            f"{what} of layer `{layer.name}`: expected shape {expected}, received {array.shape}",
            hint="check that `--arch` and `--alpha` are those of the weights",
        )


def _fold_layer(layer: Layer, variables: Mapping[str, Variables]) -> Weights:
    if layer.name not in variables:
        raise RequestError(f"layer `{layer.name}` has no weights")
    given = variables[layer.name]
    check_shapes(layer, given)
    kernel = given.kernel.astype(np.float64)
    bias = np.zeros(layer.out_channels) if given.bias is None else given.bias.astype(np.float64)
    norm = given.batch_norm
    if norm is not None:
        if not (norm.variance >= 0).all():
            raise RequestError(
                f"layer `{layer.name}`: expected a moving variance of 0 or more, "
                f"received {norm.variance.min()}",
                hint="the training diverged, or the weights file is damaged",
            )
        factor = norm.gamma / np.sqrt(norm.variance.astype(np.float64) + norm.epsilon)
        kernel = kernel * (factor[:, np.newaxis] if layer.op == "depthwise" else factor)
        bias = norm.beta + (bias - norm.mean) * factor
    # What float32 cannot hold becomes infinite here; Network then refuses it by layer name.
    with np.errstate(over="ignore"):
        return Weights(kernel=kernel.astype(np.float32), bias=bias.astype(np.float32))
