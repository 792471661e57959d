"""Certificates hold because the kernels' emulations equal the runtimes, for every input."""

import graphs
import numpy as np
import pytest

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.ops import add, mean, sums
from mobiledeploy.ops.architecture import INPUT
from mobiledeploy.ops.certificate import Certificate, neighbours
from mobiledeploy.ops.mean import average_pool_is_mean
from mobiledeploy.ops.tensors import Int8
from mobiledeploy.runtimes import cpu, litert, ort
from mobiledeploy.targets import onnx, tflite

Scales = tuple[np.float32, np.float32, np.float32]
Zeros = tuple[int, int, int]


def additions(count: int) -> list[tuple[Scales, Zeros]]:
    random = np.random.default_rng(7)
    cases = []
    for _ in range(count):
        scale = np.float32(np.exp(random.normal(-3, 1)))
        ratios = np.clip(np.exp(random.normal(-0.4, 1.5, 2)), 0.002, 200)
        a, b = (np.float32(scale * ratio) for ratio in ratios)
        left, right, zero = (int(code) for code in random.integers(-128, 128, 3))
        cases.append(((a, b, scale), (left, right, zero)))
    return cases


def uncertified(graph: IntegerGraph, scales: tuple[np.float32, ...]) -> bytes:
    """An ONNX file whose last layer has these scales, whatever they do."""
    name = graph.output.name
    made_up = Certificate(name=name, scales=scales, cases=0, differing_before=0, differing_after=0)
    return onnx.write(graph, {name: made_up}, head="logits")


def ort_codes(graph: IntegerGraph, scales: tuple[np.float32, ...], images: Int8) -> Int8:
    codes = ort.load(uncertified(graph, scales)).run(images)[0]
    return codes.reshape(-1)


def litert_codes(graph: IntegerGraph, images: Int8) -> Int8:
    return litert.load(tflite.write(graph, head="logits")).run(images)[0].reshape(-1)


def ort_addition() -> sums.SumKernel:
    """What ONNX Runtime has for the CPU that runs the test."""
    if cpu.this_architecture() == "arm64":
        return add.ort_neon
    has_avx2 = "avx2" in cpu.read_cpuinfo().get("flags", "").split()
    return add.ort_avx2 if has_avx2 else add.ort_sse2


@pytest.mark.parametrize(("scales", "zeros"), additions(12))
def test_both_runtimes_add_as_the_emulations_say(scales: Scales, zeros: Zeros) -> None:
    graph, images = graphs.addition(scales, zeros), graphs.all_pairs()
    operands = sums.Operands(
        a=images[..., 0].ravel().astype(np.int64),
        b=images[..., 1].ravel().astype(np.int64),
        zeros=zeros,
    )
    a, b = (np.full((1, 1), scale) for scale in scales[:2])
    np.testing.assert_array_equal(
        litert_codes(graph, images), sums.xnnpack(operands, a, b, scales[2])[0]
    )
    np.testing.assert_array_equal(
        ort_codes(graph, scales[:2], images), ort_addition()(operands, a, b, scales[2])[0]
    )


def test_a_certificate_makes_the_runtimes_agree_on_an_addition() -> None:
    mended = 0
    for scales, zeros in additions(40):
        graph, images = graphs.addition(scales, zeros), graphs.all_pairs()
        try:
            certificate = certify(graph)["sum"]
        except ConversionError:
            continue
        moved = [own.view(np.int32) - new.view(np.int32)
                 for own, new in zip(scales[:2], certificate.scales, strict=True)]  # fmt: skip
        assert (certificate.cases, certificate.differing_after) == (65_536, 0)
        assert (certificate.differing_before > 0) == any(moved)
        assert np.abs(moved).max() <= 20
        expected = litert_codes(graph, images)
        if (ort_codes(graph, scales[:2], images) != expected).any():
            np.testing.assert_array_equal(ort_codes(graph, certificate.scales, images), expected)
            mended += 1
        if mended == 2:
            return
    pytest.fail("no addition differed: this test would prove nothing")


