"""Tensors of a `.tflite` can be told apart by name, whatever names the file gives them."""

import flatbuffers
import graphs
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given
from hypothesis import strategies as st

from mobiledeploy import reading
from mobiledeploy.formats.tflite import edit, parse
from mobiledeploy.formats.tflite.parser import distinct
from mobiledeploy.runtimes import kinds
from mobiledeploy.targets import tflite


@given(st.lists(st.sampled_from(["", "a", "b", "#0", "a#1", "a#1'", "a#2"]), max_size=9))
def test_every_tensor_gets_a_name_of_its_own_and_keeps_one_that_it_has(names: list[str]) -> None:
    found = distinct(names)
    assert len(set(found)) == len(names)
    assert "" not in found
    for place, (name, own) in enumerate(zip(names, found, strict=True)):
        assert own.startswith(name)
        assert (own == name) == (name != "" and name not in names[:place])


def changed(data: bytes, *, name: str | None = None, inserted: int | None = None) -> bytes:
    """A `.tflite` with one name for all its tensors, or an operator behind its first one."""
    model = schema.ModelT.InitFromPackedBuf(bytearray(data))
    graph = model.subgraphs[0]
    if inserted is not None:
        code, operator = schema.OperatorCodeT(), schema.OperatorT()
        code.builtinCode = code.deprecatedBuiltinCode = inserted
        model.operatorCodes.append(code)
        before = graph.tensors[graph.operators[0].outputs[0]]
        after = schema.TensorT()
        after.name, after.shape, after.type = "after", before.shape, before.type
        after.quantization = before.quantization
        graph.tensors.append(after)
        operator.opcodeIndex = len(model.operatorCodes) - 1
        operator.inputs = graph.operators[0].outputs
        operator.outputs = np.array([len(graph.tensors) - 1], np.int32)
        graph.operators[1].inputs[0] = len(graph.tensors) - 1
        graph.operators.insert(1, operator)
    for tensor in graph.tensors:
        tensor.name = tensor.name if name is None else name
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def outputs(data: bytes) -> list[np.ndarray]:  # type: ignore[type-arg]
    """What a file gives for extremes, with its logits tapped by name."""
    logits = reading.read_tflite(parse(data)).logits
    assert logits is not None
    session = kinds.load("xnnpack", data, taps=[logits.name])
    return list(session.run(graphs.extremes(session.input.shape)))


def test_logits_are_tapped_where_all_tensors_have_one_name() -> None:
    data = tflite.write(graphs.assorted_graph())
    for one, other in zip(outputs(data), outputs(changed(data, name="a")), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_file_with_an_operator_of_other_tools_is_tapped() -> None:
    relu6 = 21
    data = changed(tflite.write(graphs.assorted_graph()), inserted=relu6)
    logits = reading.read_tflite(parse(data)).logits
    assert logits is not None
    recipe = edit.tap_recipe(parse(data), [logits.name])
    assert recipe.outputs == (logits.name,)
