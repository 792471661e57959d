"""`require_supported` refuses models that parse but cannot be computed; values are not copied."""

import graphs
import numpy as np
import pytest
from tflite_editor import TfliteFile

from mobiledeploy.base.errors import ConversionError, CorruptFileError
from mobiledeploy.formats.tflite import parse, require_supported
from mobiledeploy.formats.tflite.edit import with_possible_axes
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


def test_tensors_that_no_operator_uses_may_be_anything() -> None:
    file = TfliteFile(tflite.write(graphs.assorted_graph()))
    name = file.graph.tensors[0].name
    file.add_tensor(name.decode() if isinstance(name, bytes) else name, "left over", shape=[0])
    require_supported(parse(file.bytes()))
    file.output(1).shape = [1, 0, 5, 5]
    with pytest.raises(ConversionError, match="not empty"):
        require_supported(parse(file.bytes()))


def test_the_zero_point_of_16_bits_is_no_damage() -> None:
    from ai_edge_litert import schema_py_generated as schema

    file = TfliteFile(tflite.write(graphs.assorted_graph()))
    file.output(1).quantization.zeroPoint = [-(2**15)]
    file.output(1).type = schema.TensorType.INT16
    require_supported(parse(file.bytes()))


def test_a_constant_may_be_filled_up_with_bytes_that_no_kernel_reads() -> None:
    file = TfliteFile(tflite.write(graphs.assorted_graph()))
    place, kernel = next(
        (index, tensor)
        for index, tensor in enumerate(file.graph.tensors)
        if file.model.buffers[tensor.buffer].data is not None
    )
    whole = parse(file.bytes()).tensors[place]
    buffer = file.model.buffers[kernel.buffer]
    buffer.data = np.concatenate([buffer.data, np.zeros(4, np.uint8)])
    np.testing.assert_array_equal(parse(file.bytes()).tensors[place].data, whole.data)
    buffer.data = buffer.data[:-5]
    with pytest.raises(CorruptFileError, match="expected"):
        parse(file.bytes())


def test_the_axis_of_a_tensor_of_one_dimension_is_the_first() -> None:
    file = TfliteFile(tflite.write(graphs.assorted_graph()))
    place, bias = next(
        (index, tensor)
        for index, tensor in enumerate(file.graph.tensors)
        if len(tensor.shape) == 1 and tensor.quantization and tensor.quantization.scale
    )
    bias.quantization.quantizedDimension = 3
    model = parse(file.bytes())
    require_supported(model)
    assert model.tensors[place].axis == 0
    mended, changed = with_possible_axes(model)
    assert place in changed
    assert with_possible_axes(parse(mended)) == (mended, frozenset())
