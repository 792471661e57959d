"""Import a whole Keras model as a `FloatGraph`, from a file or from memory, without Keras.

Nothing of a file is executed: its configuration is read as data, and what is Python code, a class
of the user's own or a network kept elsewhere becomes an `unsupported` node with the reason.
"""

import dataclasses
import json
import math
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from mobiledeploy.base.errors import ConversionError, CorruptFileError, RequestError
from mobiledeploy.base.files import Name
from mobiledeploy.formats.limits import MOST_NAME
from mobiledeploy.network import keras_file
from mobiledeploy.network.float_graph import INPUT, FloatGraph
from mobiledeploy.network.importers import keras_layers, keras_operators
from mobiledeploy.network.importers.builder import (
    MOST_VALUES,
    SMALLER,
    GraphBuilder,
    UnsupportedError,
)
from mobiledeploy.network.importers.imported import Imported, Notice, NoticeKind
from mobiledeploy.network.importers.keras_activations import SettingError, check
from mobiledeploy.network.importers.keras_layers import LayerCall
from mobiledeploy.network.importers.views import View
from mobiledeploy.network.keras_config import (
    INPUT_LAYER,
    WRAPPERS,
    ConfigLayer,
    KerasConfig,
    Operand,
    parse,
)
from mobiledeploy.network.keras_variables import KerasFile, Variable
from mobiledeploy.ops.tensors import Shape

Variables = Callable[[ConfigLayer], Sequence[Variable]]

_HUB: Final = "it keeps its network outside of the file"
_REASONS: Final[Mapping[str, str]] = {
    "Lambda": "it is Python code, which is not run: use layers or operators instead, or convert "
    "the model to a float .tflite or .onnx and quantise that",
    "KerasLayer": f"a layer of TensorFlow Hub: {_HUB}",
    "TFSMLayer": f"a SavedModel as a layer: {_HUB}",
}
"""Why layers of a class are not supported, and what to do."""
_CALL_OPTIONS: Final = frozenset({"training", "mask"})
"""Keyword arguments with which layers may be called."""
_POLICIES: Final[Mapping[str, NoticeKind]] = {
    "float16": "float16", "bfloat16": "bfloat16", "float64": "float64",
    "mixed_float16": "mixed_precision", "mixed_bfloat16": "mixed_precision",
}  # fmt: skip


def read(
    path: Name, *, image_size: tuple[int, int] | None = None, output: str | None = None
) -> Imported:
    """Import a `.keras` file, or a whole model as `.h5`, of Keras 2 or 3.

    Args:
        path: The file. It is read in a child process.
        image_size: Height and width for a model that takes images of any size.
        output: Name of the output, if the model has several: its key where they are a dictionary,
            otherwise its layer.

    Raises:
        CorruptFileError: The file is missing, damaged or not a Keras file.
        RequestError: It holds weights only, or a model with several inputs or outputs or without
            a fixed size of its input, or no such output.
        MissingDependencyError: h5py is not installed.
    """
    return of_file(keras_file.read_model(path), image_size=image_size, output=output)


def of_file(
    file: KerasFile,
    *,
    image_size: tuple[int, int] | None = None,
    output: str | None = None,
    resized: bool = False,
) -> Imported:
    """Import a file that was read.

    Args:
        file: The file.
        image_size: Height and width for a model that takes images of any size.
        output: See `read`.
        resized: Whether a model of images of one size is taken with those of `image_size`, too:
            its convolutions can compute them, layers that cannot become `unsupported` nodes.

    Raises:
        CorruptFileError: Its configuration is damaged.
        RequestError: See `read`.
    """
    config = parse(file.config, file.origin)
    keras_2 = file.version.startswith("2.") if file.version else config.legacy
    model = _Model(
        config=config,
        variables=file.variables,
        origin=file.origin,
        version=file.version,
        keras_2=keras_2,
    )
    return _imported(model, image_size, output, resized=resized)


def image_size_of(file: KerasFile) -> tuple[int, int] | None:
    """Return the height and width of a model's images; None where they are not fixed.

    Raises:
        CorruptFileError: Its configuration is damaged.
    """
    for layer in parse(file.config, file.origin).layers:
        match layer.settings.get("batch_shape") or layer.settings.get("batch_input_shape"):
            case [_, int(height), int(width), _]:
                return height, width
            case _:
                pass
    return None


