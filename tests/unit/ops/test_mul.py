"""Products: every runtime gives the same code for each pair of codes, even on ties."""

import dataclasses

import graphs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.integer import oracle
from mobiledeploy.integer.certify import certify, exact_ranges
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.ops import mul
from mobiledeploy.ops.architecture import INPUT, Architecture, Layer
from mobiledeploy.ops.certificate import Certificate
from mobiledeploy.ops.each_pair import all_pairs
from mobiledeploy.ops.mul import Mul
from mobiledeploy.ops.tensors import QTensor
from mobiledeploy.runtimes import litert, litert_xnnpack, ort
from mobiledeploy.targets import onnx, tflite

Scales = tuple[np.float32, np.float32, np.float32]
Zeros = tuple[int, int, int]


def tensors(scales: Scales, zeros: Zeros) -> tuple[QTensor, ...]:
    return tuple(
        QTensor(name=name, shape=(256, 256, 1), scale=scale, zero_point=zero)
        for name, scale, zero in zip(("a", "b", "product"), scales, zeros, strict=True)
    )


def product(scales: Scales, zeros: Zeros) -> IntegerGraph:
    a, b, out = tensors(scales, zeros)
    return graphs.around(Mul(inputs=("a", "b"), output=out), (a, b))


def products(count: int) -> list[tuple[Scales, Zeros]]:
    random = np.random.default_rng(3)
    cases = []
    for _ in range(count):
        a, b = np.exp(random.normal(-3, 1, 2)).astype(np.float32)
        scale = np.float32(a * b * np.exp(random.uniform(0.5, 6)))
        left, right, zero = (int(code) for code in random.integers(-128, 128, 3))
        cases.append(((a, b, scale), (left, right, zero)))
    # A product with a power of two as multiplier: halves everywhere.
    quarter = np.float32(0.25)
    return [*cases, ((quarter, np.float32(1 / 64), quarter), (3, -128, 5))]


@pytest.mark.parametrize(("scales", "zeros"), products(8))
def test_all_pairs_are_what_the_arithmetic_says_in_both_runtimes(
    scales: Scales, zeros: Zeros
) -> None:
    graph, images = product(scales, zeros), graphs.all_pairs()
    node, inputs = graph.nodes[-1], tensors(scales, zeros)[:2]
    assert isinstance(node, mul.Mul)
    cases = all_pairs()
    x86, _ = mul.litert_cases(node, inputs, cases)
    received = litert.load(tflite.write(graph, head="logits")).run(images)[0]
    np.testing.assert_array_equal(received.ravel(), x86)
    np.testing.assert_array_equal(oracle.run(graph, images)["product"].ravel(), x86)
    made_up = Certificate(
        name="product", scales=scales[:2], cases=0, differing_before=0, differing_after=0
    )
    data = onnx.write(graph, {"product": made_up}, head="logits")
    (ours,) = mul.ort_cases(node, inputs, cases)
    np.testing.assert_array_equal(ort.load(data).run(images)[0].ravel(), ours)
    # On ties, too, ONNX Runtime gives what XNNPACK gives on x86.
    np.testing.assert_array_equal(ours, x86)


def test_a_product_with_ties_is_refused_because_phones_round_differently() -> None:
    scales = np.float32(0.25), np.float32(1 / 256), np.float32(0.25)
    graph = product(scales, (3, -128, 5))
    inputs = tensors(scales, (3, -128, 5))[:2]
    node = graph.nodes[-1]
    assert isinstance(node, mul.Mul)
    x86, arm64 = mul.litert_cases(node, inputs, all_pairs())
    assert np.abs(x86 - arm64).max() == 1
    with pytest.raises(ConversionError, match="`product`: 512 of its 65536 pairs"):
        certify(graph)


def gate(*, second: tuple[int, int, int] = (4, 4, 2)) -> Architecture:
    layers = [
        Layer(
            name="gate", op="conv", inputs=(INPUT,), in_channels=2, out_channels=2,
            kernel=(1, 1) if second[0] == 4 else (4, 4), padding="valid",
        ),
        Layer(name="gated", op="mul", inputs=(INPUT, "gate"), in_channels=2, out_channels=2),
    ]  # fmt: skip
    return Architecture(name="gate", input_shape=(4, 4, 2), layers=tuple(layers))


