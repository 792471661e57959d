"""Transfer weights from a Keras model in memory, or into one."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mobiledeploy.base.errors import RequestError
from mobiledeploy.models.keras_builder import BATCH_NORM
from mobiledeploy.network.fold import BatchNorm, Variables, check_shapes, fold
from mobiledeploy.network.keras_config import KERNEL_KINDS, NORM_CLASSES
from mobiledeploy.network.keras_weights import KerasBatchNorm, KerasKernel, KerasWeights
from mobiledeploy.network.network import Float, Network
from mobiledeploy.network.weight_matching import match_weights
from mobiledeploy.ops.architecture import Architecture

if TYPE_CHECKING:
    import keras


def variables_of(architecture: Architecture, model: "keras.Model") -> Mapping[str, Variables]:
    """Return copies of the model's variables, by layer of the architecture.

    Args:
        architecture: The architecture of the model.
        model: Built by `models.keras_builder`, or by Keras applications, in Keras 3 or tf_keras.

    Raises:
        RequestError: The model is not one of this architecture.
    """
    matched = match_weights(_keras_weights(model), architecture)
    if not matched.head:
        raise RequestError(f"expected a model with a head for {architecture.name}; {matched.note}")
    return matched.variables


def network_of(architecture: Architecture, model: "keras.Model") -> Network:
    """Return the model with its batch normalisations folded; see `variables_of`.

    Raises:
        RequestError: The model is not one of this architecture, or its weights are not finite.
    """
    return fold(architecture, variables_of(architecture, model))


def assign(
    architecture: Architecture,
    model: "keras.Model",
    variables: Mapping[str, Variables],
    *,
    head: bool = True,
) -> None:
    """Set the weights of a model that `models.keras_builder` built, layer by layer.

    The model computes the same as the variables, even if these have a bias before the batch
    normalisation, no batch normalisation, or another epsilon than the model.

    Args:
        architecture: The architecture of the model.
        model: Changed in place.
        variables: By layer name, for every layer that has weights; without `head` the dense
            layer's may be missing.
        head: Whether to set the dense layer, too.

    Raises:
        RequestError: A layer's variables are missing or have another shape. The model is then
            unchanged.
    """
    chosen = [
        layer
        for layer in architecture.layers
        if layer.has_weights and (head or layer.op != "dense")
    ]
    for layer in chosen:
        if layer.name not in variables:
            raise RequestError(f"layer `{layer.name}` has no weights")
        check_shapes(layer, variables[layer.name])
    for layer in chosen:
        source = variables[layer.name]
        target = model.get_layer(layer.name)
        if layer.op == "dense":
            bias = np.zeros(layer.out_channels) if source.bias is None else source.bias
            target.set_weights([source.kernel, bias])
        else:
            norm = model.get_layer(f"{layer.name}{BATCH_NORM}")
            target.set_weights([source.kernel])
            norm.set_weights(_statistics(source, layer.out_channels, float(norm.epsilon)))


def _statistics(source: Variables, channels: int, epsilon: float) -> list[Float]:
    """Return gamma, beta, mean and variance for a batch normalisation with this epsilon."""
    zeros = np.zeros(channels, np.float32)
    bias = zeros if source.bias is None else source.bias
    norm = source.batch_norm
    if norm is None:
        return [zeros + 1, bias, zeros, zeros + 1 - epsilon]
    # Exactly 1 where the epsilons are equal: the usual case stays bit-exact.
    ratio = np.sqrt((norm.variance + epsilon) / (norm.variance + norm.epsilon))
    return [norm.gamma * ratio, norm.beta, norm.mean - bias, norm.variance]


def _keras_weights(model: "keras.Model") -> KerasWeights:
    kernels, norms = [], []
    for layer in _layers(model):
        kind = type(layer).__name__
        if kind in KERNEL_KINDS:
            kernel, *bias = layer.get_weights()
            kernels.append(
                KerasKernel(
                    name=layer.name,
                    kind=KERNEL_KINDS[kind],
                    kernel=kernel,
                    bias=bias[0] if bias else None,
                )
            )
        elif kind in NORM_CLASSES:
            norms.append(KerasBatchNorm(name=layer.name, batch_norm=_batch_norm(layer)))
    return KerasWeights(origin=model.name, kernels=tuple(kernels), norms=tuple(norms))


def _layers(model: Any) -> Iterator[Any]:
    """Yield the layers in running order, those of nested models included."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _layers(layer)
        else:
            yield layer


def _batch_norm(layer: Any) -> BatchNorm:
    values = layer.get_weights()
    *_, mean, variance = values
    return BatchNorm(
        gamma=values[0] if layer.scale else np.ones_like(mean),
        beta=values[int(layer.scale)] if layer.center else np.zeros_like(mean),
        mean=mean,
        variance=variance,
        epsilon=float(layer.epsilon),
    )
