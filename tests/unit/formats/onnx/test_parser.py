"""The parser of `.onnx` agrees with ONNX's own code."""

import graphs
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from mobiledeploy.base.errors import ConversionError, CorruptFileError
from mobiledeploy.formats.model import Tensor
from mobiledeploy.formats.onnx import OnnxModel, parse, require_supported, schema
from mobiledeploy.integer.certify import certify
from mobiledeploy.targets import onnx as target

GRAPH = graphs.assorted_graph()
DATA = target.write(GRAPH, certify(GRAPH))


def changed() -> onnx.ModelProto:
    return onnx.ModelProto.FromString(DATA)


def parsed(*constants: TensorProto, node: onnx.NodeProto | None = None) -> OnnxModel:
    nodes = [node or helper.make_node("Identity", ["x"], ["y"])]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], constants)
    return parse(helper.make_model(graph).SerializeToString())


def constant(tensor: TensorProto) -> Tensor:
    read = next(t for t in parsed(tensor).tensors if t.name == tensor.name)
    assert read.constant
    return read


def test_enum_numbers_agree_with_onnx_proto() -> None:
    known = {number: name.lower() for name, number in TensorProto.DataType.items() if number}
    spelt = {"float32": "float", "float64": "double", "float8_e4m3fn": "float8e4m3fn"}
    ours = {n: spelt.get(kind.name, kind.name) for n, kind in schema.ELEMENT_TYPES.items()}
    assert ours == known
    kinds = {number: name for name, number in AttributeProto.AttributeType.items() if number}
    assert kinds == schema.ATTRIBUTE_TYPES
    assert schema.EXTERNAL == TensorProto.EXTERNAL


def test_the_parser_agrees_with_the_onnx_package_on_our_file() -> None:
    model, proto = parse(DATA), changed()
    stored = {tensor.name: tensor for tensor in model.tensors if tensor.constant}
    assert stored.keys() == {tensor.name for tensor in proto.graph.initializer}
    for tensor in proto.graph.initializer:
        expected = numpy_helper.to_array(tensor)
        np.testing.assert_array_equal(stored[tensor.name].data, expected, strict=True)
    for operator, node in zip(model.operators, proto.graph.node, strict=True):
        assert (operator.op, operator.domain) == (node.op_type, node.domain)
        assert [model.tensors[index].name for index in operator.inputs] == list(node.input)
        assert [model.tensors[index].name for index in operator.outputs] == list(node.output)
        values = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        for name, value in values.items():
            received = operator.attributes[name]
            assert (list(received) if isinstance(received, tuple) else received) == value


NUMBERS = st.integers(-(2**31), 2**31 - 1)


