"""Reading a file takes memory for what is in it once, however often it is pointed to."""

from typing import Any

import flatbuffers
import graphs
import pytest
from ai_edge_litert import schema_py_generated as schema

from mobiledeploy.errors import ConversionError, CorruptFileError
from mobiledeploy.integer import tflite_file
from mobiledeploy.targets import tflite


def test_scales_and_zero_points_are_the_files_own_bytes() -> None:
    file = tflite_file.parse(tflite.write(graphs.assorted_graph()))
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
        tflite_file.parse(bytes(builder.Output()))
