"""Constants of another type than an operator takes are no reason to fail."""

from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from graphs import assorted_graph

from mobiledeploy import reading
from mobiledeploy.formats.tflite import parse
from mobiledeploy.targets import tflite


class Edited:
    """A file with a further operator in front of its second one."""

    def __init__(self, kind: int) -> None:
        data = tflite.write(assorted_graph())
        self.model: Any = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data))
        self.graph = self.model.subgraphs[0]
        second = self.graph.operators[1]
        self.source = self.graph.tensors[second.inputs[0]]
        code, self.operator = schema.OperatorCodeT(), schema.OperatorT()
        code.builtinCode = code.deprecatedBuiltinCode = kind
        self.model.operatorCodes.append(code)
        self.operator.opcodeIndex = len(self.model.operatorCodes) - 1
        self.operator.inputs = [second.inputs[0]]
        self.operator.outputs = [self.add("target", self.source.type, self.source.shape)]
        self.graph.tensors[-1].quantization = self.source.quantization
        second.inputs = [self.operator.outputs[0], *second.inputs[1:]]
        self.graph.operators.insert(1, self.operator)

    def add(self, name: str, dtype: int, shape: Any, values: Any = None) -> int:
        """Add a tensor, and return its index."""
        tensor, buffer = schema.TensorT(), schema.BufferT()
        tensor.name, tensor.type, tensor.shape = name, dtype, list(shape)
        if values is not None:
            buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        tensor.buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def read(self) -> reading.Reading:
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(self.model.Pack(builder), file_identifier=b"TFL3")
        return reading.read_tflite(parse(bytes(builder.Output())))


FLOAT, INT32 = schema.TensorType.FLOAT32, schema.TensorType.INT32


def test_a_reshape_to_floats_leaves_the_stated_shape() -> None:
    file = Edited(schema.BuiltinOperator.RESHAPE)
    shape = np.array([1, np.nan, np.inf, 8], np.float32)
    file.operator.inputs.append(file.add("shape", FLOAT, [4], shape))
    assert file.read().shape_only


@pytest.mark.parametrize("value", [np.nan, np.inf, 1.0])
def test_padding_with_floats_is_a_fault_of_the_layer(value: float) -> None:
    file = Edited(schema.BuiltinOperator.PADV2)
    amounts = np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32)
    file.operator.inputs += [
        file.add("amounts", INT32, [4, 2], amounts),
        file.add("value", FLOAT, [1], np.array([value], np.float32)),
    ]
    details = [fault.detail for layer in file.read().layers for fault in layer.faults]
    assert any("which is not real 0" in detail for detail in details)


def test_padding_by_floats_is_no_layer_that_is_known() -> None:
    file = Edited(schema.BuiltinOperator.PAD)
    amounts = np.full((4, 2), np.nan, np.float32)
    file.operator.inputs.append(file.add("amounts", FLOAT, [4, 2], amounts))
    assert "unknown" in {layer.kind for layer in file.read().layers}
