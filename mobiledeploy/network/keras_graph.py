"""The graph of operators that a Keras model's configuration describes.

A layer that is not understood stays in the graph as `other`, with the reason: nothing is left out
that could change the result. Layers that do nothing at inference, such as `Dropout`, are left out.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

from mobiledeploy.network.keras_config import (
    IDENTITIES,
    INPUT_LAYER,
    NORM_CLASSES,
    ConfigLayer,
    Constant,
    KerasConfig,
    Operand,
    constant,
)

IntPair: TypeAlias = tuple[int, int]
NodeOp: TypeAlias = Literal[
    "input", "affine", "resize", "pad", "conv", "depthwise", "dense", "norm", "activation", "add",
    "mean", "average", "flatten", "softmax", "other",
]  # fmt: skip

_OPERATORS: Final = {
    "Add": "add", "math.add": "add", "__operators__.add": "add",
    "Subtract": "subtract", "math.subtract": "subtract",
    "Multiply": "multiply", "math.multiply": "multiply",
    "Divide": "divide", "TrueDivide": "divide", "math.truediv": "divide", "math.divide": "divide",
    "Cast": "cast", "cast": "cast", "Identity": "identity", "identity": "identity",
    "Relu": "relu", "nn.relu": "relu", "Relu6": "relu6", "nn.relu6": "relu6",
    "Softmax": "softmax", "nn.softmax": "softmax",
    "Mean": "mean", "math.reduce_mean": "mean",
}  # fmt: skip
"""Functions that a graph can hold between layers: Keras 3 names a class, tf.keras a function."""

_FUNCTION_LAYER: Final = "TFOpLambda"
"""The class by which tf.keras represents a function between layers."""
_FLOATS: Final = frozenset({"float16", "float32", "float64", "bfloat16"})
_TENSOR_AXES: Final = {1, 2}
"""The axes of height and width in a batch of images, channels last."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class KerasNode:
    """One operator of a Keras model.

    Attributes:
        op: The operator.
        name: The layer's name.
        class_name: The name of its Keras class.
        path: Group of its weights, in files that group weights by class.
        inputs: Positions of the nodes whose outputs it takes.
        channels: Output channels (conv, dense).
        kernel: Height and width of the window; of the resized images (resize).
        strides: Vertical and horizontal stride.
        dilation: Vertical and horizontal dilation.
        same: Whether the padding is TensorFlow's SAME; otherwise it is VALID.
        before: Rows of zeros above, columns of zeros to the left (pad).
        after: Rows of zeros below, columns of zeros to the right (pad).
        scale: Factor, a single one or one per channel (affine).
        offset: Number added to the product, a single one or one per channel (affine).
        what: The function's name (activation), or why it is not understood (other).
    """

    op: NodeOp
    name: str
    class_name: str
    path: str
    inputs: tuple[int, ...] = ()
    channels: int = 0
    kernel: IntPair = (1, 1)
    strides: IntPair = (1, 1)
    dilation: IntPair = (1, 1)
    same: bool = False
    before: IntPair = (0, 0)
    after: IntPair = (0, 0)
    scale: Constant = (1.0,)
    offset: Constant = (0.0,)
    what: str = ""

    @property
    def label(self) -> str:
        """The layer's name and class, for messages."""
        more = f", {self.what}" if self.op == "other" and self.what else ""
        return f"`{self.name}` ({self.class_name}{more})"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class KerasGraph:
    """The operators of a Keras model.

    Attributes:
        nodes: Each node after its inputs.
        outputs: Positions of the nodes that give the model's outputs; -1 for unknown ones.
        image_size: Height and width of the first input; None where they are not fixed.
    """

    nodes: tuple[KerasNode, ...]
    outputs: tuple[int, ...]
    image_size: IntPair | None = None

    def users(self) -> tuple[tuple[int, ...], ...]:
        """Return, for each node, the positions of the nodes that take its output."""
        users: list[list[int]] = [[] for _ in self.nodes]
        for place, node in enumerate(self.nodes):
            for source in dict.fromkeys(node.inputs):
                users[source].append(place)
        return tuple(map(tuple, users))


