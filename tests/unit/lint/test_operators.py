"""Every operator of `ops.table` is linted by its module alone: `lint` names no operator."""

import ast
import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import graphs
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from tflite_editor import TfliteFile

from mobiledeploy.formats import onnx as onnx_format
from mobiledeploy.formats import tflite as tflite_format
from mobiledeploy.formats.model import Model
from mobiledeploy.formats.onnx.quantisation import QLINEAR, with_grids
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.lint import graph_rules, required_runtime
from mobiledeploy.lint.graph import Graph
from mobiledeploy.lint.inspection import inspect_file
from mobiledeploy.lint.layers import Layer
from mobiledeploy.lint.tflite_versions import OPERATOR_VERSIONS
from mobiledeploy.ops import conv, dense, hard_swish, mul, table
from mobiledeploy.ops.capabilities import MovesCodes
from mobiledeploy.ops.file_form import FileForm
from mobiledeploy.ops.node import WeightedNode
from mobiledeploy.ops.operator import Example, Operator
from mobiledeploy.spec.config import Head
from mobiledeploy.targets import onnx, tflite

Ids = Callable[[bytes], set[str]]

EXAMPLES = [
    pytest.param(operator, example, id=f"{operator.LAYERS[0]}: {example.name}")
    for operator in table.OPERATORS
    for example in operator.examples()
]
FORMS = [
    pytest.param(name, form, id=f"{operator.LAYERS[0]}: {name}")
    for operator in table.OPERATORS
    for name, form in (*operator.TFLITE.items(), *operator.ONNX.items())
]
STRICT = {"MD001", "MD002", "MD104", "MD105", "MD106", "MD203", "MD206", "MD208", "MD302", "MD306"}
"""Rules that our file of any operator follows, for all ranges and weights."""


def graph_of(example: Example) -> tuple[IntegerGraph, Head]:
    graph = graphs.around(example.node, example.inputs)
    return graph, "softmax" if graph.logits != graph.output else "logits"


def layers_of(model: Model, name: str) -> list[Layer]:
    return [layer for layer in Graph.of(model).layers if f"`{name}`" in layer.where]


@pytest.mark.parametrize(("operator", "example"), EXAMPLES)
def test_an_operator_of_a_tflite_is_a_layer_with_its_inputs_and_weights(
    operator: Operator[Any], example: Example
) -> None:
    graph, head = graph_of(example)
    model = tflite_format.parse(tflite.write(graph, head=head))
    (layer,) = layers_of(model, example.node.output.name)
    # The file of a special case has the operator that it is a case of.
    special = layer.operator.kind not in operator.TFLITE
    assert special or layer.module is operator
    assert layer.integer
    assert len(layer.sources) == len(example.inputs)
    if isinstance(example.node, WeightedNode):
        rows, scales = layer.rows(), layer.kernel_scales()
        assert rows is not None
        assert scales is not None
        weights = example.node.weights
        expected = np.moveaxis(weights.kernel, example.node.channel_axis, 0)
        np.testing.assert_array_equal(rows, expected)
        assert set(scales) == set(weights.kernel_scale.astype(np.float64))
        shapes = [tensor.shape for tensor in example.inputs]
        float_layer = operator.float_layer(example.node, example.inputs)
        assert layer.macs() == operator.work(float_layer, shapes).macs
    elif not special or layer.kernel is None:
        assert layer.kernel is None
        assert layer.macs() == 0


@pytest.mark.parametrize("operator", table.OPERATORS, ids=lambda operator: operator.LAYERS[0])
def test_a_qdq_operator_of_an_onnx_file_is_a_layer(operator: Operator[Any]) -> None:
    kinds, pairs = [], False
    for example in operator.examples():
        graph, head = graph_of(example)
        model = onnx_format.parse(onnx.write(graph, certify(graph), head=head))
        model = dataclasses.replace(model, tensors=with_grids(model.tensors, model.operators))
        kinds += [
            layer.integer
            for layer in Graph.of(model).layers
            if layer.module is operator and layer.operator.kind in operator.ONNX
        ]
        named = {node.kind for node in model.operators} & set(operator.ONNX)
        copies = isinstance(operator, MovesCodes)
        pairs |= any(copies or not operator.ONNX[name].pairs_only for name in named)
    assert all(kinds)
    # Where ONNX Runtime's kernel is not exact, an operator is written in another form.
    assert bool(kinds) == pairs


@pytest.mark.parametrize(("operator", "example"), EXAMPLES)
def test_our_files_of_each_operator_break_no_rule_on_form(
    operator: Operator[Any], example: Example, ids: Ids
) -> None:
    graph, head = graph_of(example)
    assert not ids(tflite.write(graph, head=head)) & STRICT
    assert not ids(onnx.write(graph, certify(graph), head=head)) & (STRICT | {"MD402"})


