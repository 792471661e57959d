"""Files that look like one network but compute another are read as what they compute."""

import copy
from collections.abc import Callable
from typing import Any

import graphs
import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from onnx import helper, numpy_helper
from tflite_editor import TfliteFile

from mobiledeploy import reading
from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.formats.tflite import parse
from mobiledeploy.integer.certify import certify
from mobiledeploy.reading import StoredLayer
from mobiledeploy.targets import onnx as onnx_target
from mobiledeploy.targets import tflite as tflite_target


def read_onnx(change: Callable[[Any], None]) -> tuple[StoredLayer, ...]:
    """The layers of our `.onnx` after a change of its protobuf."""
    graph = graphs.assorted_graph()
    model = onnx.load_from_string(onnx_target.write(graph, certify(graph)))
    change(model)
    return reading.read_onnx(parse_onnx(model.SerializeToString())).layers


def read_tflite(change: Callable[[TfliteFile], None]) -> tuple[StoredLayer, ...]:
    """The layers of our `.tflite` after a change of its flatbuffer."""
    file = TfliteFile(tflite_target.write(graphs.assorted_graph()))
    change(file)
    return reading.read_tflite(parse(file.bytes())).layers


def node(model: Any, op: str) -> Any:
    return next(each for each in model.graph.node if each.op_type == op)


def behind(model: Any, op: str, kind: str, *inputs: str, **attributes: Any) -> Any:
    """Insert a node after the first node of an operator; return it."""
    before = node(model, op)
    name, before.output[0] = before.output[0], "before"
    added = helper.make_node(kind, ["before", *inputs], [name], **attributes)
    model.graph.node.insert(list(model.graph.node).index(before) + 1, added)
    return model.graph.node[list(model.graph.node).index(added)]


def constant(model: Any, name: str, values: Any) -> str:
    model.graph.initializer.append(numpy_helper.from_array(np.array(values), name))
    return name


def faults(layers: tuple[StoredLayer, ...]) -> list[tuple[str, str]]:
    return [(layer.kind, fault.field) for layer in layers for fault in layer.faults]


@pytest.mark.parametrize("op", ["Relu", "Identity"])
def test_a_function_that_a_file_defines_is_not_read_as_the_operator_of_the_same_name(
    op: str,
) -> None:
    def change(model: Any) -> None:
        behind(model, "Conv", op).domain = "own"

    assert f"own.{op}" in [layer.op for layer in read_onnx(change)]


def test_two_constants_of_one_name_are_reported_as_damage() -> None:
    def change(model: Any) -> None:
        twin = copy.deepcopy(model.graph.initializer[-1])
        model.graph.initializer.append(twin)

    with pytest.raises(CorruptFileError, match="same name"):
        read_onnx(change)


@pytest.mark.parametrize("training", [True, False])
def test_a_dropout_is_a_layer_only_in_training_mode(training: bool) -> None:
    def change(model: Any) -> None:
        inputs = constant(model, "half", np.float32(0.5)), constant(model, "training", training)
        behind(model, "Conv", "Dropout", *inputs)

    assert ("Dropout" in [layer.op for layer in read_onnx(change)]) == training


def test_an_add_of_operands_in_different_layouts_is_a_fault() -> None:
    def change(model: Any) -> None:
        add = node(model, "Add")
        place = list(model.graph.node).index(add)
        turned = helper.make_node("Transpose", [add.input[1]], ["turned"], perm=[0, 2, 3, 1])
        add.input[1] = "turned"
        model.graph.node.insert(place, turned)

    assert ("add", "axis") in faults(read_onnx(change))


def behind_first(file: TfliteFile, kind: str, constant: Any, shape: list[int]) -> Any:
    """Insert an operator after the first one of a `.tflite`; return the tensor that it writes."""
    added = file.add_constant("constant", np.array(constant, np.int32))
    return file.insert(kind, file.output(0).name.decode(), added, shape=shape)


