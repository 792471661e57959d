"""XNNPACK accepts layers up to a limit; beyond it our graphs and proofs refuse."""

import dataclasses

import graphs
import numpy as np
import pytest

from mobiledeploy.base.errors import ConversionError, CorruptFileError
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.ops import add, weights
from mobiledeploy.ops.conv import Conv
from mobiledeploy.ops.dense import Dense
from mobiledeploy.ops.sums import NARROWEST, WIDEST
from mobiledeploy.ops.tensors import QTensor
from mobiledeploy.ops.weights import QWeights
from mobiledeploy.runtimes import litert_xnnpack, ort_optimised, saturation
from mobiledeploy.targets import onnx, tflite

BELOW_256 = float(np.nextafter(np.float32(256), np.float32(0)))


def convolution(multiplier: float) -> IntegerGraph:
    one = QTensor(name="image", shape=(2, 2, 4), scale=np.float32(1), zero_point=0)
    scale = np.full(1, multiplier, np.float32)
    node = Conv(
        input="image",
        output=dataclasses.replace(one, name="out"),
        weights=QWeights(
            kernel=np.ones((4, 1, 1, 4), np.int8),
            kernel_scale=scale,
            bias=np.zeros(4, np.int32),
            bias_scale=scale,
        ),
        depthwise=False,
        strides=(1, 1),
        padding="valid",
        activation="none",
    )
    return IntegerGraph(name="one", input=one, nodes=(node,))


@pytest.mark.parametrize("multiplier", [2.0**-40, BELOW_256])
def test_xnnpack_takes_multipliers_below_256(multiplier: float) -> None:
    model = tflite.write(convolution(multiplier), head="logits")
    assert litert_xnnpack.delegated(model) == {"out"}


def test_litert_cannot_load_a_multiplier_of_256(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConversionError, match="below 256 output steps"):
        convolution(256)
    monkeypatch.setattr(weights, "WIDEST_MULTIPLIER", 257)
    with pytest.raises(CorruptFileError, match="XNNPACK"):
        litert_xnnpack.delegated(tflite.write(convolution(256), head="logits"))


@pytest.mark.parametrize(
    ("ratio", "taken"),
    [
        (NARROWEST, True),
        (float(np.nextafter(np.float32(NARROWEST), np.float32(0))), False),
        (float(np.nextafter(np.float32(WIDEST), np.float32(0))), True),
        (WIDEST, False),
    ],
)
def test_xnnpack_takes_additions_whose_scales_are_not_too_different(
    ratio: float, taken: bool
) -> None:
    scales = (np.float32(ratio), np.float32(1), np.float32(1))
    if not taken:
        with pytest.raises(ConversionError, match="expected operand scales within"):
            add.OPERATOR.certify_scales("sum", scales=scales, zeros=(0, 0, 0))
    model = tflite.write(graphs.addition(scales, (0, 0, 0)), head="logits")
    names = litert_xnnpack.delegated(model)
    assert ("sum" in names) == taken


def test_our_layers_run_in_xnnpack_except_the_softmax_and_in_onnx_runtimes_integer_kernels() -> (
    None
):
    graph = graphs.assorted_graph()
    names = [node.output.name for node in graph.nodes]
    assert litert_xnnpack.delegated(tflite.write(graph)) == set(names[:-1])
    kernels = ort_optimised.kernels(onnx.write(graph, certify(graph)))
    operators = {op for op, _ in kernels}
    assert not operators & {"Conv", "Gemm", "Add", "GlobalAveragePool", "Softmax", "FusedConv"}
    readers = {name: op for op, inputs in kernels for name in inputs}
    assert readers["stem/kernel"] == "QLinearConv"
    assert readers["logits/kernel"] == "QGemm"


@pytest.mark.parametrize("saturates", [False, True])
def test_weights_keep_their_names_on_a_saturating_cpu(
    saturates: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saturation, "this_cpu_saturates", lambda: saturates)
    graph = graphs.assorted_graph()
    kernels = ort_optimised.kernels(onnx.write(graph, certify(graph)))
    readers = {name: op for op, inputs in kernels for name in inputs}
    weighted = [node.output.name for node in graph.nodes if isinstance(node, Conv | Dense)]
    assert len(weighted) > 4
    assert {readers[f"{name}/kernel"] for name in weighted} == {"QLinearConv", "QGemm"}


def test_a_damaged_file_is_a_clear_error() -> None:
    data = tflite.write(graphs.assorted_graph())
    with pytest.raises(CorruptFileError):
        litert_xnnpack.delegated(data[: len(data) // 2])
    with pytest.raises(CorruptFileError):
        ort_optimised.kernels(b"nothing")
