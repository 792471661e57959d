"""Parse a Keras model's configuration (JSON) into a flat list of layers.

Nothing in it is executed. Nested models are flattened. Each layer states which outputs it is
called on. The configurations of Keras 3, tf.keras and the oldest Keras are understood.
"""

import dataclasses
import heapq
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

IDENTITIES: Final = frozenset({
    "ActivityRegularization", "AlphaDropout", "AugMix", "CutMix", "Dropout", "GaussianDropout",
    "GaussianNoise", "Identity", "MixUp", "RandAugment", "RandomErasing", "SpatialDropout1D",
    "SpatialDropout2D",
    *(f"Random{what}" for what in (
        "Brightness", "ColorDegeneration", "ColorJitter", "Contrast", "ElasticTransform", "Flip",
        "GaussianBlur", "Grayscale", "Height", "Hue", "Invert", "Perspective", "Posterization",
        "Rotation", "Saturation", "Sharpness", "Shear", "Translation", "Width", "Zoom",
    )),
})  # fmt: skip
"""Classes that compute something in training only."""

EPSILON: Final = 1e-3
"""Keras's default epsilon, for files with weights but without a configuration."""

INPUT_LAYER: Final = "InputLayer"
MODELS: Final = frozenset({"Functional", "Model", "Sequential"})
"""Class names of models whose configuration says all that they compute."""
WRAPPERS: Final[Mapping[str, str]] = {
    "PruneLowMagnitude": "remove the pruning before saving: "
    "`tensorflow_model_optimization.sparsity.keras.strip_pruning(model)`",
    "ClusterWeights": "remove the clustering before saving: "
    "`tensorflow_model_optimization.clustering.keras.strip_clustering(model)`",
    **dict.fromkeys(
        ("QuantizeLayer", "QuantizeWrapper", "QuantizeAnnotate"),
        "save the float model, before `quantize_model`: mobiledeploy quantises it itself",
    ),
}
"""Wrappers of layers, by a part of their class name, and what to do about them."""
MAX_LAYERS: Final = 20_000
"""Most calls of layers in a model; models that call models can describe any number."""
_OPERANDS: Final = ("x", "x1", "x2", "y")
"""Names of the arguments with which operators take tensors."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConfigLayer:
    """One call of a layer of the configuration, which may be in a nested model.

    Attributes:
        path: Group of its weights in files of Keras 3 and 2.13, such as
            `layers/functional/layers/conv2d_1`.
        name: The layer's name.
        class_name: The name of its Keras class.
        settings: Its own configuration.
        parents: Names of the nested models around it, the outermost first.
        foreign: Whether the file says that the class is not one of Keras.
        operator: Whether it is a function such as `keras.ops.subtract`, not a layer.
        operands: What it is called on; empty for the input.
        arguments: All positional arguments of the call as the file has them (Keras 3).
        options: Keyword arguments of the call that are not None.
        calls: Number of times that the layer is called; each call is an entry of its own.
    """

    path: str
    name: str
    class_name: str
    settings: Mapping[str, Any]
    parents: tuple[str, ...] = ()
    foreign: bool = False
    operator: bool = False
    operands: tuple[Operand, ...] = ()
    arguments: Sequence[Any] = ()
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    calls: int = 1

    @property
    def epsilon(self) -> float:
        """The epsilon of a batch normalisation."""
        value = self.settings.get("epsilon", EPSILON)
        if not isinstance(value, float) or not 0 < value < 1:
            raise CorruptFileError(f"layer `{self.name}`: expected an epsilon, received {value!r}")
        return value


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KerasConfig:
    """A model's layers.

    Attributes:
        layers: One entry a call, each after its inputs.
        outputs: Positions of the layers that give the model's outputs.
        output_names: A name of its own for each output: its key where the model gives a dictionary
            (Keras 3), otherwise that of its layer.
        class_name: The name of the model's class.
        foreign: Whether that class is one that can compute something else than its layers.
        legacy: Whether it is written as Keras 1 and 2 do, without a module for each class.
    """

    layers: tuple[ConfigLayer, ...]
    outputs: tuple[Operand, ...]
    output_names: tuple[str, ...] = ()
    class_name: str = "Functional"
    foreign: bool = False
    legacy: bool = False


def parse(text: str | bytes, where: str) -> KerasConfig:
    """Parse a configuration.

    Raises:
        CorruptFileError: It is not a Keras model's configuration.
    """
    layers: list[ConfigLayer] = []
    try:
        model = json.loads(text)
        outputs = _flatten(model, _Call(), layers)
        return KerasConfig(
            layers=tuple(layers),
            outputs=outputs,
            output_names=_output_names(model),
            class_name=str(model["class_name"]),
            foreign=model["class_name"] not in MODELS or _foreign(model),
            legacy=not any(_new_style(row) for row in _rows(model)),
        )
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise CorruptFileError(f"{where}: the model's configuration is damaged") from error


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Call:
    """Where and how a model is called.

    Attributes:
        prefix: Prefix of the paths of its weights.
        parents: Names of the models around its layers, its own included.
        feeds: What it is called on; empty for the outermost model.
        options: Keyword arguments of the call.
        calls: Number of times that it is called, or a model around it.
    """

    prefix: str = ""
    parents: tuple[str, ...] = ()
    feeds: tuple[Operand, ...] = ()
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    calls: int = 1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Row:
    """One layer of a configuration as the file has it, with the path of its weights."""

    row: Mapping[str, Any]
    name: str
    path: str
    nodes: Sequence[Any]


def _rows(model: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    inside = model["config"]
    # Very old Sequential models are a bare list of layers.
    return inside if isinstance(inside, list) else inside.get("layers", ())


def _output_names(model: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of a model's outputs; Keras, too, numbers those of one name."""
    inside = model["config"]
    if isinstance(inside, list) or "output_layers" not in inside:
        return tuple(
            str(row.get("name") or row["config"]["name"])
            for row in _rows(model)[-1:]
            if isinstance(row["config"], dict)
        )
    given = inside["output_layers"]
    names: list[str] = []
    for key, value in given.items() if isinstance(given, dict) else [("", given)]:
        found = [name for name, _, _ in _references(value)]
        names += [str(key)] * len(found) if key else found
    used: Counter[str] = Counter()
    for place, name in enumerate(names):
        names[place] = f"{name}_{used[name]}" if used[name] else name
        used[name] += 1
    return tuple(names)