class _NotUnderstoodError(Exception):
    """A layer is not understood; the message says why."""


def graph_of(config: KerasConfig) -> KerasGraph:
    """Return the graph that a configuration describes."""
    nodes: list[KerasNode] = []
    ends: list[int] = []
    for layer in config.layers:
        operands = [_end(operand, ends) for operand in layer.operands]
        sources = tuple(operand for operand in operands if isinstance(operand, int))
        plain = KerasNode(
            op="other",
            name=layer.name,
            class_name=_class_name(layer),
            path=layer.path,
            inputs=sources,
        )
        try:
            added = _nodes(layer, operands, plain)
        except _NotUnderstoodError as error:
            added = [dataclasses.replace(plain, what=str(error))]
        for node in added:
            # The second node of a layer, its activation, follows the first.
            inputs = node.inputs if node is added[0] else (len(nodes) - 1,)
            nodes.append(dataclasses.replace(node, inputs=inputs))
        ends.append(len(nodes) - 1 if added else sources[0])
    outputs = [_end(operand, ends) for operand in config.outputs]
    return KerasGraph(
        nodes=tuple(nodes),
        outputs=tuple(place if isinstance(place, int) else -1 for place in outputs),
        image_size=next(filter(None, map(_image_size, config.layers)), None),
    )


def _end(operand: Operand, ends: list[int]) -> Operand:
    """Return the node that gives the output of a layer."""
    return ends[operand] if isinstance(operand, int) else operand


def _class_name(layer: ConfigLayer) -> str:
    if layer.class_name == _FUNCTION_LAYER:
        return str(layer.settings.get("function"))
    return layer.class_name


def _image_size(layer: ConfigLayer) -> IntPair | None:
    settings = layer.settings
    match settings.get("batch_shape") or settings.get("batch_input_shape"):
        case [_, int(height), int(width), _]:
            return height, width
        case _:
            return None


def _nodes(layer: ConfigLayer, operands: list[Operand], plain: KerasNode) -> list[KerasNode]:
    """Return the nodes of a layer: none, one, or one with its activation function.

    Args:
        layer: The layer.
        operands: What it is called on: positions of nodes, and constants.
        plain: A node with its name and inputs.

    Raises:
        _NotUnderstoodError: What the layer computes is unknown.
    """
    if layer.calls > 1:
        raise _NotUnderstoodError(f"called {layer.calls} times")
    if layer.class_name == INPUT_LAYER and not operands:
        return [dataclasses.replace(plain, op="input")]
    if not plain.inputs or None in operands:
        raise _NotUnderstoodError("its inputs are unknown")
    if layer.foreign:
        raise _NotUnderstoodError("not a Keras class")
    if layer.operator or layer.class_name == _FUNCTION_LAYER:
        return _operator(layer, operands, plain)
    if len(plain.inputs) != len(operands):
        raise _NotUnderstoodError("called on a constant")
    strange = layer.options.keys() - {"training", "mask"}
    if strange:
        raise _NotUnderstoodError(f"called with {', '.join(sorted(strange))}")
    if len(plain.inputs) != (2 if layer.class_name == "Add" else 1):
        raise _NotUnderstoodError(f"called on {len(plain.inputs)} tensors")
    return _layer(layer, plain)


