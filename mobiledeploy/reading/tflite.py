"""Read any `.tflite` classifier into the common form."""

import dataclasses
from typing import Final

import numpy as np

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.integer import tflite_file
from mobiledeploy.integer.tflite_file import TfliteFile, TfliteOperator
from mobiledeploy.reading import tflite_signatures
from mobiledeploy.reading.draft import Draft, read_of
from mobiledeploy.reading.model import FULL, INPUT, Fault, Kind, Layer, Reading, Tensor
from mobiledeploy.reading.tflite_layers import convolution, dense, fused, pool
from mobiledeploy.reading.tflite_shapes import only_moves, with_stated_shape
from mobiledeploy.reading.tflite_tensors import UINT8_OFFSET, described

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
_REAL_BOUNDS: Final = {"RELU": 1, "RELU6": 3}
"""Number in the schema's `ActivationFunctionType` of the operators that are nothing else."""
_ON_IMAGES: Final = {"CONV_2D", "DEPTHWISE_CONV_2D", "MEAN", "AVERAGE_POOL_2D", "MAX_POOL_2D"}
"""Operators for which one pixel is an image: they look at what lies around it."""


def read_tflite(data: bytes) -> Reading:
    """Return the layers that stand in a `.tflite`, from whatever tool.

    Args:
        data: The file.

    Raises:
        CorruptFileError: The bytes are no `.tflite`, or damaged.
        ConversionError: The file has several subgraphs or inputs, or sparse weights.
    """
    file = tflite_file.parse(data, any_operator=True)
    if len(file.inputs) != 1 or not file.outputs or min(file.inputs + file.outputs) < 0:
        raise ConversionError(
            f"expected one input and an output, received {len(file.inputs)} inputs and "
            f"{len(file.outputs)} outputs"
        )
    first, last = file.inputs[0], file.outputs[0]
    draft = Draft(described(file.tensors[first]))
    written = {first: INPUT}
    # Scales may be anything in a damaged file.
    with np.errstate(all="ignore"):
        for operator in file.operators:
            _read(file, operator, draft, written)
    if last not in written:
        raise ConversionError("expected the output to be computed from the input")
    before = {number: _before_border(draft, source) for number, source in written.items()}
    tflite_signatures.check(data, before, last)
    return draft.finish(
        "tflite",
        file.description,
        source=_before_border(draft, written[last]),
        name=file.tensors[last].name,
        dtype=described(file.tensors[last]).dtype,
        others=tuple(file.tensors[index].name for index in file.outputs[1:]),
    )


def _read(
    file: TfliteFile, operator: TfliteOperator, draft: Draft, written: dict[int, int]
) -> None:
    sources = [index for index in operator.inputs if index in written]
    if not sources or not operator.outputs or min(operator.outputs) < 0:
        return  # arithmetic on shapes, or on constants: of no layer that we compare
    target = file.tensors[operator.outputs[0]]
    before = [draft.tensor(written[index]) for index in sources]
    if operator.name in _ON_IMAGES and len(file.tensors[sources[0]].shape) == 4:
        # An image of one pixel is described as a vector.
        before[0] = dataclasses.replace(before[0], shape=file.tensors[sources[0]].shape[1:])
    moves = only_moves(file, operator)
    if moves or _same_codes(operator, before[0], described(target)):
        draft.shape_only.extend([operator.name] if moves else [])
        written[operator.outputs[0]] = written[sources[0]]
        _reshape(draft, written[sources[0]], described(target))
        return
    real = written[sources[0]] == INPUT and before[0].dtype == "float32"
    if operator.name == "QUANTIZE" and real and before[0].scale is None:
        # The border: from here on the input is known by its codes.
        codes = described(target)
        draft.input = dataclasses.replace(
            draft.input, scale=codes.scale, zero_point=codes.zero_point
        )
        written[operator.outputs[0]] = INPUT
        return
    plain = Layer(
        kind=_KINDS.get(operator.name, "unknown"),
        op=operator.name,
        name=target.name,
        reads=tuple(
            read_of(written[index], tensor) for index, tensor in zip(sources, before, strict=True)
        ),
        output=described(target),
    )
    layer = with_stated_shape(_completed(file, operator, plain, before), before)
    index = draft.add(layer)
    written.update((output, index) for output in operator.outputs)


def _completed(
    file: TfliteFile, operator: TfliteOperator, layer: Layer, before: list[Tensor]
) -> Layer:
    match operator.name:
        case "CONV_2D" | "DEPTHWISE_CONV_2D":
            return convolution(file, operator, layer, before[0])
        case "FULLY_CONNECTED":
            return dense(file, operator, layer, before[0])
        case "AVERAGE_POOL_2D" | "MAX_POOL_2D":
            return pool(operator, layer, before[0])
        case "ADD":
            if len(layer.reads) != 2:
                return dataclasses.replace(layer, kind="unknown")
            return fused(operator, 0, layer)
        case "MEAN":
            return _mean(file, operator, layer, before[0])
        case "SOFTMAX":
            return dataclasses.replace(layer, beta=float(operator.option(0, "f", 0.0)))
        case "PAD" | "PADV2":
            return _pad(file, operator, layer, before[0])
        case "RELU" | "RELU6":
            return fused(operator, None, layer, number=_REAL_BOUNDS[operator.name])
        case _:
            return layer


def _mean(file: TfliteFile, operator: TfliteOperator, layer: Layer, before: Tensor) -> Layer:
    axes = file.tensors[operator.inputs[-1]].data if operator.inputs[-1] >= 0 else None
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


def _pad(file: TfliteFile, operator: TfliteOperator, layer: Layer, before: Tensor) -> Layer:
    amounts = file.tensors[operator.inputs[1]].data if operator.inputs[1:] else None
    if amounts is None or amounts.shape != (4, 2) or amounts.dtype.kind != "i":
        return dataclasses.replace(layer, kind="unknown")
    if amounts[[0, 3]].any() or amounts.min() < 0:
        return dataclasses.replace(layer, kind="unknown")
    (top, bottom), (left, right) = amounts[1].tolist(), amounts[2].tolist()
    faults: tuple[Fault, ...] = ()
    if (before.scale, before.zero_point) != (layer.output.scale, layer.output.zero_point):
        faults = (Fault(field="padding", detail="padding moves no code to another grid"),)
    value = file.tensors[operator.inputs[2]].data if operator.inputs[2:] else None
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
        operator.name == "QUANTIZE"
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