def _new_style(row: Mapping[str, Any]) -> bool:
    nodes = row.get("inbound_nodes") or ()
    return any(isinstance(node, dict) for node in nodes) or "batch_shape" in row["config"]


def _flatten(
    model: Mapping[str, Any], call: _Call, layers: list[ConfigLayer]
) -> tuple[Operand, ...]:
    """Append the layers of one call of a model and return its outputs."""
    inside = model["config"]
    chain = isinstance(inside, list) or "output_layers" not in inside
    rows = []
    used: Counter[str] = Counter()
    for row in _rows(model):
        settings = row["config"]
        if not isinstance(settings, list | dict):
            raise TypeError(f"expected an object, received {type(settings).__name__}")
        stem = snake_case(str(row["class_name"]))
        path = f"{call.prefix}layers/{stem}_{used[stem]}" if used[stem] else ""
        used[stem] += 1
        name = row.get("name") or ("" if isinstance(settings, list) else settings["name"])
        rows.append(
            _Row(
                row=row,
                name=str(name),
                path=path or f"{call.prefix}layers/{stem}",
                nodes=_nodes(row),
            )
        )
    if call.parents and not rows:
        raise ValueError("a model without layers")
    if chain:
        last = call.feeds
        for one in rows:
            bare = isinstance(one.row["config"], list)
            if not last and not layers and not bare and one.row["class_name"] != INPUT_LAYER:
                last = (_entry(one.row["config"], layers),)
            last = _append(one, last, {}, call, layers)
        return last
    entries = _names(inside.get("input_layers", ()))
    first = _first_calls(rows, inside)
    tensors: dict[tuple[str, int], tuple[Operand, ...]] = {}
    for one, place in _in_order(rows, first):
        operands, options = _call(one.nodes[place], tensors, first) if one.nodes else ((), {})
        if one.row["class_name"] == INPUT_LAYER and call.feeds:
            index = entries.index(one.name) if one.name in entries else 0
            operands = (call.feeds[index] if index < len(call.feeds) else None,)
        arguments = _arguments(one.nodes[place]) if one.nodes else ()
        tensors[one.name, place] = _append(one, operands, options, call, layers, arguments)
    return tuple(
        _tensor(reference, tensors, first) for reference in _references(inside["output_layers"])
    )


def _in_order(rows: Sequence[_Row], first: Mapping[str, int]) -> Iterator[tuple[_Row, int]]:
    """Yield the calls (row, number of the call), each after those that it reads.

    The order is the file's, but a second call of a layer can read layers that come after it.
    """
    calls = [(one, place) for one in rows for place in range(max(1, len(one.nodes)))]
    numbers = {(one.name, place): number for number, (one, place) in enumerate(calls)}
    users: list[list[int]] = [[] for _ in calls]
    missing = [0] * len(calls)
    for number, (one, place) in enumerate(calls):
        node = one.nodes[place] if one.nodes else ()
        for source in {(name, index - first.get(name, 0)) for name, index, _ in _references(node)}:
            if source in numbers:
                users[numbers[source]].append(number)
                missing[number] += 1
    ready = [number for number, count in enumerate(missing) if not count]
    while ready:
        number = heapq.heappop(ready)
        yield calls[number]
        for user in users[number]:
            missing[user] -= 1
            if not missing[user]:
                heapq.heappush(ready, user)
    if any(missing):
        raise ValueError("layers read each other in a circle")


