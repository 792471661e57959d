"""Reading a file takes memory for what is in it once, however often it is pointed to."""

import graphs

from mobiledeploy.integer import tflite_file
from mobiledeploy.targets import tflite


def test_scales_and_zero_points_are_the_files_own_bytes() -> None:
    file = tflite_file.parse(tflite.write(graphs.assorted_graph()))
    quantised = [tensor for tensor in file.tensors if tensor.scale.size]
    assert len(quantised) > 10
    for tensor in quantised:
        assert not tensor.scale.flags.owndata
        assert not tensor.zero_point.flags.owndata
