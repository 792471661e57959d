"""Read any `.tflite` classifier into the common form."""

import dataclasses
from collections.abc import Mapping
from typing import Final

import numpy as np

from mobiledeploy.base.errors import ConversionError, CorruptFileError
from mobiledeploy.formats.model import Activation
from mobiledeploy.formats.tflite import TfliteModel, TfliteOperator, require_supported
from mobiledeploy.reading.draft import Draft, read_of
from mobiledeploy.reading.model import FULL, INPUT, Fault, Kind, Layer, Reading, Tensor
from mobiledeploy.reading.tflite_layers import clamped, convolution, dense, fused, pool
from mobiledeploy.reading.tflite_shapes import only_moves, with_stated_shape
from mobiledeploy.reading.tflite_tensors import UINT8_OFFSET, described, tensor_of, values

_KINDS: Final[dict[str, Kind]] = {
    "ADD": "add",
    "MEAN": "mean",
    "SOFTMAX": "softmax",
    "PAD": "pad",
    "PADV2": "pad",
    "RELU": "clamp",
    "RELU6": "clamp",
    "QUANTIZE": "quantize",
    "DEQUANTIZE": "dequantize",
}
_ACTIVATIONS: Final[dict[str, Activation]] = {"RELU": "relu", "RELU6": "relu6"}
"""Operators that are nothing else."""
_ON_IMAGES: Final = {"CONV_2D", "DEPTHWISE_CONV_2D", "MEAN", "AVERAGE_POOL_2D", "MAX_POOL_2D"}
"""Operators for which one pixel is an image: they look at what lies around it."""
_MOST_SIGNATURES: Final = 16
"""Converters write one."""


def read_tflite(model: TfliteModel) -> Reading:
    """Return the layers that stand in a `.tflite`, from whatever tool.

    Args:
        model: The file.

    Raises:
        CorruptFileError: Its tensors contradict themselves, or its signatures the graph.
        ConversionError: The file has several subgraphs or inputs, or sparse weights.
    """
    require_supported(model)
    if len(model.inputs) != 1 or not model.outputs or min(model.inputs + model.outputs) < 0:
        raise ConversionError(
            f"expected one input and an output, received {len(model.inputs)} inputs and "
            f"{len(model.outputs)} outputs"
        )
    first, last = model.inputs[0], model.outputs[0]
    draft = Draft(described(model.tensors[first]))
    written = {first: INPUT}
    # Scales may be anything in a damaged file.
    with np.errstate(all="ignore"):
        for operator in model.operators:
            _read(model, operator, draft, written)
    if last not in written:
        raise ConversionError("expected the output to be computed from the input")
    before = {number: _before_border(draft, source) for number, source in written.items()}
    _check_signatures(model, before, last)
    return draft.finish(
        "tflite",
        model.description,
        source=_before_border(draft, written[last]),
        name=model.tensors[last].unique_name,
        dtype=described(model.tensors[last]).dtype,
        others=tuple(model.tensors[index].unique_name for index in model.outputs[1:]),
    )


def _read(
    model: TfliteModel, operator: TfliteOperator, draft: Draft, written: dict[int, int]
) -> None:
    sources = [index for index in operator.inputs if index in written]
    if not sources or not operator.outputs or min(operator.outputs) < 0:
        return  # arithmetic on shapes, or on constants: of no layer that we compare
    target = model.tensors[operator.outputs[0]]
    before = [draft.tensor(written[index]) for index in sources]
    if operator.builtin in _ON_IMAGES and len(model.tensors[sources[0]].fixed_shape) == 4:
        # An image of one pixel is described as a vector.
        before[0] = dataclasses.replace(before[0], shape=model.tensors[sources[0]].fixed_shape[1:])
    moves = only_moves(model, operator)
    if moves or _same_codes(operator, before[0], described(target)):
        draft.shape_only.extend([operator.builtin] if moves else [])
        written[operator.outputs[0]] = written[sources[0]]
        _reshape(draft, written[sources[0]], described(target))
        return
    real = written[sources[0]] == INPUT and before[0].dtype == "float32"
    if operator.builtin == "QUANTIZE" and real and before[0].scale is None:
        # The border: from here on the input is known by its codes.
        codes = described(target)
        draft.input = dataclasses.replace(
            draft.input, scale=codes.scale, zero_point=codes.zero_point
        )
        written[operator.outputs[0]] = INPUT
        return
    plain = Layer(
        kind=_KINDS.get(operator.builtin, "unknown"),
        op=operator.builtin,
        name=target.unique_name,
        reads=tuple(
            read_of(written[index], tensor) for index, tensor in zip(sources, before, strict=True)
        ),
        output=described(target),
    )
    layer = with_stated_shape(_completed(model, operator, plain, before), before, operator)
    index = draft.add(layer)
    written.update((output, index) for output in operator.outputs)


