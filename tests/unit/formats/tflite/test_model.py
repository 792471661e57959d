"""`require_supported` refuses models that parse but cannot be computed; values are not copied."""

import graphs
import pytest
from tflite_editor import TfliteFile

from mobiledeploy.base.errors import ConversionError, CorruptFileError
from mobiledeploy.formats.tflite import parse, require_supported
from mobiledeploy.targets import tflite


def test_scales_and_zero_points_are_views_of_the_files_bytes() -> None:
    file = parse(tflite.write(graphs.assorted_graph()))
    quantised = [tensor for tensor in file.tensors if tensor.scale.size]
    assert len(quantised) > 10
    for tensor in quantised:
        assert not tensor.scale.flags.owndata
        assert not tensor.zero_point.flags.owndata


@pytest.mark.parametrize(("count", "error"), [(0, CorruptFileError), (2, ConversionError)])
def test_a_file_without_a_graph_is_damaged_and_one_with_several_is_unsupported(
    count: int, error: type[Exception]
) -> None:
    file = TfliteFile(tflite.write(graphs.assorted_graph()))
    file.model.subgraphs = file.model.subgraphs * count
    with pytest.raises(error, match="graph"):
        require_supported(parse(file.bytes()))


@pytest.mark.parametrize("zero", [2**63 - 1, -(2**63), 2**31, -(2**14) - 1])
def test_a_zero_point_far_outside_the_code_range_is_damage(zero: int) -> None:
    file = TfliteFile(tflite.write(graphs.assorted_graph()))
    file.output(1).quantization.zeroPoint = [-129]
    require_supported(parse(file.bytes()))  # the fault of a tool, which is read and explained
    file.output(1).quantization.zeroPoint = [zero]
    with pytest.raises(CorruptFileError, match=f"zero point among the codes, received {zero}"):
        require_supported(parse(file.bytes()))


def test_a_models_repr_does_not_hold_the_file() -> None:
    data = tflite.write(graphs.assorted_graph())
    assert repr(data) not in repr(parse(data))
