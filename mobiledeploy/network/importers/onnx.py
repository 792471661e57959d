"""Import a float `.onnx`: PyTorch's, timm's, tf2onnx's and others' exports.

Images in NCHW become NHWC without transpositions (see `views`), chains of shape arithmetic are
computed, `If` with a known condition and functions that the file defines are followed. The bytes
are read by `formats.onnx`; no other parser or runtime sees them.
"""

import dataclasses
import heapq
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.formats import model_file
from mobiledeploy.formats.limits import MOST_NAME, StepLimit
from mobiledeploy.formats.model import Dimension
from mobiledeploy.formats.onnx import OnnxModel, parser, require_supported, schema
from mobiledeploy.network.float_graph import INPUT, UNSUPPORTED, FloatGraph
from mobiledeploy.network.importers import onnx_constants
from mobiledeploy.network.importers.builder import (
    MOST_VALUES,
    SMALLER,
    Array,
    GraphBuilder,
    UnsupportedError,
    float32,
)
from mobiledeploy.network.importers.gelu import recognise_gelu
from mobiledeploy.network.importers.imported import MOST_LABELS, Imported, Layout, Notice
from mobiledeploy.network.importers.onnx_constants import NotConstantError
from mobiledeploy.network.importers.onnx_operators import KEEPS_SHAPE, OPERATORS, Call, Value
from mobiledeploy.network.importers.views import View

MOST_STEPS: Final = 1 << 16
"""Most nodes that are read, those of functions and branches each time that they are used."""
DEEPEST: Final = 16
"""Deepest nesting of functions and branches."""

_IMAGE_OPERATORS: Final = frozenset(
    {"AveragePool", "BatchNormalization", "Conv", "ConvTranspose", "DepthToSpace"}
    | {"GlobalAveragePool", "GlobalMaxPool", "InstanceNormalization", "MaxPool", "PRelu"}
    | {"SpaceToDepth"}
)
"""Operators whose channels are axis 1."""
_PASSES: Final = frozenset(
    {"Abs", "Add", "Cast", "Clip", "Div", "Dropout", "HardSigmoid", "HardSwish", "Identity"}
    | {"LeakyRelu", "Mul", "Neg", "Pad", "Relu", "Resize", "Sigmoid", "Slice", "Sub", "Tanh"}
    | {"Upsample"}
)
"""Operators behind which the axes of an image are what they were."""
_RANGES: Final = {
    "NominalRange_0_255": (0.0, 255.0),
    "Normalized_0_1": (0.0, 1.0),
    "Normalized_1_1": (-1.0, 1.0),
}
"""Values of the metadata `Image.NominalPixelRange`."""
_LABEL_KEYS: Final = ("names", "labels", "classes", "class_names", "class_labels")
_LABEL: Final = re.compile(
    r"""(?:\d+|"\d+")\s*:\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')"""
    r"""|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'"""
)
_LONGEST_LABELS: Final = 1 << 22


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Blocked:
    """A tensor of unknown shape, behind operators that are not supported."""

    nodes: tuple[str, ...]


_Known: TypeAlias = Value | _Blocked


def read(
    path: Path, *, image_size: tuple[int, int] | None = None, output: str | None = None
) -> Imported:
    """Return the network of a file.

    Args:
        path: A float `.onnx`; weights may be in files next to it.
        image_size: Height and width of images, where the file leaves them open.
        output: Name of the output, if the file has several.

    Raises:
        RequestError: The file does not exist or is of another kind; it leaves the image's size
            open and none is given, or states another; there are several outputs.
        ConversionError: It has no such output, several inputs, or no network at all.
        CorruptFileError: It is damaged.
    """
    parsed = model_file.read(path).onnx
    return read_model(parsed, name=path.stem, image_size=image_size, output=output)


