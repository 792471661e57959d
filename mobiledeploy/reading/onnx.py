"""Read any int8 `.onnx` classifier into the common form: QDQ or QOperator, NCHW or NHWC."""

import dataclasses
from collections.abc import Mapping
from typing import Final

import numpy as np

from mobiledeploy.base.errors import ConversionError, CorruptFileError
from mobiledeploy.formats.model import ONE_IMAGE
from mobiledeploy.formats.model import Tensor as FileTensor
from mobiledeploy.formats.onnx import OnnxModel, OnnxOperator, require_supported
from mobiledeploy.ops import table
from mobiledeploy.ops.capabilities import Certified
from mobiledeploy.ops.onnx_reader import TYPES, OnnxReader, ReadOnnx
from mobiledeploy.ops.onnx_values import PLAIN, IntegerSum, OnnxActivation, OnnxValue, TablePlaces
from mobiledeploy.ops.stored import INPUT, Fault, LayersSoFar, StoredLayer, StoredTensor
from mobiledeploy.reading.folding import finish
from mobiledeploy.reading.model import Reading
from mobiledeploy.reading.onnx_grids import (
    cast,
    choose_table,
    clip,
    dequantise,
    look_up,
    quantise,
    rescale,
)
from mobiledeploy.reading.onnx_moves import dropout, identity, reshape, transpose
from mobiledeploy.reading.onnx_others import OTHERS
from mobiledeploy.reading.onnx_sums import SUMS

_COLOURS: Final = (1, 3, 4)
"""Numbers of channels that an image may have: their axis tells NCHW from NHWC."""

_OWN: Final[Mapping[str, ReadOnnx]] = {
    "Add": choose_table,
    "Cast": cast,
    "Clip": clip,
    "DequantizeLinear": dequantise,
    "Div": rescale,
    "Dropout": dropout,
    "Flatten": reshape,
    "Gather": look_up,
    "GatherElements": look_up,
    "Identity": identity,
    "Mul": rescale,
    "QuantizeLinear": quantise,
    "Relu": clip,
    "Reshape": reshape,
    "Squeeze": reshape,
    "Transpose": transpose,
    "Unsqueeze": reshape,
}
"""Readers of nodes that compute nothing or only change the scale or range of codes."""

_READERS: Final = {
    name: (
        *table.onnx_readers().get(name, ()),
        *(readers[name] for readers in (OTHERS, _OWN, SUMS) if name in readers),
    )
    for name in {*table.onnx_readers(), *OTHERS, *_OWN, *SUMS}
}
"""Readers by operator name: the first that understands a node reads it."""


def read_onnx(model: OnnxModel) -> Reading:
    """Return the layers of an `.onnx`, written by any tool.

    Args:
        model: The parsed file.

    Raises:
        CorruptFileError: Its nodes contradict each other: two write one tensor, say.
        ConversionError: The file has several inputs, or its output does not depend on them.
    """
    require_supported(model)
    source = model.tensors[model.inputs[0]]
    dtype, sizes = _type(source), _sizes(source)
    axes = _stated_layout(model) if len(sizes) == 4 else ""
    axes = axes or _layout(sizes)
    coded = dtype in {"int8", "uint8"}
    image = OnnxActivation(
        source=INPUT, axes=axes, sizes=sizes, real=not coded, dtype=dtype if coded else ""
    )
    layers = LayersSoFar(
        StoredTensor(
            name=source.name,
            shape=image.shape,
            dtype=dtype,
            scale=None,
            zero_point=None,
            axes=axes,
        )
    )
    reader = OnnxReader(model, layers)
    reader.values[model.inputs[0]] = image
    # Scales may be anything in a damaged file.
    with np.errstate(all="ignore"):
        for node in table.by_output(model.operators):
            _read(reader, node)
        output = reader.values.get(model.outputs[0])
        if not isinstance(output, OnnxActivation):
            name = model.tensors[model.outputs[0]].name
            raise ConversionError(
                f"output `{name}` is not computed from the input", hint=ONE_IMAGE
            )
        reader.deduce_grids(output, certified=_is_certified)
    return _finish(model, reader, output)


def _is_certified(layer: StoredLayer) -> bool:
    return isinstance(table.of_kind(layer.kind), Certified)