def _layer(layer: ConfigLayer, plain: KerasNode) -> list[KerasNode]:
    settings, class_name = layer.settings, layer.class_name
    training = layer.options.get("training") is True
    if class_name == INPUT_LAYER:
        return []
    if class_name in IDENTITIES:
        # Keras 3 writes `training` for every random change of images.
        if training and not class_name.startswith("Random"):
            raise _NotUnderstoodError("called with training=True")
        return []
    if class_name in NORM_CLASSES:
        if training:
            raise _NotUnderstoodError("called with training=True")
        if settings.get("axis", -1) not in (-1, 3, [-1], [3]):
            raise _NotUnderstoodError(f"axis {settings.get('axis')}")
        return [dataclasses.replace(plain, op="norm")]
    if settings.get("data_format") not in (None, "channels_last"):
        raise _NotUnderstoodError(str(settings.get("data_format")))
    match class_name:
        case "Conv2D" | "DepthwiseConv2D" | "Dense":
            return [_weighted(class_name, settings, plain), *_activation(settings, plain)]
        case "Activation":
            return _activation(settings, plain)
        case "ReLU":
            return _function(_relu(settings), plain)
        case "Softmax":
            return [_softmax(settings.get("axis", -1), plain)]
        case "Add":
            return [dataclasses.replace(plain, op="add")]
        case "ZeroPadding2D":
            (top, bottom), (left, right) = _zero_padding(settings)
            return [
                dataclasses.replace(plain, op="pad", before=(top, left), after=(bottom, right))
            ]
        case "GlobalAveragePooling2D":
            return [dataclasses.replace(plain, op="mean")]
        case "AveragePooling2D":
            window = _pair(settings, "pool_size")
            same, strides = _same(settings), _pair(settings, "strides")
            return [
                dataclasses.replace(plain, op="average", kernel=window, strides=strides, same=same)
            ]
        case "Flatten" | "Reshape":
            return [dataclasses.replace(plain, op="flatten")]
        case "Rescaling" | "Normalization":
            return [_affine(class_name, settings, plain)]
        case "Resizing" | "CenterCrop":
            size = _whole(settings.get("height")), _whole(settings.get("width"))
            return [dataclasses.replace(plain, op="resize", kernel=size)]
        case _:
            return [plain]


def _weighted(class_name: str, settings: Mapping[str, Any], plain: KerasNode) -> KerasNode:
    if class_name == "Dense":
        return dataclasses.replace(plain, op="dense", channels=_whole(settings.get("units")))
    depthwise = class_name == "DepthwiseConv2D"
    for key in ("groups", "depth_multiplier"):
        if settings.get(key, 1) != 1:
            raise _NotUnderstoodError(f"{key} {settings[key]}")
    return dataclasses.replace(
        plain,
        op="depthwise" if depthwise else "conv",
        channels=0 if depthwise else _whole(settings.get("filters")),
        kernel=_pair(settings, "kernel_size"),
        strides=_pair(settings, "strides"),
        dilation=_pair(settings, "dilation_rate", 1),
        same=_same(settings),
    )


def _affine(class_name: str, settings: Mapping[str, Any], plain: KerasNode) -> KerasNode:
    if class_name == "Rescaling":
        scale, offset = constant(settings.get("scale")), constant(settings.get("offset", 0.0))
    else:
        mean, variance = constant(settings.get("mean")), constant(settings.get("variance"))
        if settings.get("invert"):
            raise _NotUnderstoodError("invert=True")
        if mean is None or variance is None:
            raise _NotUnderstoodError("its mean and variance are not in the configuration")
        # Keras uses at least 1e-7 for the standard deviation.
        scale = tuple(1 / max(value**0.5, 1e-7) for value in variance if value >= 0)
        factors = scale * len(mean) if len(scale) == 1 else scale
        if len(factors) != len(mean):
            raise _NotUnderstoodError("its mean and variance differ in length")
        offset = tuple(-value * factor for value, factor in zip(mean, factors, strict=True))
    if scale is None or offset is None:
        raise _NotUnderstoodError("its scale or offset is not a number")
    return dataclasses.replace(plain, op="affine", scale=scale, offset=offset)


def _activation(settings: Mapping[str, Any], plain: KerasNode) -> list[KerasNode]:
    match settings.get("activation"):
        case None:
            name = "linear"
        case str(name):
            pass
        case {"class_name": "ReLU", "config": dict(inside)}:
            name = _relu(inside)
        case {"class_name": "function", "config": str(name)}:
            pass
        case {"class_name": str(name)}:
            pass
        case _:
            name = "a custom function"
    return _function(name, plain)


