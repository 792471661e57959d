"""Constants of a type that the operator does not take do not make the reader crash."""

from typing import Any

import numpy as np
import pytest
from graphs import assorted_graph
from tflite_editor import TfliteFile

from mobiledeploy import reading
from mobiledeploy.formats.tflite import parse
from mobiledeploy.targets import tflite


class Edited(TfliteFile):
    """A file with an operator inserted before its second one."""

    def __init__(self, kind: str) -> None:
        super().__init__(tflite.write(assorted_graph()))
        self.insert(kind, self.output(0).name.decode())
        self.operator = self.graph.operators[1]

    def add_inputs(self, *constants: np.ndarray[Any, Any]) -> None:
        added = [self.add_constant("constant", values) for values in constants]
        self.operator.inputs = [*self.operator.inputs, *added]

    def read(self) -> reading.Reading:
        return reading.read_tflite(parse(self.bytes()))


def test_a_reshape_whose_sizes_are_floats_keeps_the_stated_shape() -> None:
    file = Edited("RESHAPE")
    shape = np.array([1, np.nan, np.inf, 8], np.float32)
    file.add_inputs(shape)
    assert file.read().shape_only


@pytest.mark.parametrize("value", [np.nan, np.inf, 1.0])
def test_padding_codes_with_a_float_value_is_a_fault(value: float) -> None:
    file = Edited("PADV2")
    amounts = np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32)
    file.add_inputs(amounts, np.array([value], np.float32))
    details = [fault.detail for layer in file.read().layers for fault in layer.faults]
    assert any("which is not real 0" in detail for detail in details)


def test_a_padding_whose_amounts_are_floats_is_an_unknown_layer() -> None:
    file = Edited("PAD")
    amounts = np.full((4, 2), np.nan, np.float32)
    file.add_inputs(amounts)
    assert "unknown" in {layer.kind for layer in file.read().layers}
