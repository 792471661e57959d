"""Read an operator of two operands, of which a `.tflite` holds one as a constant, as a table.

LiteRT computes it as it computes two activations. Its results are those for the pairs with the
constant's codes: 256, or as many for each channel.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.ops.capabilities import Cases
from mobiledeploy.ops.certificate import all_codes
from mobiledeploy.ops.node import Node
from mobiledeploy.ops.stored import StoredLayer, with_clamp, with_fault
from mobiledeploy.ops.tensors import UINT8_OFFSET, Codes, QTensor
from mobiledeploy.ops.tflite_reading import LayerSource

BY_CPU: Final = "by_cpu"
"""Parameter of such a table: how many of its codes LiteRT has otherwise on other CPUs."""


def table_of(
    source: LayerSource,
    node_type: Callable[..., Node],
    limits_of: Callable[[Any, Sequence[QTensor], str], Iterator[str]],
    codes_of: Callable[[Any, Sequence[QTensor], Cases], tuple[Codes, ...]],
    own: Callable[[Any, Sequence[QTensor], Cases], Codes] | None = None,
) -> StoredLayer:
    """Return the table of an operator of which one operand is a constant.

    Args:
        source: The operator in a file.
        node_type: Its node, made of `inputs` and `output`.
        limits_of: Its `litert_limits`.
        codes_of: Its `litert_cases`.
        own: Its `litert_own`, for a node with limits; None if it has none.

    Returns:
        A layer with a fault where the constant is none that fits one table, or one a channel.
    """
    layer, (read,) = source.as_kind("table"), source.inputs
    place = next((each for each in (0, 1) if source.constant(each) is not None), None)
    stored = None if place is None else source.constant(place)
    constant = None if place is None else source.tensor(place)
    if place is None or stored is None or constant is None:
        return with_fault(source.layer, "operand", "its other operand is no constant")
    if constant.dtype != source.layer.output.dtype or constant.scale.size != 1:
        detail = f"its constant is {constant.dtype} of {constant.scale.size} scales"
        return with_fault(source.layer, "operand", detail)
    channels = read.shape[-1] if read.shape else 0
    if stored.size != 1 and (stored.size, stored.shape[-1]) != (channels, channels):
        detail = f"its constant has shape {stored.shape}: expected one code, or one a channel"
        return with_fault(source.layer, "operand", detail)
    offset = UINT8_OFFSET * (constant.dtype == "uint8")
    fixed = (stored.astype(np.int64) - offset).reshape(-1, 1)
    cases = np.broadcast_arrays(all_codes(), fixed)
    scale, zero = np.float32(constant.scale[0]), int(constant.zero_point[0]) - offset
    try:
        both = [
            _on_grid("read", read.scale, read.zero_point),
            _on_grid("constant", scale, zero),
        ]
        result = _on_grid("result", layer.output.scale, layer.output.zero_point)
    except ConversionError as error:
        return with_fault(source.layer, "operand", str(error))
    if place == 0:
        both, cases = both[::-1], cases[::-1]
    node = node_type(inputs=(both[0].name, both[1].name), output=result)
    limits = [*limits_of(node, both, source.operator.builtin)]
    if limits and own is None:
        return with_fault(source.layer, "operand", "; ".join(limits))
    pairs = cases[0], cases[1]
    by_each = codes_of(node, both, pairs)
    if limits and own is not None:
        try:
            by_each = (own(node, both, pairs),)
        except ConversionError as error:
            return with_fault(source.layer, "operand", str(error))
    codes, *others = by_each
    by_cpu = int((np.stack([codes, *others]) != codes).any(axis=0).sum())
    table = codes.astype(np.int8)
    layer = dataclasses.replace(
        layer,
        table=table[0] if len(table) == 1 else table,
        parameters=((BY_CPU, by_cpu),) if by_cpu else (),
    )
    return dataclasses.replace(with_clamp(layer, layer.clamp), clamp=source.layer.clamp)


def _on_grid(name: str, scale: np.float32 | None, zero_point: int | None) -> QTensor:
    if scale is None or zero_point is None:
        raise ConversionError(f"its {name} has no scale")
    return QTensor(name=name, shape=(1,), scale=scale, zero_point=zero_point)
