"""Variables out of, and into, a Keras model that `models.keras_builder` built."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mobiledeploy.errors import RequestError
from mobiledeploy.layers import Architecture, Layer
from mobiledeploy.models.keras_builder import BATCH_NORM
from mobiledeploy.network.fold import BatchNorm, Variables, check_shapes, fold
from mobiledeploy.network.network import Float, Network

if TYPE_CHECKING:
    import keras


def variables_of(architecture: Architecture, model: "keras.Model") -> Mapping[str, Variables]:
    """Return copies of the model's variables, by layer of the architecture.

    Raises:
        RequestError: The model is not one of this architecture.
    """
    found = {}
    for layer in architecture.layers:
        if layer.has_weights:
            kernel, *bias = _keras_layer(model, layer.name).get_weights()
            found[layer.name] = Variables(
                kernel=kernel,
                bias=bias[0] if bias else None,
                batch_norm=None if layer.op == "dense" else _batch_norm(model, layer),
            )
            check_shapes(layer, found[layer.name])
    return found


def network_of(architecture: Architecture, model: "keras.Model") -> Network:
    """Return the model with its batch normalisations folded.

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
    """Set a built model's weights, layer by layer.

    The model computes what the variables say even if they have a bias before the batch
    normalisation, none at all, or another epsilon than the model's.

    Args:
        architecture: What the model was built from.
        model: Changed in place.
        variables: By layer name, for every layer that has weights; without `head` the dense
            layer's may be missing.
        head: Whether to set the dense layer too, or to leave it as it is.

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
        target = _keras_layer(model, layer.name)
        if layer.op == "dense":
            bias = np.zeros(layer.out_channels) if source.bias is None else source.bias
            target.set_weights([source.kernel, bias])
        else:
            norm = _keras_layer(model, f"{layer.name}{BATCH_NORM}")
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


def _batch_norm(model: "keras.Model", layer: Layer) -> BatchNorm:
    norm = _keras_layer(model, f"{layer.name}{BATCH_NORM}")
    gamma, beta, mean, variance = norm.get_weights()
    return BatchNorm(
        gamma=gamma, beta=beta, mean=mean, variance=variance, epsilon=float(norm.epsilon)
    )


def _keras_layer(model: "keras.Model", name: str) -> Any:
    try:
        return model.get_layer(name)
    except ValueError as error:
        raise RequestError(
            f"expected a Keras model with a layer `{name}`, received `{model.name}` without one",
            hint="build the model with `mobiledeploy.models`, or read it from its file",
        ) from error
