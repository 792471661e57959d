"""In what numbers a file computes: in int8 codes, in floats, or in something else."""

from typing import Final, Literal, TypeAlias

from mobiledeploy.reading.model import Reading

Arithmetic: TypeAlias = Literal["codes", "floats", "wider"]

DYNAMIC: Final = "the kernel is int8 and the activations are floats, quantised as the file runs"
"""Said of a layer with dynamic-range quantisation."""
UNPACKED: Final = "the kernel is unpacked as the file is loaded: float16, or int8 to save room"
"""Said of a layer whose kernel another operator writes."""

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


def compression(found: Reading) -> str:
    """Return in words how the weights of a file of floats are packed; nothing if they are not."""
    details = {fault.detail for layer in found.layers for fault in layer.faults}
    if DYNAMIC in details or any(layer.op in _DYNAMIC_OPS for layer in found.layers):
        return "int8 weights, and activations that are quantised as it runs (dynamic range)"
    if UNPACKED in details:
        return "float16 weights, or weights quantised to save room only"
    return ""
