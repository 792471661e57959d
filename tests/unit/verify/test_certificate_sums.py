"""Certificates on sums that kernels round differently, and on sums beyond float32."""

import graphs
import numpy as np
import pytest
from unit.verify.proofs import proofs

from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.ops.certificate import Certificate
from mobiledeploy.ops.conv import Conv
from mobiledeploy.ops.tensors import QTensor
from mobiledeploy.ops.weights import QWeights
from mobiledeploy.targets import onnx, tflite


def bad_addition() -> IntegerGraph:
    """Sums that are exactly halves, which XNNPACK and ONNX Runtime round differently."""
    half, one = np.float32(0.5), np.float32(1)
    return graphs.addition((half, half, one), (0, 0, 0))


def test_an_addition_that_kernels_round_differently_is_not_proven() -> None:
    graph = bad_addition()
    scales = (np.float32(0.5), np.float32(0.5))
    made_up = {
        "sum": Certificate(
            name="sum", scales=scales, cases=0, differing_before=0, differing_after=0
        )
    }
    first = tflite.write(graph, head="logits")
    second = onnx.write(graph, made_up, head="logits")
    by_layer = proofs(first, second)
    assert by_layer["sum"].status == "not proven"
    assert "of all 65,536 pairs of codes are rounded otherwise" in by_layer["sum"].reasons[0]


def wide(multiplier: float, bias: int) -> IntegerGraph:
    source = QTensor(name="image", shape=(2, 2, 4), scale=np.float32(1), zero_point=0)
    scale = np.full(1, multiplier, np.float32)
    node = Conv(
        input="image",
        output=QTensor(name="out", shape=(2, 2, 3), scale=np.float32(1), zero_point=-1),
        weights=QWeights(
            kernel=np.full((3, 1, 1, 4), 127, np.int8),
            kernel_scale=scale,
            bias=np.full(3, bias, np.int32),
            bias_scale=scale,
        ),
        depthwise=False,
        strides=(1, 1),
        padding="valid",
        activation="none",
    )
    return IntegerGraph(name="wide", input=source, nodes=(node,))


@pytest.mark.parametrize(("bias", "exact"), [(2**23, True), (2**24, False), (2**30, False)])
def test_accumulators_beyond_float32_s_whole_numbers_are_reported(bias: int, exact: bool) -> None:
    graph = wide(2.0**-10, bias)
    proof = proofs(tflite.write(graph, head="logits"), onnx.write(graph, {}, head="logits"))["out"]
    assert proof.status == "proven"
    assert proof.accumulator is not None
    assert proof.accumulator.exact == exact
    assert proof.accumulator.highest == bias + 4 * 127 * 127
    assert proof.accumulator.lowest == bias - 4 * 127 * 128
