"""Import a float `.tflite`, also with weights in float16 or as integers with scales.

Activations that are integers are refused: such a file is not float. The bytes are read by
`formats.tflite`; no runtime sees them.
"""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.formats import model_file
from mobiledeploy.formats.limits import MOST_NAME, StepLimit
from mobiledeploy.formats.tflite import (
    TfliteModel,
    TfliteOperator,
    TfliteTensor,
    metadata,
    require_supported,
)
from mobiledeploy.network.float_graph import INPUT, FloatGraph
from mobiledeploy.network.importers.builder import (
    MOST_VALUES,
    SMALLER,
    Array,
    GraphBuilder,
    UnsupportedError,
    float32,
)
from mobiledeploy.network.importers.imported import MOST_LABELS, Imported, Notice
from mobiledeploy.network.importers.tflite_operators import CONSTANTS, OPERATORS, Call, Value
from mobiledeploy.network.importers.views import View
from mobiledeploy.spec.config import MOST_LICENSE

MOST_COMPUTED: Final = 2**28
"""Most values that all operators on constants compute together, and that change their type."""
_KEEPS_SHAPE: Final = frozenset(
    {"ABS", "COS", "DIV", "FLOOR", "LOG", "POW", "RSQRT", "SIGN", "SIN", "SQRT"}
    | {"SQUARED_DIFFERENCE"}
)
"""Operators whose output has the shape of their largest input. Where one is not supported, what
follows can still be checked."""