@pytest.mark.parametrize(("operator", "example"), EXAMPLES)
def test_the_minimum_runtime_that_we_write_agrees_with_the_version_table(
    operator: Operator[Any], example: Example, tmp_path: Path
) -> None:
    graph, head = graph_of(example)
    path = tmp_path / "model.tflite"
    path.write_bytes(tflite.write(graph, head=head))
    needs = inspect_file(path).runtime
    assert needs.claimed is not None
    assert needs.minimum is not None
    assert required_runtime.parse(needs.claimed) == required_runtime.parse(needs.minimum)


def test_each_name_of_a_form_belongs_to_the_first_operator_that_has_it() -> None:
    for operator in reversed(table.OPERATORS):
        for name in (*operator.TFLITE, *operator.ONNX):
            owner = next(
                other for other in table.OPERATORS if name in {**other.TFLITE, **other.ONNX}
            )
            assert table.of_file(name) is owner
    assert table.of_file("LSTM") is None


@pytest.mark.parametrize(("name", "form"), FORMS)
def test_a_form_states_existing_versions_and_input_positions_that_are_read(
    name: str, form: FileForm
) -> None:
    weighted = [version for pair in form.weight_versions.values() for version in pair]
    assert {*form.versions.values(), *weighted} <= set(OPERATOR_VERSIONS.get(name, {}))
    if name in QLINEAR and form.inputs is not None:
        places = {place for place, _ in QLINEAR[name][0]}
        own = set() if form.kernel is None else {form.kernel}
        assert {*form.inputs, *own} == places


def test_a_per_channel_dense_layer_has_the_version_that_old_runtimes_refuse() -> None:
    nodes = [example.node for example in dense.examples() if isinstance(example.node, dense.Dense)]
    versions = {
        node.weights.kernel_scale.size: dense.tflite_version(node, []).number for node in nodes
    }
    misread = dense.TFLITE["FULLY_CONNECTED"].misread_scales
    assert misread is not None
    assert versions[1] < versions[7] == misread.refused_from


@pytest.mark.parametrize(
    ("operator", "factor"), [(mul, 1e-4), (mul, 1e3), (hard_swish, 1e-3)], ids=str
)
def test_scales_that_the_kernel_does_not_accept_are_reported(
    operator: Operator[Any], factor: float, ids: Ids
) -> None:
    example = next(iter(operator.examples()))
    graph, head = graph_of(example)
    file = TfliteFile(tflite.write(graph, head=head))
    assert "MD206" not in ids(file.bytes())
    file.grid(example.node.output.name).scale[0] *= factor / 16
    assert ("MD206" in ids(file.bytes())) == (factor < 1)


def test_a_mul_version_too_low_for_its_types_is_reported(ids: Ids) -> None:
    graph, head = graph_of(next(mul.examples()))
    file = TfliteFile(tflite.write(graph, head=head))
    for code in file.model.operatorCodes:
        if code.builtinCode == schema.BuiltinOperator.MUL:
            code.version = 1
    assert "MD306" in ids(file.bytes())


def test_the_channel_axis_of_a_transposed_kernel_is_the_first() -> None:
    graph, head = graph_of(next(dense.examples()))
    model = onnx_format.parse(onnx.write(graph, certify(graph), head=head))
    (gemm,) = (operator for operator in model.operators if operator.kind == "Gemm")
    form = dense.ONNX["Gemm"]
    assert form.kernel_axis(gemm, (40, 7)) == 1
    gemm.attributes["transB"] = 1
    assert form.kernel_axis(gemm, (7, 40)) == 0
    assert dense.ONNX["MatMul"].kernel_axis(gemm, (2, 40, 7)) == 2
    assert dense.ONNX["MatMul"].kernel_axis(gemm, None) == 0
    assert conv.TFLITE["DEPTHWISE_CONV_2D"].kernel_axis(gemm, None) == 3


def test_a_ratio_of_an_unknown_scale_is_not_checked() -> None:
    for operator in (mul, hard_swish):
        for ratio in operator.scale_ratios([math.nan, 1.0], 1.0):
            assert math.isnan(ratio.value)


def test_rules_name_operators_only_in_patterns_of_several() -> None:
    """A product after a convolution may be a batch norm, one at the input the input's scaling.

    An activation after a layer may be one that the layer could have done, an addition to indices
    the choice of a channel's table.
    """
    folder = Path(graph_rules.__file__).parent
    names = {name for operator in table.OPERATORS for name in (*operator.TFLITE, *operator.ONNX)}
    named = {
        (path.name, node.value)
        for path in folder.glob("*.py")
        if path.name not in {"tflite_versions.py", "required_runtime.py"}  # tables of versions
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in names
    }
    assert named == {
        ("graph_rules.py", "Add"),
        ("graph_rules.py", "MAXIMUM"),
        ("graph_rules.py", "MINIMUM"),
        ("graph_rules.py", "MUL"),
        ("graph_rules.py", "RELU"),
        ("graph_rules.py", "RELU6"),
        ("graph_rules.py", "TRANSPOSE"),
        ("inputs_outputs.py", "Mul"),
        ("inputs_outputs.py", "RESHAPE"),
        ("inputs_outputs.py", "TRANSPOSE"),
    }