def read_model(
    model: OnnxModel,
    *,
    name: str,
    image_size: tuple[int, int] | None = None,
    output: str | None = None,
) -> Imported:
    """Return the network of a parsed file; see `read`."""
    model, unread = _without_unread_inputs(model)
    require_supported(model)
    reader = _Reader(model)
    layout = reader.begin(image_size)
    reader.run(model.proto.graph.node, reader.values, "")
    graph = recognise_gelu(reader.finish(name, _output(model, output)))
    labels = labels_in(model)
    reader.note_types()
    shapes = {} if _is_blocked(graph) else graph.shapes()
    classes = shapes[graph.output][-1] if shapes else 0
    notices = [*reader.notices, *([Notice(kind="unread_inputs", names=unread)] if unread else [])]
    if labels and classes and len(labels) != classes:
        notices.append(Notice(kind="labels_do_not_fit", names=(str(len(labels)), str(classes))))
        labels = ()
    return Imported(
        graph=graph,
        source="onnx",
        producer=model.producer,
        input_layout=layout,
        input_range=_range(model, pixels=reader.bytes),
        classes=classes,
        labels=labels,
        dtypes=tuple(sorted(reader.dtypes)) or ("float32",),
        notices=tuple(notices),
    )


def _without_unread_inputs(model: OnnxModel) -> tuple[OnnxModel, tuple[str, ...]]:
    """Leave out inputs that nothing reads, where others are read: tf2onnx writes constants so.

    Returns:
        The model, and the names of what was left out.
    """
    read = {place for operator in model.operators for place in operator.inputs}
    read.update(model.outputs)
    unread = [place for place in model.inputs if place not in read]
    if model.graphs > 1 or len(unread) == len(model.inputs):
        return model, ()
    kept = tuple(place for place in model.inputs if place in read)
    return (
        dataclasses.replace(model, inputs=kept),
        tuple(model.tensors[place].name for place in unread),
    )


def _is_blocked(graph: FloatGraph) -> bool:
    needed = graph.needed()
    return any(node.op == UNSUPPORTED and node.name in needed for node in graph.nodes)


def _output(model: OnnxModel, chosen: str | None) -> str:
    names = [model.tensors[index].name for index in model.outputs]
    if chosen is not None:
        if chosen not in names:
            raise ConversionError(
                f"expected an output `{chosen}`, received {', '.join(names)[:MOST_NAME]}"
            )
        return chosen
    if len(names) > 1:
        raise RequestError(
            f"expected one output, received {len(names)}: {', '.join(names)[:MOST_NAME]}",
            hint="`mobiledeploy quantize` takes the one that holds the classes with `--output`",
        )
    return names[0]


def _range(model: OnnxModel, *, pixels: bool) -> tuple[tuple[float, float], ...]:
    stated = model.metadata.get("Image.NominalPixelRange", "")
    if stated in _RANGES:
        return (_RANGES[stated],)
    return ((0.0, 255.0),) if pixels else ()


def labels_in(model: OnnxModel) -> tuple[str, ...]:
    """Return class names in the metadata: a list or numbered entries, in JSON or as Python."""
    for entry in model.proto.metadata_props:
        text = entry.value
        if entry.key.lower() not in _LABEL_KEYS or len(text) > _LONGEST_LABELS:
            continue
        if text.lstrip()[:1] in {"[", "{", "("}:
            found = [next(filter(None, match), "") for match in _LABEL.findall(text)]
        else:
            found = [line.strip() for line in re.split(r"[\n,]", text) if line.strip()]
        if len(found) > 1:
            return tuple(found[:MOST_LABELS])
    return ()


