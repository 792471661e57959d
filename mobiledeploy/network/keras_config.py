"""Parse a Keras model's configuration (JSON) into a flat list of layers.

Nothing in it is executed. Nested models are flattened. Each layer states which outputs it is
called on. The configurations of Keras 3, tf.keras and the oldest Keras are understood.
"""

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from mobiledeploy.base.errors import CorruptFileError

Constant: TypeAlias = tuple[float, ...]
"""A number, or one number per channel."""
Operand: TypeAlias = int | Constant | None
"""What a layer is called on: the position of a layer in the list, a constant, or None for anything
else."""

KernelKind: TypeAlias = Literal["conv", "depthwise", "dense"]

KERNEL_KINDS: Final[dict[str, KernelKind]] = {
    "Conv2D": "conv",
    "DepthwiseConv2D": "depthwise",
    "Dense": "dense",
}
"""The kind of kernel by Keras class name."""

NORM_CLASSES: Final = frozenset({"BatchNormalization", "SyncBatchNormalization"})
"""Keras class names of batch normalisation."""

EPSILON: Final = 1e-3
"""Keras's default epsilon, for files with weights but without a configuration."""

INPUT_LAYER: Final = "InputLayer"
MODELS: Final = frozenset({"Functional", "Model", "Sequential"})
"""Class names of models whose configuration says all that they compute."""
_OPERANDS: Final = ("x", "x1", "x2", "y")
"""Names of the arguments with which operators take tensors."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConfigLayer:
    """One layer of the configuration, which may be in a nested model.

    Attributes:
        path: Group of its weights in files of Keras 3 and 2.13, such as
            `layers/functional/layers/conv2d_1`.
        name: The layer's name.
        class_name: The name of its Keras class.
        settings: Its own configuration.
        foreign: Whether the file says that the class is not one of Keras.
        operator: Whether it is a function such as `keras.ops.subtract`, not a layer.
        operands: What it is called on; empty for the input.
        options: Keyword arguments of the call that are not None.
        calls: Number of times that it is called.
    """

    path: str
    name: str
    class_name: str
    settings: Mapping[str, Any]
    foreign: bool = False
    operator: bool = False
    operands: tuple[Operand, ...] = ()
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    calls: int = 1

    @property
    def epsilon(self) -> float:
        """The epsilon of a batch normalisation."""
        value = self.settings.get("epsilon", EPSILON)
        if not isinstance(value, float) or not 0 < value < 1:
            raise CorruptFileError(f"layer `{self.name}`: expected an epsilon, received {value!r}")
        return value

    @property
    def scale(self) -> bool:
        """Whether a batch normalisation has a gamma."""
        return self.settings.get("scale") is not False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KerasConfig:
    """A model's layers.

    Attributes:
        layers: In the order of the file: each layer after its inputs.
        outputs: Positions of the layers that give the model's outputs.
    """

    layers: tuple[ConfigLayer, ...]
    outputs: tuple[Operand, ...]


def parse(text: str | bytes, where: str) -> KerasConfig:
    """Parse a configuration.

    Raises:
        CorruptFileError: It is not a Keras model's configuration.
    """
    layers: list[ConfigLayer] = []
    try:
        outputs = _flatten(json.loads(text), "", (), {}, layers)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise CorruptFileError(f"{where}: the model's configuration is damaged") from error
    return KerasConfig(layers=tuple(layers), outputs=outputs)


def _flatten(
    model: Mapping[str, Any],
    prefix: str,
    feeds: tuple[Operand, ...],
    options: Mapping[str, Any],
    layers: list[ConfigLayer],
) -> tuple[Operand, ...]:
    """Append a model's layers and return its outputs.

    Args:
        model: Its configuration.
        prefix: Prefix of the paths of its weights.
        feeds: What the model is called on; empty for the outermost model.
        options: Keyword arguments of the call.
        layers: The list to append to.
    """
    inside = model["config"]
    # Very old Sequential models are a bare list of layers.
    rows = inside if isinstance(inside, list) else inside.get("layers", ())
    chain = isinstance(inside, list) or "output_layers" not in inside
    used: Counter[str] = Counter()
    places: dict[str, Operand] = {}
    entries = _names(() if chain else inside.get("input_layers", ()))
    last: tuple[Operand, ...] = feeds
    for row in rows:
        class_name, settings = str(row["class_name"]), row["config"]
        stem = snake_case(class_name)
        path = f"{prefix}layers/{stem}_{used[stem]}" if used[stem] else f"{prefix}layers/{stem}"
        used[stem] += 1
        bare = isinstance(settings, list)
        if not bare and not isinstance(settings, dict):
            raise TypeError(f"expected an object, received {type(settings).__name__}")
        nested = bare or "layers" in settings
        name = str(row.get("name") or ("" if bare else settings["name"]))
        calls = [(last, {})] if chain else [_call(call, places) for call in _nodes(row)]
        operands, given = calls[0] if calls else ((), {})
        if class_name == INPUT_LAYER:
            index = entries.index(name) if name in entries else 0
            operands = (feeds[index] if index < len(feeds) else None,) if feeds else ()
        elif chain and not last and not layers and not bare:
            operands = (_entry(settings, layers),)
        if options.get("training") is True:
            given = {**given, "training": True}
        if nested and class_name in MODELS and len(calls) == 1:
            last = _flatten(row, f"{path}/", operands, given, layers)
        elif nested:
            # Its weights can be read; what it computes is not known.
            _flatten(row, f"{path}/", (None,), {}, layers)
            last = (None,)
        else:
            layers.append(
                ConfigLayer(
                    path=path,
                    name=name,
                    class_name=class_name,
                    settings=settings,
                    foreign=_foreign(row),
                    operator=".ops." in f"{row.get('module')}.",
                    operands=operands,
                    options=given,
                    calls=max(1, len(calls)),
                )
            )
            last = (len(layers) - 1,)
        places[name] = last[0] if len(last) == 1 else None
    if chain:
        return last
    return tuple(places.get(name) for name in _names(inside["output_layers"]))


def _entry(settings: Mapping[str, Any], layers: list[ConfigLayer]) -> int:
    """Append an input layer for a Sequential model that has none."""
    shapes = {key: value for key, value in settings.items() if key.startswith("batch_")}
    layers.append(ConfigLayer(path="", name="input", class_name=INPUT_LAYER, settings=shapes))
    return len(layers) - 1


def _foreign(row: Mapping[str, Any]) -> bool:
    module = row.get("module")
    ours = module is None or str(module).partition(".")[0] in {"keras", "tensorflow", "tf_keras"}
    return not ours or ">" in f"{row['class_name']}{row.get('registered_name')}"


def _names(references: Any) -> list[str]:
    """Return the layers' names in `[name, 0, 0]`, or in a list or object of such entries."""
    if isinstance(references, dict):
        references = list(references.values())
    if len(references) == 3 and isinstance(references[0], str):
        references = [references]
    return [str(reference[0]) for reference in references]