def test_a_range_whose_product_has_ties_is_widened_slightly() -> None:
    network, _ = graphs.random_network(gate())
    low, high = -128 / 4, 127 / 4
    ranges = {INPUT: (low, high), "gate": (0.0, 255 / 256), "gated": (low, high)}
    wider = exact_ranges(network, ranges)
    assert wider[INPUT] == (low, high)
    assert 1 < wider["gated"][1] / high < 1.001
    assert exact_ranges(network, wider) == wider
    graph = quantise(network, ranges)
    assert certify(graph)["gated"].cases == 65_536


@pytest.mark.parametrize("narrow", ["gated", INPUT])
def test_ranges_too_narrow_for_the_kernel_are_widened(narrow: str) -> None:
    network, _ = graphs.random_network(gate())
    ranges = {INPUT: (-1.0, 127 / 128), "gate": (-1.0, 1.0), "gated": (-1.0, 1.0)}
    ranges[narrow] = (0.0, 2.0**-30)
    graph = quantise(network, ranges)
    data = tflite.write(graph, head="logits")
    assert litert_xnnpack.delegated(data) == {"gate", "gated"}


@pytest.mark.parametrize(
    ("ratio", "taken"),
    [
        (mul.NARROWEST, True),
        (float(np.nextafter(np.float32(mul.NARROWEST), np.float32(0))), False),
        (float(np.nextafter(np.float32(mul.WIDEST), np.float32(0))), True),
        (mul.WIDEST, False),
    ],
)
def test_xnnpack_takes_products_of_scales_not_too_far_apart(ratio: float, taken: bool) -> None:
    one = np.float32(1)
    graph = product((np.float32(ratio), one, one), (0, 0, 0))
    delegated = litert_xnnpack.delegated(tflite.write(graph, head="logits"))
    assert ("product" in delegated) == taken
    if not taken:
        with pytest.raises(ConversionError, match="`product`: expected the factors' scales over"):
            certify(graph)


def test_channels_scale_every_image_of_a_batch_by_its_own_factors() -> None:
    network, ranges = graphs.random_network(gate(second=(1, 1, 2)))
    graph = quantise(network, ranges)
    assert graph.tensors()["gate"].shape == (1, 1, 2)
    images = graphs.extremes(graph.input.shape)
    expected = oracle.run(graph, images)["gated"]
    received = litert.load(tflite.write(graph, head="logits")).run(images)[0]
    np.testing.assert_array_equal(received, expected)
    other = ort.load(onnx.write(graph, certify(graph), head="logits")).run(images)[0]
    np.testing.assert_array_equal(other, expected)


@pytest.mark.parametrize("shape", [(4, 4, 1), (4, 1, 2), (2,)])
def test_shapes_that_do_not_fit_are_refused(shape: tuple[int, ...]) -> None:
    layer = gate().layers[1]
    with pytest.raises(RequestError, match=r"layer `gated` \(mul\) expects factors of one shape"):
        mul.output_shape(layer, [(4, 4, 2), shape])
    image = QTensor(name="a", shape=(4, 4, 2), scale=np.float32(1), zero_point=0)
    node = Mul(inputs=("a", "b"), output=dataclasses.replace(image, name="c"))
    with pytest.raises(ConversionError, match="`c`: expected factors of one shape"):
        node.check([image, dataclasses.replace(image, name="b", shape=shape)])
    with pytest.raises(RequestError, match="expects 2 inputs, received 1"):
        mul.output_shape(layer, [(4, 4, 2)])


@settings(max_examples=200)
@given(st.integers(0, 2**32 - 1), st.integers(-128, 127), st.floats(-15.9, 7.9))
def test_arm64_rounds_exact_halves_up_and_all_else_as_x86(
    seed: int, zero: int, exponent: float
) -> None:
    ratio = np.float32(2**exponent)
    sums = np.random.default_rng(seed).integers(-255 * 255, 255 * 255 + 1, 4000)
    x86, arm64 = mul.xnnpack_x86(sums, ratio, zero), mul.xnnpack_arm64(sums, ratio, zero)
    exact = sums * float(ratio)
    # The product has 41 bits at most: float64 holds it, and the half beside it.
    np.testing.assert_array_equal(arm64, np.clip(np.floor(exact + 0.5) + zero, -128, 127))
    apart = x86 != arm64
    near = np.abs(np.abs(exact - np.floor(exact)) - 0.5) <= np.abs(exact) * 2.0**-23
    assert near[apart].all()
