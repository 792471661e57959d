"""Histograms and noise of activations follow their definitions."""

from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.base.progress import silent
from mobiledeploy.integer import float_reference, oracle
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.report import activations
from mobiledeploy.runtimes import cpu


def images(graph: IntegerGraph, count: int) -> np.ndarray:
    codes = np.random.default_rng(1).integers(-128, 128, (count, *graph.input.shape))
    return codes.astype(np.int8)


def test_histogram_counts_equal_those_of_the_oracles_codes(graph: IntegerGraph) -> None:
    batch = images(graph, 3)
    kernels = float_reference.dequantised(graph)
    tensors = activations.measure(graph, batch, "abc", kernels, threads=2, progress=silent)
    for tensor, codes in zip(tensors, oracle.run(graph, batch).values(), strict=True):
        expected = np.histogram(codes, bins=256, range=(-128, 128))[0]
        assert list(tensor.counts) == expected.tolist()
        assert (tensor.lowest, tensor.highest) == (codes.min(), codes.max())
        assert tensor.at_highest == (codes == 127).mean()
        assert tensor.unused == (expected == 0).sum()


def test_noise_follows_its_definition_and_the_worst_image_is_named(graph: IntegerGraph) -> None:
    batch = images(graph, 2)
    kernels = float_reference.dequantised(graph)
    tensors = activations.measure(graph, batch, "ab", kernels, threads=1, progress=silent)
    logits = next(tensor for tensor in tensors if tensor.name == graph.logits.name)
    codes = oracle.run(graph, batch)[graph.logits.name].astype(np.float64)
    real = (codes - graph.logits.zero_point) * float(graph.logits.scale)
    inputs = (batch.astype(np.float32) - graph.input.zero_point) * graph.input.scale
    exact = np.concatenate(
        [float_reference.run(graph, image[None], kernels)[graph.logits.name] for image in inputs]
    )
    noise = ((real - exact) ** 2).sum(axis=1)
    each = 10 * np.log10((exact**2).sum(axis=1) / noise)
    total = 10 * np.log10((exact**2).sum() / noise.sum())
    assert logits.sqnr is not None
    assert logits.sqnr_worst is not None
    np.testing.assert_allclose(logits.sqnr, total, rtol=1e-4)
    np.testing.assert_allclose(logits.sqnr_worst, each.min(), rtol=1e-4)
    assert logits.worst == "ab"[each.argmin()]


def test_the_first_layers_codes_are_within_half_a_step_of_the_reference(
    graph: IntegerGraph,
) -> None:
    """Its input is exact, so the error is that of one rounding, unless a code was clipped."""
    batch = images(graph, 1)
    first = graph.nodes[0].output
    image = (batch.astype(np.float32) - graph.input.zero_point) * graph.input.scale
    real = float_reference.run(graph, image, float_reference.dequantised(graph))[first.name]
    codes = oracle.run(graph, batch)[first.name]
    inside = (codes > -128) & (codes < 127)
    off = (codes.astype(np.float32) - first.zero_point) * first.scale - real
    assert inside.any()
    assert np.abs(off[inside]).max() <= 0.5001 * first.scale


def test_codes_follow_the_kernels_of_this_cpu(
    graph: IntegerGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    stream = oracle.stream

    def recorded(*given: Any, **options: Any) -> Any:
        asked.append(options["kernels"])
        return stream(*given, **options)

    monkeypatch.setattr(cpu, "this_architecture", lambda: "arm64")
    monkeypatch.setattr(oracle, "stream", recorded)
    kernels = float_reference.dequantised(graph)
    activations.measure(graph, images(graph, 1), "a", kernels, threads=1, progress=silent)
    assert asked == ["arm64"]


def test_statistics_keep_blas_to_one_thread(
    graph: IntegerGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BLAS threads wait in busy loops, which took most of the time of a report."""
    seen: set[int] = set()
    add = activations._add

    def recorded(*given: Any) -> None:
        seen.update(
            pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"
        )
        add(*given)

    monkeypatch.setattr(activations, "_add", recorded)
    kernels = float_reference.dequantised(graph)
    activations.measure(graph, images(graph, 1), "a", kernels, threads=2, progress=silent)
    assert seen == {1}


def test_real_values_beyond_float32_are_refused(graph: IntegerGraph) -> None:
    kernels = {
        name: (kernel * np.float32(1e30), bias)
        for name, (kernel, bias) in float_reference.dequantised(graph).items()
    }
    with pytest.raises(ConversionError, match="beyond float32"):
        activations.measure(graph, images(graph, 1), "a", kernels, threads=1, progress=silent)