_REASONS: Final = dict.fromkeys(
    ("VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"),
    "weights in variables are not read: convert with `TFLiteConverter.from_keras_model`",
)
"""Why operators are not supported, and what to do."""


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
        path: A float `.tflite`.
        image_size: Height and width of images, where the file leaves them open.
        output: Unique name of the output tensor, if the file has several.

    Raises:
        RequestError: The file does not exist or is of another kind; it leaves the image's size
            open and none is given, or states another; there are several outputs.
        ConversionError: It is quantised, has no such output, several inputs or several graphs.
        CorruptFileError: It is damaged.
    """
    parsed = model_file.read(path).tflite
    return read_model(parsed, name=path.stem, image_size=image_size, output=output)


def read_model(
    model: TfliteModel,
    *,
    name: str,
    image_size: tuple[int, int] | None = None,
    output: str | None = None,
) -> Imported:
    """Return the network of a parsed file; see `read`."""
    require_supported(model)
    reader = _Reader(model, image_size)
    for operator in model.operators:
        reader.read(operator)
    graph = reader.finish(name, _output(model, output))
    imported = Imported(
        graph=graph,
        source="tflite",
        producer=model.producer or model.description,
        input_layout="NHWC" if len(graph.input_shape) > 1 else "vector",
        dtypes=tuple(sorted(reader.dtypes)) or ("float32",),
    )
    classes = 0 if imported.unsupported else graph.shapes()[graph.output][-1]
    described = metadata.classifier(model.data)
    labels, notices = described.labels[:MOST_LABELS], list(reader.notices())
    if labels and classes and len(labels) != classes:
        notices.append(Notice(kind="labels_do_not_fit", names=(str(len(labels)), str(classes))))
        labels = ()
    return dataclasses.replace(
        imported,
        classes=classes,
        labels=labels,
        input_range=tuple(
            (-mean / std, (255 - mean) / std) for mean, std in described.normalisation
        ),
        notices=tuple(notices),
        license="" if model.described is None else model.described.license[:MOST_LICENSE],
    )


def _output(model: TfliteModel, chosen: str | None) -> int:
    names = [model.tensors[index].unique_name for index in model.outputs if index >= 0]
    if chosen is not None:
        if chosen not in names:
            raise ConversionError(
                f"expected an output `{chosen}`, received {', '.join(names)[:MOST_NAME]}"
            )
        return model.outputs[names.index(chosen)]
    if not names:
        raise ConversionError("expected an output, received none")
    if len(names) > 1:
        raise RequestError(
            f"expected one output, received {len(names)}: {', '.join(names)[:MOST_NAME]}",
            hint="`mobiledeploy quantize` takes the one that holds the classes with `--output`",
        )
    return model.outputs[0]


class _Reader:
    """Reads operators one after the other.

    Attributes:
        build: Where nodes are added.
        values: What each tensor is, by its index.
        dtypes: Types of the floating-point constants.
    """

    def __init__(self, model: TfliteModel, image_size: tuple[int, int] | None) -> None:
        self._model = model
        self._limit = StepLimit(MOST_COMPUTED)
        self.values: dict[int, _Known] = {}
        self.dtypes: set[str] = set()
        self._integers: list[str] = []
        self._constants: dict[int, Array | None] = {}
        if len(model.inputs) != 1:
            raise ConversionError(f"expected one input, received {len(model.inputs)}")
        tensor = model.tensors[model.inputs[0]]
        if tensor.grid is not None or tensor.dtype != "float32":
            raise ConversionError(
                f"expected a float32 input, received {tensor.dtype}: it is quantised already",
                hint="`mobiledeploy convert` makes the other format of an int8 file",
            )
        sizes = _fixed(tensor, image_size)
        self.build = GraphBuilder(channels_last=True, batch=sizes[0])
        self.values[model.inputs[0]] = self.build.made(INPUT, sizes, range(1, len(sizes)))
        self._input_shape = sizes[1:]

    def notices(self) -> tuple[Notice, ...]:
        """Return what a user should know."""
        notices = []
        if "float16" in self.dtypes:
            notices.append(Notice(kind="float16"))
        if self._integers:
            notices.append(Notice(kind="dequantised_weights", names=tuple(self._integers)))
        if self.build.batch.size > 1:
            notices.append(Notice(kind="fixed_batch", names=(str(self.build.batch.size),)))
        return tuple(notices)

    def finish(self, name: str, output: int) -> FloatGraph:
        """Return the graph."""
        value, tensor = self.values.get(output), self._model.tensors[output]
        self.build.begin(_layer(tensor), "output")
        if isinstance(value, View):
            last = self.build.source_order(value).node
        elif isinstance(value, _Blocked):
            last = value.nodes[0]
            if len(value.nodes) > 1:
                last = self.build.unsupported(value.nodes, "what it depends on is not supported")
        else:
            raise ConversionError(f"the output `{_layer(tensor)}` does not depend on the input")
        if last == INPUT:
            raise ConversionError(f"the output `{_layer(tensor)}` is the input")
        return FloatGraph(
            name=name, input_shape=self._input_shape, nodes=tuple(self.build.nodes), output=last
        )

    def read(self, operator: TfliteOperator) -> None:
        """Read an operator."""
        outputs = [index for index in operator.outputs if index >= 0]
        if not outputs:
            return
        first = self._model.tensors[outputs[0]]
        self.build.begin(_layer(first), operator.kind)
        before = len(self.build.nodes)
        inputs: list[_Known | None] = []
        try:
            inputs = [self._input(index) if index >= 0 else None for index in operator.inputs]
            results = self._results(operator, inputs, first)
        except UnsupportedError as error:
            results = self._refused(operator, inputs, str(error), before)
        except (ValueError, TypeError, IndexError, KeyError, OverflowError) as error:
            reason = f"its options or inputs are damaged: {error}"
            results = self._refused(operator, inputs, reason, before)
        for index, result in zip(operator.outputs, results, strict=False):
            if index >= 0:
                self.values[index] = result

    def _results(
        self, operator: TfliteOperator, inputs: Sequence[_Known | None], first: TfliteTensor
    ) -> Sequence[_Known]:
        kind, count = operator.builtin, len(operator.outputs)
        blocked = [value for value in inputs if isinstance(value, _Blocked)]
        if kind not in OPERATORS and kind not in CONSTANTS:
            raise UnsupportedError(_REASONS.get(kind, "it is not known here"))
        if blocked:
            names = dict.fromkeys(name for value in blocked for name in value.nodes)
            return [_Blocked(nodes=tuple(names))] * count
        known = [value for value in inputs if not isinstance(value, _Blocked)]
        if not any(isinstance(value, View) for value in known):
            if kind == "DEQUANTIZE" and isinstance(known[0], np.ndarray):
                return [known[0]]  # scales were applied as the constant was read
            if kind not in CONSTANTS:
                raise UnsupportedError("it is computed from constants, in a way not known here")
            computed = np.asarray(CONSTANTS[kind](operator.attributes, known))
            self._limit.take(1 + computed.size)
            return [computed]
        if kind not in OPERATORS:
            raise UnsupportedError("it is not known here")
        if any(self._model.tensors[index].grid is not None for index in operator.outputs):
            raise UnsupportedError("the file is quantised already: its activations are integers")
        call = Call(
            build=self.build,
            options=operator.attributes,
            inputs=known,
            outputs=count,
            shape=first.fixed_shape,
        )
        result = OPERATORS[kind](call)
        return result if isinstance(result, list) else [result]

    def _input(self, index: int) -> _Known:
        if index in self.values:
            return self.values[index]
        tensor = self._model.tensors[index]
        if index not in self._constants:
            self._constants[index] = self._constant(tensor)
        array = self._constants[index]
        if array is None:
            what = "a type that is not read" if tensor.constant else "nothing that makes it"
            raise UnsupportedError(f"its input `{_layer(tensor)}` has {what}")
        return array

    def _constant(self, tensor: TfliteTensor) -> Array | None:
        if not tensor.constant or tensor.data is None:
            return None
        if tensor.grid is not None and tensor.grid.scale.size:
            if tensor.block:
                return None
            self._integers.append(_layer(tensor))
            shape: list[int] = [1] * tensor.data.ndim
            if tensor.grid.scale.size > 1:
                shape[tensor.grid.axis] = tensor.grid.scale.size
                scale, zero = tensor.grid.scale.reshape(shape), tensor.grid.zero_point
                zero = zero.reshape(shape) if zero.size > 1 else zero
            else:
                scale, zero = tensor.grid.scale, tensor.grid.zero_point
            self._limit.take(tensor.data.size)
            return float32((tensor.data.astype(np.float64) - zero) * scale)
        if tensor.dtype in {"float16", "float32", "float64"}:
            if tensor.data.size > 1:
                self.dtypes.add(tensor.dtype)
            if tensor.dtype != "float32":
                self._limit.take(tensor.data.size)
            return float32(tensor.data)
        return tensor.data

    def _refused(
        self, operator: TfliteOperator, inputs: Sequence[_Known | None], reason: str, before: int
    ) -> Sequence[_Known]:
        """Add an unsupported node; its output has a shape where that is clear."""
        self.build.forget(before)
        names: list[str] = []
        for value in inputs:
            names.extend(value.nodes if isinstance(value, _Blocked) else ())
            names.extend((value.node,) if isinstance(value, View) else ())
        self.build.begin(self.build.layer, operator.kind)
        name = self.build.unsupported(names, reason)
        views = [value for value in inputs if isinstance(value, View)]
        results: list[_Known] = []
        for index in operator.outputs:
            sizes = self._model.tensors[index].fixed_shape if index >= 0 else ()
            if views and operator.builtin in _KEEPS_SHAPE:
                largest = max(views, key=lambda view: math.prod(view.sizes))
                results.append(View(node=name, stored=largest.stored, axes=largest.axes))
            elif (
                len(sizes) > 1
                and sizes[0] == self.build.batch.size
                and 0 < math.prod(sizes) <= MOST_VALUES
            ):
                results.append(self.build.made(name, sizes, range(1, len(sizes))))
            else:
                results.append(_Blocked(nodes=(name,)))
        return results


def _layer(tensor: TfliteTensor) -> str:
    """Return the name of what a tensor is the output of.

    TensorFlow's converter joins the names of all layers that it fused by semicolons.
    """
    return tensor.unique_name.partition(";")[0][:MOST_NAME] or tensor.unique_name[:MOST_NAME]


def _fixed(tensor: TfliteTensor, image_size: tuple[int, int] | None) -> tuple[int, ...]:
    """Return the input's shape with a size for every axis.

    Raises:
        RequestError: The file leaves height or width open and none is given, or states another.
        ConversionError: It has no batch.
    """
    stated: Any = tensor.shape
    sizes = list(tensor.fixed_shape)
    if len(sizes) < 2:
        raise ConversionError(f"expected an input with the batch first, received {tuple(sizes)}")
    free = [place for place, size in enumerate(stated) if size == -1 and place > 0]
    if image_size is not None and len(sizes) == 4:
        for place, size in zip((1, 2), image_size, strict=True):
            if (place not in free and size != sizes[place]) or size < 1:
                raise RequestError(
                    f"the file is made for images of {sizes[1]}x{sizes[2]}, not of "
                    f"{image_size[0]}x{image_size[1]}",
                    hint="leave the size out, or convert the model again for that size",
                )
            sizes[place] = size
    elif free:
        raise RequestError(
            f"the file leaves the image's size open: its input is {tuple(stated)}",
            hint="state the size that the network is meant for (`--image-size`)",
        )
    if math.prod(sizes) > MOST_VALUES:
        raise ConversionError(f"an input of {tuple(sizes)} is too large", hint=SMALLER)
    return tuple(sizes)
