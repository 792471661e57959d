"""In what numbers a file computes: in int8 codes, in floats, or in something else."""

from typing import Final, Literal, TypeAlias

from mobiledeploy.reading.model import Packing, Reading

Arithmetic: TypeAlias = Literal["codes", "floats", "wider"]

_DYNAMIC_OPS: Final = frozenset({"DynamicQuantizeLinear", "ConvInteger", "MatMulInteger"})
_CONVERTERS: Final = frozenset({"QuantizeLinear", "DequantizeLinear"})
_OTHER_TYPE: Final = "another type"


def arithmetic(found: Reading) -> Arithmetic:
    """Return what a file's layers hand on to each other.

    Returns:
        `codes` if any of them are int8 or uint8 codes; `wider` if they are others, such as the
        int16 of a 16x8 quantisation; else `floats`.
    """
    if any(layer.output.scale is not None for layer in found.layers):
        return "codes"
    wider = any(
        layer.output.dtype == _OTHER_TYPE or (layer.kind == "unknown" and layer.op in _CONVERTERS)
        for layer in found.layers
    )
    return "wider" if wider else "floats"


def packing(found: Reading) -> Packing | None:
    """Return how the weights of a file of floats are packed; None if they are not."""
    packings = {fault.packing for layer in found.layers for fault in layer.faults}
    if "dynamic range" in packings or any(layer.op in _DYNAMIC_OPS for layer in found.layers):
        return "dynamic range"
    return "unpacked" if "unpacked" in packings else None
