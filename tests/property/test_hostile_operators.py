"""Whatever happens to the files of a single operator, they are read or refused by our errors."""

import contextlib
import functools

import graphs
import onnx as onnx_package
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper

from mobiledeploy import reading
from mobiledeploy.base.errors import MobileDeployError
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.formats.tflite import parse as parse_tflite
from mobiledeploy.integer.certify import certify
from mobiledeploy.ops import table
from mobiledeploy.spec.config import Head
from mobiledeploy.targets import onnx, tflite

EXAMPLES = [example for operator in table.OPERATORS for example in operator.examples()]


@functools.cache
def files(number: int) -> tuple[bytes, bytes]:
    """An example in both formats."""
    example = EXAMPLES[number]
    graph = graphs.around(example.node, example.inputs)
    head: Head = "softmax" if graph.logits != graph.output else "logits"
    return tflite.write(graph, head=head), onnx.write(graph, certify(graph), head=head)


examples = st.integers(0, len(EXAMPLES) - 1)
changes = st.lists(
    st.tuples(st.integers(0, 2**20), st.binary(min_size=1, max_size=4)), min_size=1, max_size=4
)


def changed(data: bytes, places: list[tuple[int, bytes]]) -> bytes:
    result = bytearray(data)
    for place, new in places:
        start = place % (len(data) - 4)
        result[start : start + len(new)] = new
    return bytes(result)


@settings(max_examples=80, deadline=3000)
@given(examples, changes)
def test_a_damaged_tflite_is_read_or_refused(number: int, places: list[tuple[int, bytes]]) -> None:
    with contextlib.suppress(MobileDeployError):
        reading.read_tflite(parse_tflite(changed(files(number)[0], places)))


@settings(max_examples=80, deadline=3000)
@given(examples, changes)
def test_a_damaged_onnx_is_read_or_refused(number: int, places: list[tuple[int, bytes]]) -> None:
    with contextlib.suppress(MobileDeployError):
        reading.read_onnx(parse_onnx(changed(files(number)[1], places)))


@settings(max_examples=80, deadline=3000)
@given(examples, st.data())
def test_an_onnx_whose_nodes_are_mixed_up_is_read_or_refused(
    number: int, data: st.DataObject
) -> None:
    model = onnx_package.load_from_string(files(number)[1])
    nodes, constants = model.graph.node, model.graph.initializer
    names = sorted({name for node in nodes for name in (*node.input, *node.output)})
    kinds = sorted({name for each in table.OPERATORS for name in each.ONNX} | {"Cast", "Clip"})
    for _ in range(data.draw(st.integers(1, 3))):
        node = nodes[data.draw(st.integers(0, len(nodes) - 1))]
        match data.draw(st.sampled_from(["kind", "input", "left out", "constant"])):
            case "kind":
                node.op_type = data.draw(st.sampled_from(kinds))
            case "input":
                place = data.draw(st.integers(0, len(node.input) - 1))
                node.input[place] = data.draw(st.sampled_from(names))
            case "left out":
                del node.input[data.draw(st.integers(0, len(node.input) - 1))]
                if not node.input:
                    return
            case _:
                constant = constants[data.draw(st.integers(0, len(constants) - 1))]
                values = numpy_helper.to_array(constant)
                smaller = values.ravel()[: data.draw(st.integers(0, 2))]
                constant.CopyFrom(numpy_helper.from_array(smaller, constant.name))
    with contextlib.suppress(MobileDeployError):
        reading.read_onnx(parse_onnx(model.SerializeToString()))