def _nodes(row: Mapping[str, Any]) -> Sequence[Any]:
    nodes = row.get("inbound_nodes") or ()
    if not isinstance(nodes, list | tuple):
        raise TypeError("expected a list of calls")
    return nodes


def _call(
    node: Any, places: Mapping[str, Operand]
) -> tuple[tuple[Operand, ...], Mapping[str, Any]]:
    """Return what a layer is called on, with its keyword arguments."""
    if isinstance(node, dict):  # Keras 3
        operands = [_operand(value, places) for value in _flat(node.get("args", ()))]
        named = node.get("kwargs") or {}
        operands += [_operand(named[key], places) for key in _OPERANDS if key in named]
        return tuple(operands), _options(named)
    operands, options = [], {}
    for item in [node] if node and isinstance(node[0], str) else node:
        name, _, tensor, *rest = item
        named = rest[0] if rest else {}
        if name == "_CONSTANT_VALUE":
            operands.append(constant(tensor))
        else:
            operands.append(places.get(name) if tensor == 0 else None)
        operands += [_operand(named[key], places) for key in _OPERANDS if key in named]
        options.update(_options(named))
    return tuple(operands), options


def _options(named: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in named.items()
        if key not in (*_OPERANDS, "name") and value is not None and value is not False
    }


def _flat(values: Any) -> Iterator[Any]:
    """Yield the items of nested lists; a list of numbers is one item."""
    for value in values:
        if isinstance(value, list) and any(isinstance(one, dict | list) for one in value):
            yield from _flat(value)
        else:
            yield value


def _operand(value: Any, places: Mapping[str, Operand]) -> Operand:
    match value:
        case {"class_name": "__keras_tensor__", "config": {"keras_history": [name, _, tensor]}}:
            return places.get(name) if tensor == 0 else None
        case [str(name), int(), int(tensor), *_]:
            return places.get(name) if tensor == 0 else None
        case _:
            return constant(value)


def constant(value: Any) -> Constant | None:
    """Return a number, or one number per channel, as Keras may write it; None for other values."""
    match value:
        case bool():
            return None
        case float() | int():
            return _numbers([value])
        case {"class_name": "__numpy__" | "__tensor__", "config": {"value": inner}}:
            return constant(inner)
        case [[*_] as only]:
            return constant(only)
        case [_, *_]:
            return _numbers(value)
        case _:
            return None


def _numbers(values: Sequence[Any]) -> Constant | None:
    if not all(isinstance(value, float | int) for value in values):
        return None
    try:
        return tuple(map(float, values))
    except OverflowError:  # JSON's integers have no limit
        return None


def snake_case(class_name: str) -> str:
    """Return the name of a class in the paths of Keras's files.

    >>> snake_case("DepthwiseConv2D"), snake_case("BatchNormalization")
    ('depthwise_conv2d', 'batch_normalization')
    """
    parted = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", class_name))
    return re.sub("([a-z])([A-Z])", r"\1_\2", parted).lower()
