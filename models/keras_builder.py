"""Build a trainable Keras 3 model from an `Architecture`."""

from typing import TYPE_CHECKING, Any, Final

from mobiledeploy.base.errors import RequestError
from mobiledeploy.ops.architecture import INPUT, Activation, Architecture, Layer

if TYPE_CHECKING:
    import keras

EPSILON: Final = 1e-3
"""Epsilon of every batch normalisation, as in Keras applications."""

DTYPE: Final = "float32"
"""Type of every layer; users can change Keras's default (`floatx` in `keras.json`)."""

BATCH_NORM: Final = "_BN"
"""Suffix of the name of a convolution's batch normalisation: `<layer>_BN`."""

_CEILING: Final[dict[Activation, float | None]] = {"relu": None, "relu6": 6.0}


def build(architecture: Architecture, *, batch_norm_momentum: float = 0.9) -> "keras.Model":
    """Return an untrained Keras model.

    A convolution becomes three Keras layers: the convolution without bias under the layer's own
    name, `<layer>_BN` and `<layer>_relu` (none where the layer is linear). Initial weights come
    from Keras's global seed (`keras.utils.set_random_seed`).

    Args:
        architecture: The architecture; the model's output is that of its last layer.
        batch_norm_momentum: Share of the old moving average that each step keeps. Keras
            applications' 0.999 needs thousands of steps; 0.9 suits short training.

    Returns:
        float32 images (batch, height, width, channels) to (batch, classes).

    Raises:
        RequestError: A layer has an operator that the papers' tables do not have.
    """
    import keras

    image = keras.Input(architecture.input_shape, name=INPUT, dtype=DTYPE)
    tensors = {INPUT: image}
    for layer in architecture.layers:
        sources = [tensors[name] for name in layer.inputs]
        tensors[layer.name] = _apply(layer, sources, batch_norm_momentum)
    return keras.Model(image, tensors[architecture.output.name], name=architecture.name)


def _apply(layer: Layer, sources: list[Any], batch_norm_momentum: float) -> Any:
    from keras import layers

    match layer.op:
        case "conv" | "depthwise":
            tensor = layers.BatchNormalization(
                momentum=batch_norm_momentum,
                epsilon=EPSILON,
                name=f"{layer.name}{BATCH_NORM}",
                dtype=DTYPE,
            )(_convolution(layer)(sources[0]))
            if layer.activation == "none":
                return tensor
            return layers.ReLU(_CEILING[layer.activation], name=f"{layer.name}_relu", dtype=DTYPE)(
                tensor
            )
        case "add":
            return layers.Add(name=layer.name, dtype=DTYPE)(sources)
        case "mean":
            return layers.GlobalAveragePooling2D(
                data_format="channels_last", name=layer.name, dtype=DTYPE
            )(sources[0])
        case "dense":
            return layers.Dense(layer.out_channels, name=layer.name, dtype=DTYPE)(sources[0])
        case "softmax":
            return layers.Softmax(name=layer.name, dtype=DTYPE)(sources[0])
        case _:
            raise RequestError(
                f"layer `{layer.name}`: expected an operator of the papers' tables, received "
                f"`{layer.op}`"
            )


def _convolution(layer: Layer) -> "keras.Layer":
    from keras import layers

    if layer.parameters or layer.padding not in ("same", "valid"):
        raise RequestError(
            f"layer `{layer.name}`: expected a convolution of the papers' tables, received "
            f"padding {layer.padding} and {dict(layer.parameters)}"
        )
    common = {
        "strides": layer.strides,
        "padding": layer.padding,
        "use_bias": False,
        "data_format": "channels_last",
        "name": layer.name,
        "dtype": DTYPE,
    }
    match layer.op:
        case "depthwise":
            return layers.DepthwiseConv2D(layer.kernel, **common)
        case "conv":
            return layers.Conv2D(layer.out_channels, layer.kernel, **common)
        case op:
            raise ValueError(f"`{layer.name}`: expected a convolution, received {op}")