class _Reader:
    """Reads nodes one after the other.

    Attributes:
        build: Where nodes are added.
        values: What each tensor of the main graph is.
        notices: What a user should know.
        dtypes: Types of the floating-point constants.
        bytes: Whether the input is uint8.
    """

    def __init__(self, model: OnnxModel) -> None:
        self._model = model
        self._opsets = {
            schema.domain(entry.domain): int(entry.version) for entry in model.proto.opset_import
        }
        self._functions = {
            (schema.domain(function.domain), function.name): function
            for function in model.proto.functions
        }
        self._limit = StepLimit(onnx_constants.MOST_VALUES)
        self._steps = StepLimit(MOST_STEPS)
        self._stated = {tensor.name: tensor.sizes for tensor in model.tensors}
        self.values: dict[str, _Known] = {}
        self.notices: list[Notice] = []
        self.dtypes: set[str] = set()
        self.bytes = False
        self.build = GraphBuilder(channels_last=False)
        parsed = {tensor.name: tensor for tensor in model.tensors if tensor.data is not None}
        for proto in model.proto.graph.initializer:
            tensor = parsed.get(proto.name)
            if tensor is None or tensor.data is None:
                self._add_constant(self.values, proto.name, proto)
            else:
                self.values[proto.name] = self._noted(tensor.data, tensor.dtype)

    def begin(self, image_size: tuple[int, int] | None) -> Layout:
        """Add the input and return its layout."""
        tensor = self._model.tensors[self._model.inputs[0]]
        self.bytes = tensor.dtype == "uint8"
        if tensor.shape is None or len(tensor.shape) < 2:
            raise ConversionError(
                f"expected an input of images with the batch first, received the shape "
                f"{tensor.shape}"
            )
        layout, by_size = _layout(self._model.proto.graph.node, tensor.name, tensor.shape)
        sizes = _fixed(tensor.shape, layout, image_size)
        if sizes[0] != 1:
            self.notices.append(Notice(kind="fixed_batch", names=(str(sizes[0]),)))
            self.build = GraphBuilder(channels_last=False, batch=sizes[0])
        if by_size:
            self.notices.append(Notice(kind="layout_by_size", names=(tensor.name,)))
        places = range(1, len(sizes))
        order = [*places[1:], 1] if layout == "NCHW" else list(places)
        self.values[tensor.name] = self.build.made(INPUT, sizes, order)
        self._input_shape = tuple(sizes[place] for place in order)
        return layout

    def note_types(self) -> None:
        """Note types of weights that are not float32."""
        for kind in ("float16", "bfloat16", "float64"):
            if kind in self.dtypes:
                self.notices.append(Notice(kind=kind))

    def finish(self, name: str, output: str) -> FloatGraph:
        """Return the graph."""
        value = self.values.get(output)
        self.build.begin(output, "output")
        if isinstance(value, View):
            last = self.build.source_order(value).node
        elif isinstance(value, _Blocked) and value.nodes:
            last = value.nodes[0] if len(value.nodes) == 1 else self._joined(value.nodes)
        else:
            raise ConversionError(f"the output `{output}` does not depend on the input")
        if last == INPUT:
            raise ConversionError(f"the output `{output}` is the input")
        return FloatGraph(
            name=name, input_shape=self._input_shape, nodes=tuple(self.build.nodes), output=last
        )

    def _joined(self, names: Sequence[str]) -> str:
        return self.build.unsupported(names, "what it depends on is not supported")

    def run(
        self,
        nodes: Iterable[Any],
        values: dict[str, _Known],
        prefix: str,
        given: Mapping[str, Any] | None = None,
        depth: int = DEEPEST,
    ) -> None:
        """Read nodes.

        Args:
            nodes: `NodeProto`s in running order.
            values: What each tensor is; the nodes' outputs are added.
            prefix: Stands before the names of layers.
            given: Attributes of the function that the nodes are in.
            depth: How deep branches and functions may still be nested.
        """
        for node in _in_order(nodes, values):
            self._steps.take(1)
            attributes = self._attributes(node, given or {})
            outputs = [name for name in node.output if name]
            layer = prefix + (node.name or (outputs[0] if outputs else node.op_type))
            self.build.begin(layer[:MOST_NAME], node.op_type[:MOST_NAME])
            inputs = [values.get(name) if name else None for name in node.input]
            missing = [name for name in node.input if name and name not in values]
            results = self._results(
                node, attributes, inputs, missing, values, prefix=prefix, depth=depth
            )
            values.update(zip(node.output, results, strict=False))

    def _results(
        self,
        node: Any,
        attributes: Mapping[str, Any],
        inputs: Sequence[_Known | None],
        missing: Sequence[str],
        values: dict[str, _Known],
        *,
        prefix: str,
        depth: int,
    ) -> Sequence[_Known]:
        before = len(self.build.nodes)
        try:
            if missing:
                return self._refused(
                    node,
                    inputs,
                    f"it reads `{missing[0][:MOST_NAME]}`, which nothing makes",
                    before,
                )
            domain = schema.domain(node.domain)
            if (domain, node.op_type) in self._functions:
                return self._call(node, attributes, inputs, depth, prefix)
            if node.op_type == "If" and not domain:
                return self._branch(node, inputs, values, depth, prefix)
            return self._operator(node, attributes, inputs)
        except (UnsupportedError, NotConstantError) as error:
            return self._refused(node, inputs, str(error), before)
        except (ValueError, TypeError, IndexError, KeyError, OverflowError) as error:
            reason = f"its attributes or inputs are damaged: {error}"
            return self._refused(node, inputs, reason, before)

    def _operator(
        self, node: Any, attributes: Mapping[str, Any], inputs: Sequence[_Known | None]
    ) -> Sequence[_Known]:
        domain = schema.domain(node.domain)
        kind = f"{domain}.{node.op_type}" if domain else node.op_type
        if kind == "Constant":
            return [self._constant_node(attributes)]
        blocked = [value for value in inputs if isinstance(value, _Blocked)]
        known = [value for value in inputs if not isinstance(value, _Blocked)]
        if not blocked and not any(isinstance(value, View) for value in known):
            if kind not in onnx_constants.KINDS:
                raise UnsupportedError("it is computed from constants, in a way not known here")
            constants = [value for value in known if not isinstance(value, View)]
            return onnx_constants.compute(
                kind, attributes, constants, len(node.output), self._limit
            )
        if kind not in OPERATORS:
            raise UnsupportedError(
                f"operators of {domain} are not known here" if domain else "it is not known here"
            )
        if blocked:
            names = dict.fromkeys(name for value in blocked for name in value.nodes)
            return [_Blocked(nodes=tuple(names))] * len(node.output)
        call = Call(
            build=self.build,
            kind=node.op_type,
            version=self._opsets.get("", 1),
            attributes=attributes,
            inputs=known,
            outputs=sum(1 for name in node.output if name),
        )
        result = OPERATORS[kind](call)
        return result if isinstance(result, list) else [result]

    def _refused(
        self, node: Any, inputs: Sequence[_Known | None], reason: str, before: int
    ) -> Sequence[_Known]:
        """Add an unsupported node; its outputs have a shape if the file states one."""
        self.build.forget(before)  # what was made before the reason was seen
        names: list[str] = []
        for value in inputs:
            names.extend(value.nodes if isinstance(value, _Blocked) else ())
            names.extend((value.node,) if isinstance(value, View) else ())
        self.build.begin(self.build.layer, node.op_type[:MOST_NAME])
        name = self.build.unsupported(names, reason)
        views = [value for value in inputs if isinstance(value, View)]
        first = max(views, key=lambda view: math.prod(view.sizes), default=None)
        results: list[_Known] = []
        for output in node.output:
            sizes = self._stated.get(output)
            if first is not None and node.op_type in KEEPS_SHAPE:
                results.append(View(node=name, stored=first.stored, axes=first.axes))
            elif (
                sizes
                and len(sizes) > 1
                and sizes[0] == self.build.batch.size
                and 0 < math.prod(sizes) <= MOST_VALUES
            ):
                view = self.build.made(name, sizes, ())
                order = self.build.default_order(view)
                stored = tuple(view.axes[place] for place in order)
                results.append(View(node=name, stored=stored, axes=view.axes))
            else:
                results.append(_Blocked(nodes=(name,)))
        return results

    def _call(
        self,
        node: Any,
        attributes: Mapping[str, Any],
        inputs: Sequence[_Known | None],
        depth: int,
        prefix: str,
    ) -> Sequence[_Known]:
        """Read the body of a function that the file defines."""
        if depth == 0:
            raise UnsupportedError("functions are nested too deep")
        function = self._functions[schema.domain(node.domain), node.op_type]
        inner: dict[str, _Known] = {
            name: value
            for name, value in zip(function.input, inputs, strict=False)
            if value is not None
        }
        given = {
            attribute.name: self._attribute(attribute, {})
            for attribute in function.attribute_proto
        } | dict(attributes)
        name = prefix + (node.name or node.op_type) + "/"
        self.run(function.node, inner, name, given, depth - 1)
        return [inner.get(output, _Blocked(nodes=())) for output in function.output]

    def _branch(
        self,
        node: Any,
        inputs: Sequence[_Known | None],
        values: dict[str, _Known],
        depth: int,
        prefix: str,
    ) -> Sequence[_Known]:
        """Read the branch of an `If` whose condition is a constant."""
        condition = inputs[0] if inputs else None
        if not isinstance(condition, np.ndarray) or condition.size != 1:
            raise UnsupportedError("its condition depends on the image")
        if depth == 0:
            raise UnsupportedError("branches are nested too deep")
        wanted = "then_branch" if condition.reshape(-1)[0] else "else_branch"
        graph = next(attribute.g for attribute in node.attribute if attribute.name == wanted)
        inner = dict(values)
        for proto in graph.initializer:
            self._add_constant(inner, proto.name, proto)
        self.run(graph.node, inner, prefix, None, depth - 1)
        return [inner.get(info.name, _Blocked(nodes=())) for info in graph.output]

    def _add_constant(self, values: dict[str, _Known], name: str, proto: Any) -> None:
        array = parser.values(proto, self._model.external)
        if array is not None:
            values[name] = self._noted(array, schema.element_type(proto.data_type))

    def _noted(self, array: Array, dtype: str) -> Array:
        """Record the type of a constant, and return floating-point ones as float32."""
        if dtype in {"float16", "bfloat16", "float32", "float64"}:
            if array.size > 1:
                self.dtypes.add(dtype)
            return float32(array)
        return array

    def _constant_node(self, attributes: Mapping[str, Any]) -> Array:
        for name, dtype in (
            ("value_float", np.float32),
            ("value_floats", np.float32),
            ("value_int", np.int64),
            ("value_ints", np.int64),
        ):
            if name in attributes:
                return np.asarray(attributes[name], dtype)
        if "value" not in attributes:
            raise UnsupportedError("its value is a text or sparse")
        return np.asarray(attributes["value"])

    def _attributes(self, node: Any, given: Mapping[str, Any]) -> Mapping[str, Any]:
        read = {attribute.name: self._attribute(attribute, given) for attribute in node.attribute}
        return {name: value for name, value in read.items() if value is not None}

    def _attribute(self, attribute: Any, given: Mapping[str, Any]) -> Any:
        if attribute.ref_attr_name:
            return given.get(attribute.ref_attr_name)
        match schema.ATTRIBUTE_TYPES.get(attribute.type):
            case "INT":
                return int(attribute.i)
            case "FLOAT":
                return float(attribute.f)
            case "STRING":
                return attribute.s.decode(errors="replace")[:MOST_NAME]
            case "INTS":
                return tuple(attribute.ints)
            case "FLOATS":
                return tuple(attribute.floats)
            case "TENSOR":
                array = parser.values(attribute.t, self._model.external)
                if array is None:
                    return None
                return self._noted(array, schema.element_type(attribute.t.data_type))
            case _:
                return None