def _function(name: str, plain: KerasNode) -> list[KerasNode]:
    if name == "linear":
        return []
    if name == "softmax":
        return [dataclasses.replace(plain, op="softmax")]
    return [dataclasses.replace(plain, op="activation", what=name)]


def _relu(settings: Mapping[str, Any]) -> str:
    slope = settings.get("negative_slope", settings.get("alpha", 0))
    ceiling, threshold = settings.get("max_value"), settings.get("threshold", 0)
    if slope in (0, None) and threshold in (0, None) and ceiling in (6, None):
        return "relu" if ceiling is None else "relu6"
    return f"ReLU with max_value {ceiling}, negative_slope {slope}, threshold {threshold}"


def _softmax(axis: object, plain: KerasNode) -> KerasNode:
    if axis not in (-1, [-1], None):
        raise _NotUnderstoodError(f"axis {axis}")
    return dataclasses.replace(plain, op="softmax")


def _zero_padding(settings: Mapping[str, Any]) -> tuple[IntPair, IntPair]:
    match settings.get("padding"):
        case [[int(top), int(bottom)], [int(left), int(right)]]:
            return (top, bottom), (left, right)
        case [int(rows), int(columns)]:
            return (rows, rows), (columns, columns)
        case int(width):
            return (width, width), (width, width)
        case other:
            raise _NotUnderstoodError(f"padding {other}")


def _operator(layer: ConfigLayer, operands: list[Operand], plain: KerasNode) -> list[KerasNode]:
    """Return the nodes of a function between layers."""
    kind = _OPERATORS.get(plain.class_name)
    settings = {**layer.settings, **layer.options}
    match kind, operands:
        case "add", [int(), int()]:
            return [dataclasses.replace(plain, op="add")]
        case "add" | "subtract" | "multiply" | "divide", [int(), tuple()] | [tuple(), int()]:
            return [_arithmetic(kind, operands, plain)]
        case "relu" | "relu6", [_]:
            return _function(kind, plain)
        case "softmax", [_]:
            return [_softmax(settings.get("axis", -1), plain)]
        case "identity", [_]:
            return []
        case "cast", [_] if str(settings.get("dtype")) in _FLOATS:
            return []
        case "mean", [_] if _axes(settings.get("axis")) == _TENSOR_AXES:
            return [dataclasses.replace(plain, op="mean")]
        case _:
            raise _NotUnderstoodError("an unsupported operator")


def _arithmetic(kind: str, operands: list[Operand], plain: KerasNode) -> KerasNode:
    """Return arithmetic with a constant as `tensor * scale + offset`."""
    [values] = [operand for operand in operands if isinstance(operand, tuple)]
    reverse = isinstance(operands[0], tuple)
    none = tuple(0.0 for _ in values)
    scale: Constant = (1.0,)
    offset: Constant = none
    match kind, reverse:
        case "add", _:
            offset = values
        case "subtract", False:
            offset = tuple(-value for value in values)
        case "subtract", True:
            scale, offset = (-1.0,), values
        case "multiply", _:
            scale = values
        case "divide", False if 0 not in values:
            scale = tuple(1 / value for value in values)
        case _:
            raise _NotUnderstoodError("a division by a tensor or by 0")
    return dataclasses.replace(plain, op="affine", scale=scale, offset=offset)


def _axes(axis: object) -> set[int]:
    return (
        {value % 4 for value in axis if isinstance(value, int)}
        if isinstance(axis, list)
        else set()
    )


def _same(settings: Mapping[str, Any]) -> bool:
    match settings.get("padding"):
        case "same":
            return True
        case "valid":
            return False
        case other:
            raise _NotUnderstoodError(f"padding {other}")


def _pair(settings: Mapping[str, Any], key: str, default: object = None) -> IntPair:
    match settings.get(key, default):
        case [first, second]:
            return _whole(first), _whole(second)
        case value:
            return _whole(value), _whole(value)


def _whole(value: object) -> int:
    if not isinstance(value, int) or value < 1:
        raise _NotUnderstoodError(
            f"expected a whole number in its configuration, received {value}"
        )
    return value
