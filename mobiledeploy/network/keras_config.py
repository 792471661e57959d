"""A Keras model's configuration (JSON): names, order, epsilons. Nothing of it is executed."""

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.network.stored import EPSILON, KINDS, NORMS
from mobiledeploy.ops.architecture import Activation
from mobiledeploy.spec.input_scaling import SCALINGS, InputRange

_SHAPING: Final = frozenset({
    "Activation", "Add", "AveragePooling2D", "Dropout", "Flatten", "GlobalAveragePooling2D",
    "InputLayer", "ReLU", "Reshape", "Softmax", "ZeroPadding2D",
})  # fmt: skip
"""Classes that a MobileNet is made of, besides those with weights."""
_RESCALING: Final = "Rescaling"
_NEAR: Final = 0.01
"""Share of a range by which a layer's may differ: 127.5 for 128 is the same to a network."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConfigLayer:
    """One layer of the configuration, nested models taken apart.

    Attributes:
        path: Where Keras 3 and 2.13 keep its weights: `layers/functional/layers/conv2d_1`.
        name: The layer's name.
        class_name: Its Keras class.
        settings: Its own configuration.
    """

    path: str
    name: str
    class_name: str
    settings: Mapping[str, Any]

    @property
    def epsilon(self) -> float:
        """Epsilon of a batch normalisation."""
        value = self.settings.get("epsilon", EPSILON)
        if not isinstance(value, float) or not 0 < value < 1:
            raise CorruptFileError(f"layer `{self.name}`: expected an epsilon, received {value!r}")
        return value

    @property
    def scale(self) -> bool:
        """Whether a batch normalisation has a gamma."""
        return self.settings.get("scale") is not False

    @property
    def activation(self) -> Activation | None:
        """The activation that the layer applies, if it is one of ours."""
        if self.class_name == "ReLU":
            ceiling = self.settings.get("max_value")
            return "relu" if ceiling is None else "relu6" if ceiling == 6 else None
        match self.settings.get("activation"):
            case "relu":
                return "relu"
            case "relu6":
                return "relu6"
            case _:
                return None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KerasConfig:
    """A model's layers in the order in which they run."""

    layers: tuple[ConfigLayer, ...]

    @property
    def image_size(self) -> tuple[int, int] | None:
        """Height and width of the first input, if they are fixed."""
        for layer in self.layers:
            settings = layer.settings
            match settings.get("batch_shape") or settings.get("batch_input_shape"):
                case [_, int(height), int(width), _]:
                    return height, width
                case _:
                    continue
        return None

    @property
    def activations(self) -> frozenset[Activation]:
        """The activations between the layers."""
        found = (layer.activation for layer in self.layers)
        return frozenset(activation for activation in found if activation)

    @property
    def input_range(self) -> InputRange | None:
        """What a `Rescaling` layer makes of pixels, if that is a range that we know."""
        found = [layer.settings for layer in self.layers if layer.class_name == _RESCALING]
        match [(settings.get("scale"), settings.get("offset", 0.0)) for settings in found]:
            case [(float(scale) | int(scale), float(offset) | int(offset))]:
                for name, (mean, std) in SCALINGS.items():
                    misses = offset + mean / std, 255 * scale + offset - (255 - mean) / std
                    if all(abs(miss) <= _NEAR * 255 / std for miss in misses):
                        return name
                return None
            case _:
                return None

    @property
    def others(self) -> tuple[str, ...]:
        """Class names of layers that no MobileNet has, each once."""
        known = _SHAPING | NORMS | KINDS.keys()
        if self.input_range:
            known |= {_RESCALING}
        return tuple(sorted({layer.class_name for layer in self.layers} - known))


def parse(text: str | bytes, where: str) -> KerasConfig:
    """Read a configuration.

    Raises:
        CorruptFileError: It is not a Keras model's configuration.
    """
    try:
        data = json.loads(text)
        return KerasConfig(layers=tuple(_layers(data, "")))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CorruptFileError(f"{where}: the model's configuration is damaged") from error


def _layers(model: Mapping[str, Any], prefix: str) -> Iterator[ConfigLayer]:
    inside = model["config"]
    # Very old Sequential models are a bare list of layers.
    rows = inside if isinstance(inside, list) else inside.get("layers", ())
    used: Counter[str] = Counter()
    for row in rows:
        class_name, settings = str(row["class_name"]), row["config"]
        if not isinstance(settings, dict):
            raise TypeError(f"expected an object, received {type(settings).__name__}")
        stem = snake_case(class_name)
        path = f"{prefix}layers/{stem}_{used[stem]}" if used[stem] else f"{prefix}layers/{stem}"
        used[stem] += 1
        if "layers" in settings:
            yield from _layers(row, f"{path}/")
        else:
            yield ConfigLayer(
                path=path,
                name=str(row.get("name") or settings["name"]),
                class_name=class_name,
                settings=settings,
            )


def snake_case(class_name: str) -> str:
    """Return how Keras spells a class in the paths of its files.

    >>> snake_case("DepthwiseConv2D"), snake_case("BatchNormalization")
    ('depthwise_conv2d', 'batch_normalization')
    """
    parted = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", class_name))
    return re.sub("([a-z])([A-Z])", r"\1_\2", parted).lower()