def _in_order(nodes: Iterable[Any], values: Mapping[str, _Known]) -> list[Any]:
    """Return nodes each after those that it reads; ONNX demands it, some tools do not care."""
    listed = list(nodes)
    maker = {name: place for place, node in enumerate(listed) for name in node.output if name}
    waits: list[set[int]] = [
        {maker[name] for name in node.input if name in maker and name not in values}
        for node in listed
    ]
    users: dict[int, list[int]] = {}
    for place, before in enumerate(waits):
        for other in before:
            users.setdefault(other, []).append(place)
    ready = [place for place, before in enumerate(waits) if not before]
    heapq.heapify(ready)
    ordered: list[int] = []
    while ready:
        place = heapq.heappop(ready)
        ordered.append(place)
        for user in users.get(place, ()):
            waits[user].discard(place)
            if not waits[user]:
                heapq.heappush(ready, user)
    # Nodes in a circle stay: the tensor that nothing makes before them is named.
    left = sorted(set(range(len(listed))) - set(ordered))
    return [listed[place] for place in (*ordered, *left)]


def _layout(nodes: Iterable[Any], name: str, shape: Sequence[Dimension]) -> tuple[Layout, bool]:
    """Return the order of the input's axes, and whether only its sizes told it."""
    rank = len(shape)
    if rank == 2:
        return "vector", False
    axes = {name: tuple(range(rank))}
    for node in nodes:
        source = next((axes[read] for read in node.input if read in axes), None)
        if source is None or schema.domain(node.domain):
            continue
        if node.op_type in _IMAGE_OPERATORS and node.input[0] in axes:
            return ("NCHW" if source[1] == 1 else "NHWC"), False
        if node.op_type == "Transpose":
            order = next((a.ints for a in node.attribute if a.name == "perm"), range(rank)[::-1])
            if sorted(order) == list(range(rank)):
                axes[node.output[0]] = tuple(source[place] for place in order)
        elif node.op_type in _PASSES and node.output:
            axes[node.output[0]] = source
    if rank != 4:
        return "not stated", False
    few = [isinstance(size, int) and 0 < size <= 4 for size in shape]
    if few[3] and not few[1]:
        return "NHWC", True
    return "NCHW", True