def read_model(model: Any, *, image_size: tuple[int, int] | None = None) -> Imported:
    """Import a Keras model in memory, of Keras 2 or 3 and any backend.

    Args:
        model: A Functional or Sequential model.
        image_size: Height and width for a model that takes images of any size.

    Raises:
        RequestError: It is no such model, or one with several inputs or outputs or without a
            fixed size of its input.
    """
    try:
        with warnings.catch_warnings():
            # Keras warns of Python code in the model, which is refused by name below.
            warnings.simplefilter("ignore")
            text = model.to_json()
    except (AttributeError, NotImplementedError, TypeError, ValueError) as error:
        raise RequestError(
            f"expected a Functional or Sequential Keras model, received {type(model).__name__}",
            hint=str(error),
        ) from error
    name = str(getattr(model, "name", "model"))
    config = parse(text, name)
    version = json.loads(text).get("keras_version") or _installed_version(model)
    known = dict(_model_variables(model, ()))
    return _imported(
        _Model(
            config=config,
            variables=lambda layer: known.get((*layer.parents, layer.name), ()),
            origin=name,
            version=version,
            keras_2=version.startswith("2.") if version else config.legacy,
        ),
        image_size,
    )


def _installed_version(model: Any) -> str:
    """Return the version of the package of the model's class."""
    for kind in type(model).__mro__:
        package = kind.__module__.partition(".")[0]
        if package in {"keras", "tf_keras"}:
            return str(getattr(sys.modules.get(package), "__version__", ""))
    return ""


def _model_variables(
    model: Any, parents: tuple[str, ...]
) -> list[tuple[tuple[str, ...], tuple[Variable, ...]]]:
    """Return the variables of all layers, by the names of the models around them and their own."""
    rows = []
    for layer in model.layers:
        path = (*parents, str(layer.name))
        if hasattr(layer, "layers"):
            rows += _model_variables(layer, path)
            continue
        names = [str(weight.name).rpartition("/")[2].partition(":")[0] for weight in layer.weights]
        arrays = [np.asarray(array) for array in layer.get_weights()]
        variables = tuple(
            Variable(role=name, array=array if array.dtype.kind in "iub" else _float32(array))
            for name, array in zip(names, arrays, strict=True)
        )
        rows.append((path, variables))
    return rows


def _float32(array: Any) -> Any:
    with np.errstate(over="ignore"):  # infinite weights are refused with their layer's name
        return array.astype(np.float32)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Model:
    """A model to be imported.

    Attributes:
        config: Its layers.
        variables: Returns the variables of a layer.
        origin: Its name, for messages.
        version: Version of Keras that wrote it; empty if it is not known.
        keras_2: Whether Keras 2 wrote it.
    """

    config: KerasConfig
    variables: Variables
    origin: str
    version: str
    keras_2: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Tensor:
    """The output of a layer.

    Attributes:
        view: The tensor; None if its shape is not known.
        certain: Whether its shape is that of the model: behind a layer that is not supported, the
            shape of its input is assumed.
    """

    view: View | None
    certain: bool = True


def _imported(
    model: _Model,
    image_size: tuple[int, int] | None,
    chosen: str | None = None,
    *,
    resized: bool = False,
) -> Imported:
    config = model.config
    if config.foreign:
        raise RequestError(
            f"{model.origin}: the model is of the class `{config.class_name}`, whose code is not "
            "in it",
            hint="make a `keras.Model(inputs, outputs)` of the same layers and save that",
        )
    output = _output_of(model, chosen)
    needed = _needed(model, output)
    entry, sizes = _input(model, needed, image_size, resized=resized)
    channels_first = any(
        layer.settings.get("data_format") == "channels_first" for layer in config.layers
    )
    rank = len(sizes)
    order = (*range(2, rank), 1) if channels_first and rank > 2 else tuple(range(1, rank))
    builder = GraphBuilder(channels_last=not channels_first)
    image = builder.made(INPUT, sizes, order)
    tensors = {entry: _Tensor(view=image)}
    problem = ""
    owners: dict[str, str] = {}
    for number in sorted(needed - {entry}):
        layer = config.layers[number]
        begun = len(builder.nodes)
        tensors[number], problem = _translated(model, builder, layer, tensors, problem)
        owner = "/".join((*layer.parents, layer.name))
        owners.update((node.name, owner) for node in builder.nodes[begun:])
    last = tensors[output]
    view = last.view
    if view is not None:
        view = builder.separate(view, builder.default_order(view))
    graph = FloatGraph(
        name=model.origin,
        input_shape=tuple(sizes[axis] for axis in order),
        nodes=tuple(builder.nodes),
        output=problem if view is None else view.node,
    )
    return Imported(
        graph=graph,
        source="keras",
        producer=f"{'tf.keras' if model.keras_2 else 'Keras'} {model.version}".strip(),
        input_layout=("NCHW" if channels_first else "NHWC") if rank == 4 else "vector",
        classes=view.sizes[-1] if view is not None and last.certain else 0,
        layers=owners,
        **_precision(model, needed),
    )