@settings(max_examples=200)
@given(
    kind=st.sampled_from(sorted(n for n, kind in schema.ELEMENT_TYPES.items() if kind.known)),
    entries=st.lists(NUMBERS, max_size=8),
)
def test_values_outside_raw_data_agree_with_onnx_numpy_helper(
    kind: int, entries: list[int]
) -> None:
    known = schema.ELEMENT_TYPES[kind]
    tensor = TensorProto(name="t", data_type=kind)
    signed = known.field in {"int32_data", "int64_data"}
    if known.name == "bool":
        entries = [abs(entry) % 2 for entry in entries]
    elif known.name == "float16":
        entries = [abs(entry) % 2**16 for entry in entries]
    getattr(tensor, known.field).extend(entries if signed else map(abs, entries))
    pairs = known.name.startswith("complex")
    tensor.dims[:] = [len(entries) // 2 if pairs else len(entries)]
    if pairs and len(entries) % 2:
        with pytest.raises(CorruptFileError, match="expected"):
            constant(tensor)
        return
    with np.errstate(all="ignore"):
        expected = numpy_helper.to_array(tensor)
    np.testing.assert_array_equal(constant(tensor).data, expected, strict=True)


@pytest.mark.parametrize("kind", sorted(n for n, k in schema.ELEMENT_TYPES.items() if k.bits))
def test_a_constant_whose_bytes_do_not_fit_its_shape_is_refused(kind: int) -> None:
    known = schema.ELEMENT_TYPES[kind]
    size = -(-5 * known.bits // 8)
    tensor = TensorProto(name="t", data_type=kind, dims=[5], raw_data=bytes(size))
    read = constant(tensor)
    assert (read.dtype, read.stored, read.data is not None) == (
        known.name,
        size,
        known.known,
    )
    for wrong in (size - 1, size + 1):
        tensor.raw_data = bytes(wrong)
        with pytest.raises(CorruptFileError, match=f"expected {size} bytes .* received {wrong}"):
            constant(tensor)


@pytest.mark.parametrize("dims", [[-1], [1] * 17, [2**62, 0], [2**41]])
def test_a_constant_of_an_impossible_shape_is_refused(dims: list[int]) -> None:
    with pytest.raises(CorruptFileError, match="not a possible shape"):
        constant(TensorProto(name="t", data_type=TensorProto.INT8, dims=dims))


def test_a_constant_of_an_unknown_newer_type_is_kept() -> None:
    read = constant(TensorProto(name="t", data_type=99, dims=[5], raw_data=bytes(3)))
    assert (read.dtype, read.shape, read.data, read.stored) == (
        "",
        (5,),
        None,
        3,
    )


def test_two_constants_of_one_name_are_refused() -> None:
    tensors = [numpy_helper.from_array(np.array([number], np.float32), "t") for number in (1, 2)]
    with pytest.raises(CorruptFileError, match="same name, `t`"):
        parsed(*tensors)
    node = helper.make_node("Constant", [], ["t"], value=tensors[1])
    with pytest.raises(CorruptFileError, match="same name, `t`"):
        parsed(tensors[0], node=node)


def test_a_constant_node_gives_a_constant_named_after_its_output() -> None:
    value = numpy_helper.from_array(np.array([7], np.float32), "another name")
    model = parsed(node=helper.make_node("Constant", [], ["y"], value=value))
    assert [tensor.name for tensor in model.tensors if tensor.constant] == ["y"]
    assert model.proto.graph.node[0].attribute[0].t.name == "another name"


def test_a_constant_node_of_another_domain_gives_no_constant() -> None:
    value = numpy_helper.from_array(np.array([7], np.float32), "t")
    node = helper.make_node("Constant", [], ["y"], domain="own", value=value)
    model = parsed(node=node)
    assert not any(tensor.constant for tensor in model.tensors)
    assert model.operators[0].op == "own.Constant"


@pytest.mark.parametrize(
    ("domain", "kind", "op"),
    [
        ("", "Conv", "Conv"),
        ("ai.onnx", "Conv", "Conv"),
        ("com.microsoft", "QGemm", "QGemm"),
        ("com.microsoft", "Conv", "com.microsoft.Conv"),
        ("own", "Conv", "own.Conv"),
    ],
)
def test_an_operator_keeps_its_plain_name_only_in_a_known_domain(
    domain: str, kind: str, op: str
) -> None:
    (operator,) = parsed(node=helper.make_node(kind, ["x"], ["y"], domain=domain)).operators
    assert operator.op == op


def test_an_omitted_input_is_not_confused_with_a_constant_without_a_name() -> None:
    nameless = numpy_helper.from_array(np.array([7], np.float32), "")
    node = helper.make_node("Clip", ["x", "", "x"], ["y"])
    (operator,) = parsed(nameless, node=node).operators
    assert operator.inputs[1] == -1


def test_a_long_attribute_list_is_cut_just_above_the_limit() -> None:
    node = helper.make_node("Conv", ["x", "x"], ["y"], strides=[2] * 1000)
    (operator,) = parsed(node=node).operators
    assert len(operator.attributes["strides"]) == 65


@pytest.mark.parametrize("data", [b"", b"no model", bytes(100), b"\x08\x08"])
def test_bytes_of_neither_format_are_refused(data: bytes) -> None:
    with pytest.raises(CorruptFileError, match=r"ONNX model") as caught:
        parse(data)
    assert caught.value.hint


def test_a_name_that_is_not_utf_8_is_refused() -> None:
    model = changed()
    data = model.SerializeToString().replace(b"stem", b"st\xffm")
    with pytest.raises(CorruptFileError, match="not UTF-8"):
        parse(data)


def test_a_model_may_parse_without_being_supported() -> None:
    model = changed()
    model.graph.input.append(helper.make_tensor_value_info("k", TensorProto.FLOAT, [1]))
    read = parse(model.SerializeToString())
    assert len(read.inputs) == 2
    with pytest.raises(ConversionError, match="one input, received 2"):
        require_supported(read)


def test_a_file_without_outputs_is_unsupported_but_not_damaged() -> None:
    model = changed()
    del model.graph.output[:]
    with pytest.raises(ConversionError, match="expected an output"):
        require_supported(parse(model.SerializeToString()))


@pytest.mark.parametrize("shape", [[1] * 9, [2**30, 2**30]])
def test_an_input_larger_than_any_image_is_not_supported(shape: list[int]) -> None:
    model = changed()
    info = helper.make_tensor_value_info("input", TensorProto.INT8, shape)
    model.graph.input[0].CopyFrom(info)
    with pytest.raises(ConversionError, match="`input`"):
        require_supported(parse(model.SerializeToString()))


def test_too_many_nodes_are_not_supported() -> None:
    model = changed()
    for number in range(16384):
        model.graph.node.add(op_type="Identity", input=["input"], output=[f"copy {number}"])
    with pytest.raises(ConversionError, match="at most 16384 nodes"):
        require_supported(parse(model.SerializeToString()))