def _append(
    one: _Row,
    operands: tuple[Operand, ...],
    options: Mapping[str, Any],
    call: _Call,
    layers: list[ConfigLayer],
    arguments: Sequence[Any] = (),
) -> tuple[Operand, ...]:
    """Append one call of a layer or of a nested model; return what it gives."""
    class_name, settings = str(one.row["class_name"]), one.row["config"]
    if call.options.get("training") is True:
        options = {**options, "training": True}
    calls = max(1, len(one.nodes)) * call.calls
    if isinstance(settings, list) or "layers" in settings:
        known = class_name in MODELS and not _foreign(one.row)
        inside = _Call(
            prefix=f"{one.path}/",
            parents=(*call.parents, one.name),
            feeds=operands if known else (None,),
            options=options,
            calls=calls,
        )
        given = _flatten(one.row, inside, layers)
        if known:
            return given
        # The weights of its layers can be read; what it computes is not known.
    if len(layers) >= MAX_LAYERS:
        raise ValueError(f"more than {MAX_LAYERS} layers")
    layers.append(
        ConfigLayer(
            path=one.path,
            name=one.name,
            class_name=class_name,
            settings=settings if isinstance(settings, dict) else {},
            parents=call.parents,
            foreign=_foreign(one.row),
            operator=_operator(one.row),
            operands=operands,
            arguments=arguments,
            options=options,
            calls=calls,
        )
    )
    return (len(layers) - 1,)


def _operator(row: Mapping[str, Any]) -> bool:
    """Whether a row is a function between layers; old files of Keras 3 do not say it."""
    if "module" in row:
        return ".ops." in f"{row['module']}."
    settings = row["config"]
    nodes = row.get("inbound_nodes") or ()
    return (
        any(isinstance(node, dict) for node in nodes)
        and row["class_name"] != INPUT_LAYER
        and "trainable" not in settings
    )


def _first_calls(rows: Sequence[_Row], inside: Mapping[str, Any]) -> dict[str, int]:
    """Return the number by which references mean the first call, for nested models.

    tf.keras counts the call that makes a model, which the file does not list, Keras 3 does not.
    """
    nested = {one.name for one in rows if "layers" in one.row["config"]}
    first: dict[str, int] = {}
    for reference in (*(one.nodes for one in rows), inside["output_layers"]):
        for name, index, _ in _references(reference):
            if name in nested:
                first[name] = min(index, first.get(name, index))
    return first


def _references(value: Any) -> Iterator[tuple[str, int, int]]:
    """Yield the tensors (layer, call, output) that a call or a list of outputs names, in order."""
    match value:
        case {"keras_history": [str(name), int(index), int(tensor)]}:
            yield name, index, tensor
        case dict():
            for inner in value.values():
                yield from _references(inner)
        case ["_CONSTANT_VALUE", *rest]:
            yield from _references(rest)
        case [str(name), int(index), int(tensor), *rest]:
            yield name, index, tensor
            yield from _references(rest)
        case list() | tuple():
            for inner in value:
                yield from _references(inner)
        case _:
            pass


def _tensor(
    reference: tuple[str, int, int],
    tensors: Mapping[tuple[str, int], tuple[Operand, ...]],
    first: Mapping[str, int],
) -> Operand:
    name, index, output = reference
    given = tensors.get((name, index - first.get(name, 0)), ())
    return given[output] if 0 <= output < len(given) else None


def _entry(settings: Mapping[str, Any], layers: list[ConfigLayer]) -> int:
    """Append an input layer, of the first layer's shape, for a Sequential model without one."""
    while settings.get("layers"):  # a model
        settings = settings["layers"][0]["config"]
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
    node: Any, tensors: Mapping[tuple[str, int], tuple[Operand, ...]], first: Mapping[str, int]
) -> tuple[tuple[Operand, ...], Mapping[str, Any]]:
    """Return what a layer is called on, with its keyword arguments."""

    def operand(value: Any) -> Operand:
        match value:
            case {"class_name": "__keras_tensor__"} | [str(), int(), int(), *_]:
                references = list(_references(value))
                return _tensor(references[0], tensors, first)
            case _:
                return constant(value)

    if isinstance(node, dict):  # Keras 3
        named = node.get("kwargs") or {}
        operands = [operand(value) for value in _flat(node.get("args", ()))]
        operands += [operand(named[key]) for key in _OPERANDS if key in named]
        return tuple(operands), _options(named)
    operands, options = [], {}
    for item in [node] if node and isinstance(node[0], str) else node:
        name, _, third, *rest = item
        named = rest[0] if rest else {}
        operands.append(constant(third) if name == "_CONSTANT_VALUE" else operand(item[:3]))
        operands += [operand(named[key]) for key in _OPERANDS if key in named]
        options.update(_options(named))
    return tuple(operands), options


def _arguments(node: Any) -> Sequence[Any]:
    given = node.get("args", ()) if isinstance(node, dict) else ()
    return given if isinstance(given, list) else ()


def _options(named: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in named.items()
        if key not in (*_OPERANDS, "name") and value is not None and value is not False
    }


def _flat(values: Any) -> Iterator[Any]:
    """Yield the items of nested lists of tensors; a list without tensors is one item."""
    for value in values:
        if isinstance(value, list) and any(True for _ in _references(value)):
            yield from _flat(value)
        else:
            yield value


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
