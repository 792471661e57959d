"""The parser keeps everything that a file states, known or not, in little time."""

import time

import flatbuffers
import graphs
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as litert
from hypothesis import given, settings
from hypothesis import strategies as st
from tflite_editor import TfliteFile

from mobiledeploy import reading
from mobiledeploy.base.errors import ConversionError, CorruptFileError
from mobiledeploy.formats.tflite import edit, parse, require_supported
from mobiledeploy.integer import tflite_reader
from mobiledeploy.spec.config import Io
from mobiledeploy.targets import tflite


@pytest.fixture
def file() -> TfliteFile:
    return TfliteFile(tflite.write(graphs.assorted_graph()))


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), io=st.sampled_from(["int8", "uint8", "float32"]))
def test_the_parser_agrees_with_litert_s_schema_classes(seed: int, io: Io) -> None:
    data = tflite.write(graphs.assorted_graph(seed=seed % 8), io=io)
    ours, theirs = parse(data), TfliteFile(data)
    assert [tensor.name for tensor in ours.tensors] == [
        tensor.name.decode() for tensor in theirs.graph.tensors
    ]
    for mine, other in zip(ours.tensors, theirs.graph.tensors, strict=True):
        assert mine.fixed_shape == tuple(other.shape)
        grid = other.quantization
        assert mine.scale.tolist() == ([] if grid is None else list(grid.scale))
        assert mine.zero_point.tolist() == ([] if grid is None else list(grid.zeroPoint))
        stored = theirs.model.buffers[other.buffer].data
        if mine.constant:
            assert mine.data is not None
            assert mine.data.tobytes() == bytes(stored)
        else:
            assert stored is None
    for operator, other in zip(ours.operators, theirs.graph.operators, strict=True):
        assert operator.builtin == theirs.builtin(other)
        assert operator.inputs == tuple(other.inputs)
        assert operator.outputs == tuple(other.outputs)
        for name, value in operator.attributes.items():
            head, *rest = name.split("_")
            camel = head + "".join(word.capitalize() for word in rest)
            option = getattr(other.builtinOptions, camel)
            assert value == (None if option is None else option)


def test_unnamed_operators_and_types_unknown_to_numpy_are_kept(file: TfliteFile) -> None:
    file.insert("LOGISTIC", "wide")
    file.model.operatorCodes[-1].builtinCode = 5000
    half = file.tensor("wide/kernel")
    half.type = litert.TensorType.INT4
    file.overwrite("wide/kernel", np.array(file.values("wide/kernel")[:408]))
    model = parse(file.bytes())
    kept = [operator.kind for operator in model.operators if operator.builtin == "BUILTIN_5000"]
    assert kept == ["BUILTIN_5000"]
    kernel = next(tensor for tensor in model.tensors if tensor.name == "wide/kernel")
    assert (kernel.dtype, kernel.data, kernel.constant) == ("int4", None, True)


def test_an_operator_without_options_has_the_schemas_defaults(file: TfliteFile) -> None:
    file.graph.operators[0].builtinOptions = None
    (first, *_) = parse(file.bytes()).operators
    assert first.option("padding") == first.option("stride_h") == 0
    assert (first.option("dilation_h_factor"), first.activation) == (1, "none")


def test_a_custom_operator_is_not_taken_for_the_builtin_of_the_same_name(file: TfliteFile) -> None:
    place = file.graph.operators[0].opcodeIndex
    code = file.model.operatorCodes[place]
    code.builtinCode = code.deprecatedBuiltinCode = litert.BuiltinOperator.CUSTOM
    code.customCode = b"CONV_2D"
    model = parse(file.bytes())
    assert (model.operators[0].kind, model.operators[0].domain) == ("CONV_2D", "custom")
    assert reading.read_tflite(model).layers[0].kind == "unknown"
    with pytest.raises(ConversionError, match="operator number 32"):
        tflite_reader.read(model)
    with pytest.raises(ConversionError, match="a custom operator"):
        edit.cut(model, ["input"], "stem")


def test_sparse_weights_are_kept_by_the_parser_and_refused_by_readers(file: TfliteFile) -> None:
    file.tensor("wide/kernel").sparsity = litert.SparsityParametersT()
    model = parse(file.bytes())
    assert [tensor.name for tensor in model.tensors if tensor.sparse] == ["wide/kernel"]
    with pytest.raises(ConversionError, match="is sparse"):
        require_supported(model)


@pytest.mark.parametrize("field", ["fusedActivationFunction", "builtinOptionsType"])
def test_impossible_options_are_damage_and_the_error_names_the_operator(
    file: TfliteFile, field: str
) -> None:
    operator = file.graph.operators[0]
    if field == "builtinOptionsType":
        operator.builtinOptions = litert.SoftmaxOptionsT()
        operator.builtinOptionsType = litert.BuiltinOptions.SoftmaxOptions
    else:
        operator.builtinOptions.fusedActivationFunction = 9
    with pytest.raises(CorruptFileError, match="CONV_2D that writes tensor"):
        parse(file.bytes())


def test_thousands_of_tensors_with_one_long_name_are_refused_quickly() -> None:
    builder = flatbuffers.Builder(1024)

    def listed(tables: list[int]) -> int:
        builder.StartVector(4, len(tables), 4)
        for table in tables:
            builder.PrependUOffsetTRelative(table)
        end: int = builder.EndVector()
        return end

    name, tensors = builder.CreateString("x" * 16000), []
    for _ in range(16000):
        litert.TensorStart(builder)
        litert.TensorAddName(builder, name)
        tensors.append(litert.TensorEnd(builder))
    tables = listed(tensors)
    litert.SubGraphStart(builder)
    litert.SubGraphAddTensors(builder, tables)
    graphs_of_file = listed([litert.SubGraphEnd(builder)])
    litert.ModelStart(builder)
    litert.ModelAddSubgraphs(builder, graphs_of_file)
    builder.Finish(litert.ModelEnd(builder), file_identifier=b"TFL3")
    data = bytes(builder.Output())
    begun = time.process_time()
    with pytest.raises(CorruptFileError, match="so many parts"):
        parse(data)
    assert time.process_time() - begun < 2