def _completed(
    model: TfliteModel, operator: TfliteOperator, layer: Layer, before: list[Tensor]
) -> Layer:
    match operator.builtin:
        case "CONV_2D" | "DEPTHWISE_CONV_2D":
            return convolution(model, operator, layer, before[0])
        case "FULLY_CONNECTED":
            return dense(model, operator, layer, before[0])
        case "AVERAGE_POOL_2D" | "MAX_POOL_2D":
            return pool(operator, layer, before[0])
        case "ADD":
            if len(layer.reads) != 2:
                return dataclasses.replace(layer, kind="unknown")
            return fused(operator, layer)
        case "MEAN":
            return _mean(model, operator, layer, before[0])
        case "SOFTMAX":
            return dataclasses.replace(layer, beta=float(operator.option("beta")))
        case "PAD" | "PADV2":
            return _pad(model, operator, layer, before[0])
        case "RELU" | "RELU6":
            return clamped(layer, _ACTIVATIONS[operator.builtin])
        case _:
            return layer


def _mean(model: TfliteModel, operator: TfliteOperator, layer: Layer, before: Tensor) -> Layer:
    axes = values(tensor_of(model, operator, len(operator.inputs) - 1))
    both = (
        axes is not None
        and all(-4 <= axis < 4 for axis in axes.ravel())
        and sorted(int(axis) % 4 for axis in axes.ravel()) == [1, 2]
    )
    if not both or len(before.shape) != 3:
        return dataclasses.replace(layer, kind="unknown")
    shape = before.shape[-1:]
    return dataclasses.replace(
        layer, window=before.shape[:2], output=dataclasses.replace(layer.output, shape=shape)
    )


def _pad(model: TfliteModel, operator: TfliteOperator, layer: Layer, before: Tensor) -> Layer:
    amounts = values(tensor_of(model, operator, 1))
    if amounts is None or amounts.shape != (4, 2) or amounts.dtype.kind != "i":
        return dataclasses.replace(layer, kind="unknown")
    if amounts[[0, 3]].any() or amounts.min() < 0:
        return dataclasses.replace(layer, kind="unknown")
    (top, bottom), (left, right) = amounts[1].tolist(), amounts[2].tolist()
    faults: tuple[Fault, ...] = ()
    if (before.scale, before.zero_point) != (layer.output.scale, layer.output.zero_point):
        faults = (Fault(field="padding", detail="padding moves no code to another grid"),)
    value = values(tensor_of(model, operator, 2))
    if value is not None and value.size and not _is_zero(value.ravel()[0], layer.output):
        detail = f"pads with {value.ravel()[0]}, which is not real 0"
        faults = (*faults, Fault(field="padding", detail=detail))
    return dataclasses.replace(layer, pads=(top, bottom, left, right), faults=faults)


def _is_zero(value: np.generic, tensor: Tensor) -> bool:
    """Whether a number of a tensor's type stands for real 0."""
    if tensor.zero_point is None or not isinstance(value, np.integer):
        return bool(value == 0)
    return int(value) - UINT8_OFFSET * isinstance(value, np.uint8) == tensor.zero_point


def _same_codes(operator: TfliteOperator, before: Tensor, after: Tensor) -> bool:
    """Whether a converter only stores the same codes otherwise."""
    return (
        operator.builtin == "QUANTIZE"
        and before.scale is not None
        and (before.scale, before.zero_point, before.shape)
        == (after.scale, after.zero_point, after.shape)
    )


def _reshape(draft: Draft, source: int, target: Tensor) -> None:
    """Take over the shape that a vector has without its empty axes."""
    if source != INPUT and len(target.shape) == 1 and target.shape != (1,):
        output = draft.layers[source].output
        if output.shape[:-1] == (1,) * (len(output.shape) - 1):
            draft.change(source, output=dataclasses.replace(output, shape=target.shape))


def _before_border(draft: Draft, source: int) -> int:
    """Return what stands before a converter at the output that gives the same numbers."""
    if source == INPUT:
        return source
    layer = draft.layers[source]
    return layer.reads[0].source if layer.kind == "dequantize" and layer.clamp == FULL else source


def _check_signatures(model: TfliteModel, sources: Mapping[int, int], output: int) -> None:
    """Check that apps that go by the signatures get what everyone else gets.

    A signature names inputs and outputs by their tensors' numbers, which need not be the graph's.

    Args:
        model: The file.
        sources: What tensors stand for, by number: the same for tensors with the same codes.
        output: Number of the tensor that the graph gives.

    Raises:
        CorruptFileError: A signature takes or gives something else, or there are too many.
    """
    if len(model.calls) > _MOST_SIGNATURES:
        raise CorruptFileError(
            f"expected at most {_MOST_SIGNATURES} signatures, received {len(model.calls)}"
        )
    for call in model.calls:
        for entries, end, words in (
            (call.inputs, INPUT, "takes"),
            (call.outputs, sources[output], "gives"),
        ):
            numbers = {number for _, number in entries}
            # A tensor that nothing writes is left over from an operator that was taken out.
            named = {sources[number] for number in numbers if number in sources}
            if named and end not in named:
                raise CorruptFileError(
                    f"signature `{call.key}` {words} other tensors than the graph: "
                    f"{', '.join(map(str, sorted(numbers)))}",
                    hint="apps that run the file by its signature would get something else",
                )