def test_an_addition_for_which_no_scales_make_the_runtimes_agree_is_refused_by_name() -> None:
    # Sums of 0.5 and -0.5 steps: XNNPACK rounds both up, which no scale can imitate.
    one, half = np.float32(1), np.float32(0.5)
    with pytest.raises(ConversionError, match="pairs of codes differ"):
        add.OPERATOR.certify_scales("sum", scales=(half, one, one), zeros=(0, 0, 0))


@pytest.mark.parametrize("ratio", [2.0**-10.01, 2.0**8])
def test_an_addition_that_xnnpack_does_not_take_is_refused_by_name(ratio: float) -> None:
    one = np.float32(1)
    with pytest.raises(ConversionError, match="`sum`: expected operand scales"):
        add.OPERATOR.certify_scales("sum", scales=(np.float32(ratio), one, one), zeros=(0, 0, 0))


@pytest.mark.parametrize(
    ("size", "scales", "zeros"),
    [
        ((7, 7), (0.0235, 0.0117), (-128, -128)),
        ((1, 1), (0.0235, 0.0211), (-128, -128)),
        ((4, 4), (0.1, 0.03), (5, -77)),
        # Found by search: XNNPACK and ONNX Runtime give different codes for one of the sums.
        ((3, 11), (0.16657242, 0.14370768), (-128, -128)),
    ],
)
def test_both_runtimes_compute_means_as_the_emulations_say(
    size: tuple[int, int], scales: tuple[float, float], zeros: tuple[int, int]
) -> None:
    source, scale = (np.float32(value) for value in scales)
    graph, images = graphs.mean(size, (source, scale), zeros), graphs.all_sums(size)
    codes = images.sum(axis=(1, 2), dtype=np.int64).ravel()
    assert codes[0] == -128 * size[0] * size[1]
    assert len(np.unique(codes)) == 255 * size[0] * size[1] + 1
    sums = mean.Sums(codes=codes, positions=size[0] * size[1], zeros=zeros)
    own = np.full((1, 1), source)
    on_arm = cpu.this_architecture() == "arm64"
    np.testing.assert_array_equal(
        litert_codes(graph, images),
        mean.xnnpack(sums, own, scale, fused=on_arm, fused_constant=on_arm)[0],
    )
    np.testing.assert_array_equal(
        ort_codes(graph, (source,), images), mean.ort(sums, own, scale)[0]
    )


def test_a_certificate_makes_the_runtimes_agree_on_a_mean() -> None:
    scales = np.float32(0.16657242), np.float32(0.14370768)
    graph, images = graphs.mean((3, 11), scales, (-128, -128)), graphs.all_sums((3, 11))
    expected = litert_codes(graph, images)
    assert (ort_codes(graph, scales[:1], images) != expected).any()
    certificate = certify(graph)["mean"]
    assert certificate.differing_before == 1
    assert certificate.cases == 255 * 33 + 1
    np.testing.assert_array_equal(ort_codes(graph, certificate.scales, images), expected)


def test_a_mean_of_halves_is_refused_by_name() -> None:
    # Two positions on one grid with an odd zero point: XNNPACK rounds to even codes, ONNX
    # Runtime to even numbers of steps from the zero point.
    one = np.float32(1)
    with pytest.raises(ConversionError, match="mean `pool`"):
        mean.certify_scales("pool", positions=2, scales=(one, one), zeros=(1, 1))


def test_pooling_over_an_odd_number_of_positions_is_a_mean() -> None:
    scale = np.float32(0.0235)
    assert average_pool_is_mean("pool", positions=9, scale=scale, zero_point=-128)
    assert not average_pool_is_mean("pool", positions=4, scale=scale, zero_point=-128)


def test_every_addition_and_mean_of_a_graph_has_a_certificate() -> None:
    graph = graphs.mobilenet("v2", alpha=0.35, image_size=32)
    certificates = certify(graph)
    assert len(certificates) == 11
    assert all(certificate.differing_after == 0 for certificate in certificates.values())
    assert INPUT not in certificates


def test_neighbours_are_the_next_float32_values() -> None:
    one = np.float32(1)
    steps = np.array([-1, 0, 1])
    np.testing.assert_array_equal(
        neighbours(one, steps), [np.nextafter(one, 0), one, np.nextafter(one, 2)]
    )
