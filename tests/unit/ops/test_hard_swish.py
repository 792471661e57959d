"""HARD_SWISH: every runtime gives the same code for each of the 256 codes."""

import graphs
import numpy as np
import onnx as onnx_package
import pytest

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.integer import oracle
from mobiledeploy.integer.certify import certify, exact_ranges
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.ops import hard_swish
from mobiledeploy.ops.architecture import INPUT, Architecture, Layer
from mobiledeploy.ops.certificate import Certificate, all_codes
from mobiledeploy.ops.hard_swish import HardSwish
from mobiledeploy.ops.tensors import Int8, QTensor
from mobiledeploy.runtimes import litert, litert_xnnpack, ort
from mobiledeploy.targets import onnx, tflite

Pair = tuple[np.float32, np.float32]


def every_code() -> Int8:
    return np.arange(-128, 128).reshape(1, 16, 16, 1).astype(np.int8)


def swish(scales: Pair, zeros: tuple[int, int]) -> IntegerGraph:
    source, out = (
        QTensor(name=name, shape=(16, 16, 1), scale=scale, zero_point=zero)
        for name, scale, zero in zip(("image", "swished"), scales, zeros, strict=True)
    )
    return graphs.around(HardSwish(input="image", output=out), (source,))


def grids(count: int) -> list[tuple[Pair, tuple[int, int]]]:
    random = np.random.default_rng(11)
    found: list[tuple[Pair, tuple[int, int]]] = []
    while len(found) < count:
        scale = np.float32(10 ** random.uniform(-2.8, -0.3))
        out = np.float32(scale * 10 ** random.uniform(-0.7, 0.6))
        zeros = tuple(int(zero) for zero in random.integers(-128, 128, 2))
        found.append(((scale, out), (zeros[0], zeros[1])))
    # A gate that is shifted far, either way, and an output as fine as it may be.
    found.append(((np.float32(2e-6), np.float32(3e-6)), (0, 0)))
    found.append(((np.float32(7.3), np.float32(5.1)), (-3, -120)))
    found.append(((np.float32(1), np.float32(1.001 / 128)), (5, 0)))
    return found


@pytest.mark.parametrize(("scales", "zeros"), grids(24))
def test_every_code_is_what_the_arithmetic_says_in_both_runtimes(
    scales: Pair, zeros: tuple[int, int]
) -> None:
    graph, images = swish(scales, zeros), every_code()
    expected = hard_swish.litert(all_codes(), scales, zeros)
    received = litert.load(tflite.write(graph, head="logits")).run(images)[0]
    np.testing.assert_array_equal(received.ravel(), expected)
    np.testing.assert_array_equal(oracle.run(graph, images)["swished"].ravel(), expected)
    certified = ort.load(onnx.write(graph, certify(graph), head="logits")).run(images)[0]
    np.testing.assert_array_equal(certified.ravel(), expected)
    made_up = Certificate(
        name="swished", scales=scales[:1], cases=0, differing_before=0, differing_after=0
    )
    float_form = onnx.write(graph, {"swished": made_up}, head="logits")
    of_floats = ort.load(float_form).run(images)[0].ravel()
    kinds = [hard_swish.ort(all_codes(), scales, zeros, fused=each) for each in (False, True)]
    assert any(np.array_equal(of_floats, kind) for kind in kinds)


def test_most_grids_need_no_table_and_some_do() -> None:
    certificates = [certify(swish(*each))["swished"] for each in grids(60)]
    tables = sum(certificate.table for certificate in certificates)
    assert 5 < tables < 40
    assert all(
        certificate.table == (certificate.differing_before > 0) for certificate in certificates
    )
    assert {certificate.cases for certificate in certificates} == {256}


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
def test_a_table_is_looked_up_for_every_rank(rank: int) -> None:
    (example,) = (each for each in hard_swish.examples() if each.name == "by a table")
    assert isinstance(example.node, HardSwish)
    shape = (2, 4, 8, 4)[-rank:]
    scales = example.inputs[0].scale, example.node.output.scale
    zeros = example.inputs[0].zero_point, example.node.output.zero_point
    source, out = (
        QTensor(name=name, shape=shape, scale=scale, zero_point=zero)
        for name, scale, zero in zip(("image", "swished"), scales, zeros, strict=True)
    )
    graph = graphs.around(HardSwish(input="image", output=out), (source,))
    certificates = certify(graph)
    assert certificates["swished"].table
    images = np.random.default_rng(2).integers(-128, 128, (5, *shape)).astype(np.int8)
    data = onnx.write(graph, certificates, head="logits")
    kinds = {node.op_type for node in onnx_package.load_from_string(data).graph.node}
    assert "GatherElements" in kinds
    assert "HardSwish" not in kinds
    received = ort.load(data).run(images)[0]
    np.testing.assert_array_equal(received, oracle.run(graph, images)["swished"])
    np.testing.assert_array_equal(
        received, litert.load(tflite.write(graph, head="logits")).run(images)[0]
    )


def test_an_output_finer_than_the_kernel_computes_is_refused() -> None:
    with pytest.raises(ConversionError, match="`swished`: expected an output scale above 1/128"):
        swish((np.float32(1), np.float32(1 / 128)), (0, 0))


def test_a_range_too_narrow_for_the_kernel_is_widened() -> None:
    architecture = Architecture(
        name="one",
        input_shape=(16, 16, 1),
        layers=(
            Layer(name="swished", op="hard_swish", inputs=(INPUT,), in_channels=1, out_channels=1),
        ),
    )
    network, _ = graphs.random_network(architecture)
    ranges = {INPUT: (-1.0, 1.0), "swished": (0.0, 2.0**-20)}
    wider = exact_ranges(network, ranges)
    assert wider["swished"][1] > 2.0**-20
    assert exact_ranges(network, wider) == wider
    graph = quantise(network, ranges)
    np.testing.assert_array_equal(
        litert.load(tflite.write(graph, head="logits")).run(every_code())[0],
        oracle.run(graph, every_code())["swished"],
    )


def test_xnnpack_leaves_it_to_tflite_s_own_kernel() -> None:
    graph = swish((np.float32(0.04), np.float32(0.03)), (0, -100))
    assert litert_xnnpack.delegated(tflite.write(graph, head="logits")) == frozenset()