def _output_of(model: _Model, chosen: str | None) -> int:
    """Return the position of the layer that gives the output."""
    outputs, names = model.config.outputs, model.config.output_names
    listed = ", ".join(names)[:MOST_NAME]
    if chosen is None and len(outputs) != 1:
        raise RequestError(
            f"{model.origin}: expected one output, received {len(outputs)}: {listed}",
            hint="`mobiledeploy quantize` takes the one that holds the classes with `--output`",
        )
    if chosen is not None and chosen not in names:
        raise RequestError(f"{model.origin}: expected an output `{chosen}`, received {listed}")
    number = 0 if chosen is None else names.index(chosen)
    place = outputs[number] if number < len(outputs) else None
    if not isinstance(place, int):
        raise CorruptFileError(f"{model.origin}: its output is no layer's")
    return place


def _needed(model: _Model, output: int) -> frozenset[int]:
    """Return the positions of the layers that an output depends on."""
    needed: set[int] = set()
    waiting: list[Operand] = [output]
    while waiting:
        place = waiting.pop()
        if isinstance(place, int) and place not in needed:
            needed.add(place)
            waiting += model.config.layers[place].operands
    return frozenset(needed)


def _input(
    model: _Model,
    needed: frozenset[int],
    image_size: tuple[int, int] | None,
    *,
    resized: bool,
) -> tuple[int, Shape]:
    """Return the position of the input and its shape, with the batch as 1."""
    layers = model.config.layers
    places = [
        place
        for place, layer in enumerate(layers)
        if layer.class_name == INPUT_LAYER and not layer.operands
    ]
    if len(places) != 1:
        names = ", ".join(f"`{layers[place].name}`" for place in places) or "none"
        raise RequestError(
            f"{model.origin}: expected a model with one input, received {names}",
            hint="save the part of it that reads the image as a model of its own",
        )
    [place] = places
    if place not in needed:
        raise RequestError(f"{model.origin}: its output does not depend on its input")
    settings = layers[place].settings
    shape = settings.get("batch_shape") or settings.get("batch_input_shape")
    if not isinstance(shape, list) or len(shape) < 2:
        raise RequestError(
            f"{model.origin}: it does not say the shape of its input",
            hint="call the model once, or build it with an Input layer, before you save it",
        )
    sizes = list(shape[1:])
    spatial = 1 if settings.get("data_format") == "channels_first" else 0
    if len(sizes) == 3 and image_size is not None:
        for axis, size in zip((spatial, spatial + 1), image_size, strict=True):
            if sizes[axis] not in (None, size) and not resized:
                raise RequestError(
                    f"{model.origin} takes images of {sizes[0]} x {sizes[1]} pixels, not of "
                    f"{image_size[0]} x {image_size[1]}"
                )
            sizes[axis] = size
    if not all(type(size) is int and size > 0 for size in sizes):
        raise RequestError(
            f"{model.origin} takes inputs of any size: its shape is {tuple(sizes)}",
            hint="state the size of the images (`--image-size`)",
        )
    if math.prod(sizes) > MOST_VALUES:
        raise ConversionError(
            f"{model.origin}: an input of {tuple(sizes)} is too large", hint=SMALLER
        )
    return place, (1, *sizes)


def _inputs(operands: Sequence[Operand], tensors: Mapping[int, _Tensor]) -> list[_Tensor]:
    return [tensors[operand] for operand in operands if isinstance(operand, int)]


