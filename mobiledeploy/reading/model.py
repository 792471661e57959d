"""`Reading`: the layers of a model file, in running order, with their integers."""

import dataclasses
from typing import Final, Literal, TypeAlias

from mobiledeploy.formats.model import Format
from mobiledeploy.ops import logistic, table
from mobiledeploy.ops.capabilities import scores_of
from mobiledeploy.ops.stored import INPUT, Packing, StoredLayer, StoredTensor

Arithmetic: TypeAlias = Literal["codes", "floats", "wider"]

_DYNAMIC_OPS: Final = frozenset({"DynamicQuantizeLinear", "ConvInteger", "MatMulInteger"})
_CONVERTERS: Final = frozenset({"QuantizeLinear", "DequantizeLinear"})
_OTHER_TYPE: Final = "another type"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reading:
    """The layers of a file.

    Attributes:
        format: Format of the file.
        producer: The program that wrote the file, as it states it; may be empty.
        input: The file's input tensor, with the scale and zero point of the codes inside: for a
            float32 input, those to which the file quantises it.
        output: The file's output tensor, with the scale and zero point of the last layer.
        output_of: Index of the layer that gives the output.
        layers: In running order; those that do not reach the output are left out.
        shape_only: Names of operators that only reorder or reshape (transposes, reshapes).
        other_outputs: Names of further outputs, which are not read.
    """

    format: Format
    producer: str
    input: StoredTensor
    output: StoredTensor
    output_of: int
    layers: tuple[StoredLayer, ...]
    shape_only: tuple[str, ...] = ()
    other_outputs: tuple[str, ...] = ()

    @property
    def logits(self) -> StoredLayer | None:
        """The layer whose codes the scores are made of, or the last; None if it is the input."""
        index = self.output_of
        if self.scores:
            index = self.layers[index].reads[0].source
        return None if index == INPUT else self.layers[index]

    @property
    def scores(self) -> str:
        """What the last layer is called if it makes scores of logits, for people; else empty.

        An `.onnx` may look up the codes of a sigmoid in a table onto the grid of scores.
        """
        if self.output_of == INPUT:
            return ""
        last = self.layers[self.output_of]
        if last.table is not None:
            grid = last.output.scale, last.output.zero_point
            return logistic.OPERATOR.SCORES if grid == logistic.OPERATOR.grid else ""
        return scores_of(table.of_kind(last.kind))


def arithmetic(reading: Reading) -> Arithmetic:
    """Return in which kind of numbers a file's activations are.

    Returns:
        `codes` if any are int8 or uint8; `wider` if they are other integers, such as the int16 of
        a 16x8 quantisation; else `floats`.
    """
    if any(layer.output.scale is not None for layer in reading.layers):
        return "codes"
    wider = any(
        layer.output.dtype == _OTHER_TYPE or (layer.kind == "unknown" and layer.op in _CONVERTERS)
        for layer in reading.layers
    )
    return "wider" if wider else "floats"


def packing(reading: Reading) -> Packing | None:
    """Return how the weights of a float file are packed; None if they are plain floats."""
    packings = {fault.packing for layer in reading.layers for fault in layer.faults}
    if "dynamic range" in packings or any(layer.op in _DYNAMIC_OPS for layer in reading.layers):
        return "dynamic range"
    return "unpacked" if "unpacked" in packings else None