@pytest.mark.parametrize("stated", ["as it is", "as before"])
def test_a_reshape_that_moves_pixels_is_a_layer(stated: str) -> None:
    def change(file: TfliteFile) -> None:
        size = file.output(0).shape.tolist()
        wide = [1, size[1] // 2, size[2] * 2, size[3]]
        behind_first(file, "RESHAPE", wide, wide if stated == "as it is" else size)

    assert [layer.op for layer in read_tflite(change)][1] == "RESHAPE"


@pytest.mark.parametrize("free", [False, True])
def test_a_reshape_that_leaves_pixels_in_place_is_no_layer(free: bool) -> None:
    def change(file: TfliteFile) -> None:
        size = file.output(0).shape.tolist()
        behind_first(file, "RESHAPE", [-1, *size[1:]] if free else size, size)

    assert "RESHAPE" not in [layer.op for layer in read_tflite(change)]


@pytest.mark.parametrize("moved", [(1.04, 0), (1, 3)])
def test_a_reshape_that_states_another_grid_is_a_layer(moved: tuple[float, int]) -> None:
    def change(file: TfliteFile) -> None:
        size = file.output(0).shape.tolist()
        grid = behind_first(file, "RESHAPE", size, size).quantization
        grid.scale = np.float32(grid.scale) * np.float32(moved[0])
        grid.zeroPoint = np.array(grid.zeroPoint) + moved[1]

    assert "RESHAPE" in [layer.op for layer in read_tflite(change)]


def test_a_stated_shape_that_the_operator_does_not_compute_is_a_fault() -> None:
    def change(file: TfliteFile) -> None:
        tensor = file.output(0)
        tensor.shape = tensor.shape * np.array([1, 2, 1, 1], np.int32)

    assert ("conv", "output_shape") in faults(read_tflite(change))


def test_a_padding_that_changes_the_scale_is_a_fault() -> None:
    def change(file: TfliteFile) -> None:
        size = file.output(0).shape.tolist()
        size[1] += 1
        padded = behind_first(file, "PAD", [[0, 0], [1, 0], [0, 0], [0, 0]], size)
        padded.quantization.scale[0] *= 2

    assert ("pad", "padding") in faults(read_tflite(change))


def kernel_zero(tensors: list[Any], kernel: int, bias: int) -> None:
    del bias
    grid = tensors[kernel].quantization
    grid.zeroPoint = np.array(grid.zeroPoint) + 1


def no_bias_scale(tensors: list[Any], kernel: int, bias: int) -> None:
    del kernel
    tensors[bias].quantization = None


def no_bias_values(tensors: list[Any], kernel: int, bias: int) -> None:
    del kernel
    tensors[bias].buffer = 0


@pytest.mark.parametrize(
    ("spoil", "field"),
    [(kernel_zero, "kernel_zero"), (no_bias_scale, "bias_scale"), (no_bias_values, "weights")],
)
def test_weights_that_litert_refuses_or_computes_differently_are_a_fault(
    spoil: Callable[[list[Any], int, int], None], field: str
) -> None:
    def change(file: TfliteFile) -> None:
        _, kernel, bias = file.graph.operators[0].inputs
        spoil(file.graph.tensors, int(kernel), int(bias))

    assert faults(read_tflite(change)) == [("conv", field)]


def test_an_input_of_codes_without_a_scale_is_not_read_as_real_values() -> None:
    graph = graphs.assorted_graph()
    data = tflite_target.write(graph, io="float32")
    file = TfliteFile(data)
    file.graph.tensors[file.graph.inputs[0]].type = schema.TensorType.UINT8
    kinds = [layer.kind for layer in reading.read_tflite(parse(file.bytes())).layers]
    assert kinds[0] == "quantize"
    assert reading.read_tflite(parse(data)).layers[0].kind != "quantize"


@pytest.mark.parametrize("end", ["inputs", "outputs"])
def test_a_signature_that_names_another_tensor_is_refused(end: str) -> None:
    def change(file: TfliteFile) -> None:
        (signature,) = file.model.signatureDefs
        getattr(signature, end)[0].tensorIndex = int(file.graph.operators[1].outputs[0])

    with pytest.raises(CorruptFileError, match="signature"):
        read_tflite(change)


def test_a_signature_may_name_the_codes_before_an_operator_that_changes_nothing() -> None:
    def change(file: TfliteFile) -> None:
        graph, size = file.graph, file.output(0).shape.tolist()
        behind_first(file, "RESHAPE", size, size)
        (signature,) = file.model.signatureDefs
        graph.outputs = graph.operators[1].outputs
        signature.outputs[0].tensorIndex = int(graph.operators[0].outputs[0])

    assert [layer.kind for layer in read_tflite(change)] == ["conv"]
