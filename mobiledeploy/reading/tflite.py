"""Read any `.tflite` classifier into the common form."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from mobiledeploy.base.errors import ConversionError, CorruptFileError
from mobiledeploy.formats.model import ONE_IMAGE
from mobiledeploy.formats.tflite import TfliteModel, TfliteOperator, require_supported
from mobiledeploy.ops import lookup, reshape, table
from mobiledeploy.ops.divided_input import undivided
from mobiledeploy.ops.stored import (
    FULL,
    INPUT,
    Fault,
    LayersSoFar,
    ShapeContradiction,
    StoredLayer,
    StoredTensor,
    with_fault,
)
from mobiledeploy.ops.tflite_reading import LayerSource, described, read_of, values
from mobiledeploy.reading.folding import finish
from mobiledeploy.reading.model import Reading
from mobiledeploy.reading.tflite_others import OTHERS, given_shape

_MOST_SIGNATURES: Final = 16
"""Converters write one; a damaged file may state any number."""


def read_tflite(model: TfliteModel) -> Reading:
    """Return the layers of a `.tflite`, written by any tool.

    Args:
        model: The parsed file.

    Raises:
        CorruptFileError: Its tensors contradict each other, or its signatures the graph.
        ConversionError: The file has several subgraphs or inputs, or sparse weights.
    """
    require_supported(model)
    if len(model.inputs) != 1 or not model.outputs or min(model.inputs + model.outputs) < 0:
        raise ConversionError(
            f"expected one input and an output, received {len(model.inputs)} inputs and "
            f"{len(model.outputs)} outputs",
            hint=ONE_IMAGE,
        )
    first, last = model.inputs[0], model.outputs[0]
    layers = LayersSoFar(described(model.tensors[first]))
    written = {first: INPUT}
    # Scales may be anything in a damaged file.
    with np.errstate(all="ignore"):
        for operator in table.by_output(undivided(model, lookup.joined(model))):
            _read(model, operator, layers, written)
    if last not in written:
        raise ConversionError("expected the output to be computed from the input", hint=ONE_IMAGE)
    before = {number: _before_border(layers, source) for number, source in written.items()}
    _check_signatures(model, before, last)
    return finish(
        layers,
        "tflite",
        model.description,
        source=_before_border(layers, written[last]),
        name=model.tensors[last].unique_name,
        dtype=described(model.tensors[last]).dtype,
        others=tuple(model.tensors[index].unique_name for index in model.outputs[1:]),
    )


def _read(
    model: TfliteModel, operator: TfliteOperator, layers: LayersSoFar, written: dict[int, int]
) -> None:
    sources = [index for index in operator.inputs if index in written]
    shape_only = operator.builtin == "SHAPE"  # of an image whose shape is fixed
    if shape_only or not sources or not operator.outputs or min(operator.outputs) < 0:
        return  # arithmetic on shapes or constants, not on the image
    target = model.tensors[operator.outputs[0]]
    before = [layers.tensor(written[index]) for index in sources]
    moves = _only_moves(model, operator)
    if moves or _same_codes(operator, before[0], described(target)):
        layers.shape_only.extend([operator.builtin] if moves else [])
        written[operator.outputs[0]] = written[sources[0]]
        _reshape(layers, written[sources[0]], described(target))
        return
    real = written[sources[0]] == INPUT and before[0].dtype == "float32"
    if operator.builtin == "QUANTIZE" and real and before[0].scale is None:
        # The file quantises its float input here: from here on it is codes.
        codes = described(target)
        layers.input = dataclasses.replace(
            layers.input, scale=codes.scale, zero_point=codes.zero_point
        )
        written[operator.outputs[0]] = INPUT
        return
    plain = StoredLayer(
        kind="unknown",
        op=operator.builtin,
        name=target.unique_name,
        reads=tuple(
            read_of(written[index], tensor) for index, tensor in zip(sources, before, strict=True)
        ),
        output=described(target),
    )
    first = model.tensors[sources[0]]
    if len(sources) == 1 and len(first.fixed_shape) == 4:
        # An image of one pixel is described as a vector.
        before[0] = dataclasses.replace(before[0], shape=first.fixed_shape[1:])
    source = LayerSource(model=model, operator=operator, inputs=tuple(before), layer=plain)
    index = layers.add(_layer(source))
    written.update((output, index) for output in operator.outputs)


def _layer(source: LayerSource) -> StoredLayer:
    """Return the layer of an operator; of kind `unknown` if it is not understood."""
    name = source.operator.builtin
    module = table.special_case(source.operator, source.model.tensors)
    module = module or table.reader_of_tflite(name)
    layer = None if module is None else module.layer_of_tflite(source)
    if layer is None:
        layer = OTHERS[name](source) if name in OTHERS else source.layer
    if name == "CUSTOM":
        detail = f"`{source.operator.kind}` is a custom operator: no file says what it computes"
        layer = with_fault(layer, "operator", detail)
    return _with_stated_shape(source, layer)


def _with_stated_shape(source: LayerSource, layer: StoredLayer) -> StoredLayer:
    """Return a layer, with a fault if the file states another output shape than it computes.

    LiteRT computes the shapes of activations itself and ignores the stated ones. Where they
    differ, a reader that trusts the file would describe another network than the one that runs.
    """
    module, shapes = table.of_kind(layer.kind), [tensor.shape for tensor in source.inputs]
    given = (given_shape if module is None else module.given_shape)(layer, shapes)
    if given is None or _sides(given) == _sides(layer.output.shape):
        return layer
    padding = source.padding() if "padding" in source.operator.attributes else None
    contradiction = ShapeContradiction(
        padding=(padding or "").upper(),
        source=shapes[0],
        given=given,
        stated=layer.output.shape,
    )
    detail = f"the file states an output of {layer.output.shape}, the operator gives {given}"
    fault = Fault(field="output_shape", detail=detail, contradiction=contradiction)
    return dataclasses.replace(layer, faults=(*layer.faults, fault))


def _only_moves(model: TfliteModel, operator: TfliteOperator) -> bool:
    """Whether an operator is a RESHAPE or SQUEEZE that moves no pixel to another position.

    Such an operator adds or drops axes of size 1 of an image or a vector, or flattens what only
    dense layers read. It states no other grid for the codes, by which what reads them would go.
    """
    if operator.builtin not in {"RESHAPE", "SQUEEZE"} or _on_another_grid(model, operator):
        return False
    before, after = (
        model.tensors[end[0]].fixed_shape for end in (operator.inputs, operator.outputs)
    )
    wanted = after if operator.builtin == "SQUEEZE" else _wanted(model, operator, before, after)
    if after != wanted:
        return False
    if _sides(before) == _sides(after):
        vector = len(_sides(after)) <= 1
        return vector or all(len(shape) in _USUAL_RANKS for shape in (before, after))
    return len(_sides(after)) <= 1 and _dense_reads(model, operator.outputs[0])


def _on_another_grid(model: TfliteModel, operator: TfliteOperator) -> bool:
    """Whether a file states another scale or zero point for what an operator writes."""
    before, after = (
        described(model.tensors[end[0]]) for end in (operator.inputs, operator.outputs)
    )
    grids = (before.scale, before.zero_point), (after.scale, after.zero_point)
    return None not in (before.scale, after.scale) and grids[0] != grids[1]


_USUAL_RANKS: Final = (2, 4)
"""Ranks of vectors and images, batch included."""


def _dense_reads(model: TfliteModel, flattened: int) -> bool:
    """Whether a flattened image is read, and all that reads it takes it apart again.

    A dense layer does, which has a weight for each pixel, and so does another RESHAPE.
    """
    waiting, seen = [flattened], set[int]()
    while waiting:
        index = waiting.pop()
        readers = [operator for operator in model.operators if index in operator.inputs]
        if index in model.outputs or not readers:
            return False
        seen.add(index)
        for operator in readers:
            if operator.builtin == "FULLY_CONNECTED":
                continue
            after = operator.output(0)
            if operator.builtin not in _KEEP_VECTORS or after < 0:
                return False
            if len(_sides(model.tensors[after].fixed_shape)) <= 1 and after not in seen:
                waiting.append(after)
    return True


_KEEP_VECTORS: Final = frozenset({"RESHAPE", "SQUEEZE", "QUANTIZE", "DEQUANTIZE"})


def _wanted(
    model: TfliteModel, operator: TfliteOperator, before: tuple[int, ...], after: tuple[int, ...]
) -> tuple[int, ...]:
    """Return the shape that a RESHAPE asks for; the stated one if that is not a constant."""
    sizes: Sequence[int] | None
    if operator.inputs[1:]:
        index = operator.input(1)
        asked = None if index < 0 else values(model.tensors[index])
        sizes = None if asked is None or asked.dtype.kind != "i" else asked.ravel().tolist()
    else:
        sizes = operator.option("new_shape")
    return after if sizes is None else reshape.asked(sizes, before)


def _sides(shape: tuple[int, ...]) -> list[int]:
    return [size for size in shape if size != 1]


def _same_codes(operator: TfliteOperator, before: StoredTensor, after: StoredTensor) -> bool:
    """Whether a QUANTIZE only changes the type of the codes, such as int8 to uint8."""
    return (
        operator.builtin == "QUANTIZE"
        and before.scale is not None
        and (before.scale, before.zero_point, before.shape)
        == (after.scale, after.zero_point, after.shape)
    )


def _reshape(layers: LayersSoFar, source: int, target: StoredTensor) -> None:
    """Take over the shape of a vector whose axes of size 1 were dropped."""
    if source != INPUT and len(target.shape) == 1 and target.shape != (1,):
        output = layers[source].output
        if output.shape[:-1] == (1,) * (len(output.shape) - 1):
            layers.change(source, output=dataclasses.replace(output, shape=target.shape))


def _before_border(layers: LayersSoFar, source: int) -> int:
    """Return the layer before a final DEQUANTIZE, or the given layer if it is none."""
    if source == INPUT:
        return source
    layer = layers[source]
    return layer.reads[0].source if layer.kind == "dequantize" and layer.clamp == FULL else source


def _check_signatures(model: TfliteModel, sources: Mapping[int, int], output: int) -> None:
    """Check that running a signature gives the same output as running the graph.

    A signature names inputs and outputs by tensor indices, which may differ from the graph's.

    Args:
        model: The file.
        sources: By tensor index, the layer that computes it: equal for tensors of equal codes.
        output: Index of the graph's output tensor.

    Raises:
        CorruptFileError: A signature takes or gives another tensor, or there are too many.
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
            # A tensor that nothing writes is left over from an operator that was removed.
            named = {sources[number] for number in numbers if number in sources}
            if named and end not in named:
                raise CorruptFileError(
                    f"signature `{call.key}` {words} other tensors than the graph: "
                    f"{', '.join(map(str, sorted(numbers)))}",
                    hint="apps that run the file by its signature would get something else",
                )