def _fixed(
    shape: Sequence[Dimension], layout: Layout, image_size: tuple[int, int] | None
) -> tuple[int, ...]:
    """Return the input's shape with a size for every axis.

    Raises:
        RequestError: The file leaves height or width open and none is given, or states another.
        ConversionError: The file leaves another axis open.
    """
    sizes = [size if isinstance(size, int) and size > 0 else 0 for size in shape]
    sizes[0] = sizes[0] or 1
    spatial = range(2, len(sizes)) if layout == "NCHW" else range(1, len(sizes) - 1)
    open_axes = [place for place in spatial if not sizes[place]]
    if image_size is not None and len(spatial) == 2:
        stated = tuple(sizes[place] for place in spatial)
        differs = any(
            own and own != wanted for own, wanted in zip(stated, image_size, strict=True)
        )
        if differs or min(image_size) < 1:
            raise RequestError(
                f"the file is made for images of {stated[0]}x{stated[1]}, not of "
                f"{image_size[0]}x{image_size[1]}",
                hint="leave the size out, or export the model again for that size",
            )
        for place, size in zip(spatial, image_size, strict=True):
            sizes[place] = size
    elif open_axes:
        raise RequestError(
            f"the file leaves the image's size open: its input is {tuple(shape)}",
            hint="state the size that the network is meant for (`--image-size`)",
        )
    if 0 in sizes:
        raise ConversionError(
            f"expected an input with known sizes, received {tuple(shape)}",
            hint="export the model with a fixed number of channels",
        )
    if math.prod(sizes) > MOST_VALUES:
        raise ConversionError(f"an input of {tuple(sizes)} is too large", hint=SMALLER)
    return tuple(sizes)