def _translated(
    model: _Model,
    builder: GraphBuilder,
    layer: ConfigLayer,
    tensors: Mapping[int, _Tensor],
    problem: str,
) -> tuple[_Tensor, str]:
    """Add the nodes of a call; return its output and the last node that is not supported."""
    inputs = _inputs(layer.operands, tensors)
    views = tuple(tensor.view for tensor in inputs if tensor.view is not None)
    known = len(views) == len(inputs)
    certain = known and all(tensor.certain for tensor in inputs)
    call = LayerCall(
        builder=builder,
        layer=layer,
        views=views,
        variables=model.variables,
        keras_2=model.keras_2,
    )
    kind = keras_operators.function_name(call)
    builder.begin(layer.name, kind)
    begun = len(builder.nodes)
    try:
        _check_call(call)
        if not known:
            return _Tensor(view=None, certain=False), problem
        return _Tensor(view=_output(call), certain=certain), problem
    except UnsupportedError as error:
        builder.forget(begun)
        if not certain and not isinstance(error, SettingError):
            # It does not fit a shape that was only assumed.
            return _Tensor(view=None, certain=False), problem
        builder.begin(layer.name, kind)
        # It also reads the problem before it, so that the output depends on all of them.
        reads = [view.node for view in views] + ([problem] if problem else [])
        problem = builder.unsupported(reads, str(error))
        view = dataclasses.replace(views[0], node=problem) if views else None
        return _Tensor(view=view, certain=False), problem


def _check_call(call: LayerCall) -> None:
    """Refuse what is not supported whatever the shapes are.

    Raises:
        SettingError: The class or the way it is called.
    """
    layer = call.layer
    kind = keras_operators.function_name(call)
    check(layer.class_name not in _REASONS, _REASONS.get(layer.class_name, ""))
    for part, hint in WRAPPERS.items():
        check(part not in layer.class_name, hint)
    check(not layer.foreign, "it is not a class of Keras: its code is not in the file")
    operands = keras_operators.operands_of(call)
    check(None not in operands, "it reads something that is not known")
    check(bool(operands), "it reads nothing")
    if _is_operator(layer):
        check(keras_operators.is_known(kind), f"the operator `{kind}` is not supported")
        return
    policy = _policy(layer)
    check(
        "int8" not in policy and "int4" not in policy and "float8" not in policy,
        f"Keras has quantised its weights ({policy}): save the float model",
    )
    check(kind in keras_layers.LAYERS, f"there is no exact int8 form of {kind}")
    check(all(isinstance(operand, int) for operand in operands), "it is called on a constant")
    strange = layer.options.keys() - _CALL_OPTIONS
    check(not strange, f"it is called with {', '.join(sorted(strange))}")
    several = kind in keras_layers.SEVERAL
    check(several or len(operands) == 1, f"it is called on {len(operands)} tensors")


def _is_operator(layer: ConfigLayer) -> bool:
    return layer.operator or layer.class_name in keras_operators.FUNCTION_LAYERS


def _output(call: LayerCall) -> View:
    if not _is_operator(call.layer):
        return keras_layers.LAYERS[call.layer.class_name](call)
    views = iter(call.views)
    return keras_operators.translate(call, [
        np.asarray(operand[0] if len(operand) == 1 else operand)
        if isinstance(operand, tuple) else next(views)
        for operand in keras_operators.operands_of(call)
    ])  # fmt: skip


def _policy(layer: ConfigLayer) -> str:
    """Return the name of a layer's dtype policy."""
    match layer.settings.get("dtype"):
        case str(name):
            return name
        case {"config": {"name": str(name)}}:
            return name
        case {"config": {"mode": str(mode)}}:
            return mode
        case _:
            return "float32"


def _precision(model: _Model, needed: frozenset[int]) -> dict[str, Any]:
    """Return the types of the weights and what to say of them."""
    policies = sorted({
        _policy(model.config.layers[place])
        for place in needed
        if model.config.layers[place].class_name != INPUT_LAYER
    })  # fmt: skip
    kinds: dict[NoticeKind, list[str]] = {}
    for policy in policies:
        if policy in _POLICIES:
            kinds.setdefault(_POLICIES[policy], []).append(policy)
    stored = {name if not name.startswith("mixed_") else "float32" for name in policies}
    return {
        "dtypes": tuple(sorted(stored & {"float16", "bfloat16", "float32", "float64"}))
        or ("float32",),
        "notices": tuple(Notice(kind=kind, names=tuple(names)) for kind, names in kinds.items()),
    }