def _read(reader: OnnxReader, node: OnnxOperator) -> None:
    value: OnnxValue | None = None
    if node.op == "Constant":
        value = reader.constant(node.outputs[0]) if node.output(0) >= 0 else None
    else:
        inputs = [reader.value(node, place) for place in range(len(node.inputs))]
        if node.inputs and node.outputs:
            readings = (read(reader, node) for read in _READERS.get(node.op, ()))
            value = next((each for each in readings if each is not None), None)
        unfinished = isinstance(value, TablePlaces | IntegerSum)
        if unfinished and not reader.outputs.isdisjoint(node.outputs):
            value = None
        activations = [each for each in inputs if isinstance(each, OnnxActivation)]
        places = (each for each in inputs if isinstance(each, TablePlaces))
        activations.extend(codes for each in places for codes in each.activations)
        sums = (each for each in inputs if isinstance(each, IntegerSum))
        activations.extend(codes for each in sums for codes, _ in each.terms)
        if value is None and activations and node.op != "Shape":
            value = _unknown(reader, node, activations)
    for place, output in enumerate(node.outputs):
        if output in reader.values:
            raise CorruptFileError(f"two nodes write `{reader.name(output)}`")
        if output >= 0:
            kept = place == 0 or isinstance(value, OnnxActivation)
            reader.values[output] = value if kept else None


_STATE_THEIR_GRID: Final = frozenset({"QLinearAdd", "QLinearMul"})
"""Operators that may read a constant, which is no layer then, and state the grid of what they
write."""


def _unknown(
    reader: OnnxReader, node: OnnxOperator, activations: list[OnnxActivation]
) -> OnnxActivation:
    first = activations[0]
    kept = first.axes if first.pixels == 1 else ""
    out = OnnxActivation(source=INPUT, axes=kept, sizes=first.sizes if kept else ())
    faults: tuple[Fault, ...] = ()
    if node.op in _READERS:
        axes = first.axes or "that are not known"
        detail = f"{node.op} of a tensor with axes {axes} is not understood in this form"
        field, mode = "form", node.attributes.get("mode", _CONSTANT)
        if node.op == "Pad" and mode != _CONSTANT:
            field, detail = "mode", f"Pad in mode `{mode}`: only `{_CONSTANT}` is understood"
        faults = (Fault(field=field, detail=detail),)
    opened = reader.add_layer(node, "unknown", activations, out, faults=faults)
    if first.real:
        return opened
    grid = reader.grid(node, 6, 7) if node.op in _STATE_THEIR_GRID else None
    if grid is not None:
        return reader.quantise_layer(opened, reader.written(node), grid)
    # An unknown operator on codes gives codes, whose scale is not known.
    reader.bounds.pop(opened.source)
    return dataclasses.replace(opened, real=False)


_CONSTANT: Final = "constant"
"""Mode of a Pad."""
_LAYOUTS: Final[Mapping[tuple[int, ...], str]] = {(0, 3, 1, 2): "NHWC", (0, 2, 3, 1): "NCHW"}
"""By what a Transpose makes of the input's dimensions, what they are."""
_CONVERTERS: Final = frozenset({"Cast", "DequantizeLinear", "Mul", "QuantizeLinear"})
_MOST_CONVERTERS: Final = 4


def _stated_layout(model: OnnxModel) -> str:
    """Return what a Transpose behind the input says about it; empty if there is none."""
    index = model.inputs[0]
    for _ in range(_MOST_CONVERTERS):
        behind = [node for node in model.operators if index in node.inputs]
        if len(behind) != 1:
            return ""
        if behind[0].op == "Transpose":
            return _LAYOUTS.get(tuple(behind[0].attributes.get("perm") or ()), "")
        if behind[0].op not in _CONVERTERS:
            return ""
        index = behind[0].output(0)
    return ""


def _layout(sizes: tuple[int, ...]) -> str:
    if len(sizes) == 4:
        return "NCHW" if sizes[1] in _COLOURS and sizes[3] not in _COLOURS else "NHWC"
    return "NC" if len(sizes) == 2 else PLAIN.get(len(sizes), "")


def _type(tensor: FileTensor) -> str:
    return tensor.dtype if tensor.dtype in TYPES else "another type"


def _sizes(tensor: FileTensor) -> tuple[int, ...]:
    """Return the sizes of a tensor's dimensions, 0 for a dynamic one."""
    return tuple(max(size, 0) if isinstance(size, int) else 0 for size in tensor.shape or ())


def _finish(model: OnnxModel, reader: OnnxReader, output: OnnxActivation) -> Reading:
    first, *others = (model.tensors[index] for index in model.outputs)
    reading = finish(
        reader.layers,
        "onnx",
        model.producer,
        source=output.source,
        name=first.name,
        dtype=_type(first),
        others=tuple(other.name for other in others),
    )
    last = dataclasses.replace(reading.output, axes=output.axes)
    if output.source not in reader.deduced or output.scale is not None:
        # An app reads the codes by the scale of the last converter.
        last = dataclasses.replace(
            last, scale=output.scale, zero_point=output.zero_point, unstated=False
        )
    return dataclasses.replace(reading, output=last)
