"""What the parser keeps and nothing here can compute is refused, and takes no memory twice."""

from typing import Any

import flatbuffers
import graphs
import pytest
from ai_edge_litert import schema_py_generated as schema

from mobiledeploy.base.errors import ConversionError, CorruptFileError
from mobiledeploy.formats.tflite import parse, require_supported
from mobiledeploy.targets import tflite


def test_scales_and_zero_points_are_the_files_own_bytes() -> None:
    file = parse(tflite.write(graphs.assorted_graph()))
    quantised = [tensor for tensor in file.tensors if tensor.scale.size]
    assert len(quantised) > 10
    for tensor in quantised:
        assert not tensor.scale.flags.owndata
        assert not tensor.zero_point.flags.owndata


@pytest.mark.parametrize(("count", "error"), [(0, CorruptFileError), (2, ConversionError)])
def test_a_file_without_a_graph_is_damaged_and_one_of_several_is_not_ours(
    count: int, error: type[Exception]
) -> None:
    data = tflite.write(graphs.assorted_graph())
    model: Any = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data))
    model.subgraphs = model.subgraphs * count
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    with pytest.raises(error, match="graph"):
        require_supported(parse(bytes(builder.Output())))


@pytest.mark.parametrize("zero", [2**63 - 1, -(2**63), 2**31, -(2**14) - 1])
def test_a_zero_point_far_from_all_codes_is_damage(zero: int) -> None:
    data = tflite.write(graphs.assorted_graph())
    model: Any = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data))
    tensor = model.subgraphs[0].tensors[model.subgraphs[0].operators[1].outputs[0]]
    for point in (-129, zero):
        tensor.quantization.zeroPoint = [point]
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        if point == -129:  # the fault of a tool, which is read and explained
            require_supported(parse(bytes(builder.Output())))
    with pytest.raises(CorruptFileError, match=f"zero point among the codes, received {zero}"):
        require_supported(parse(bytes(builder.Output())))
