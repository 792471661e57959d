"""What the report counts: codes, noise, confusions, cost."""

import dataclasses
from typing import Any

import graphs
import numpy as np
import pytest
from threadpoolctl import threadpool_info

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.base.progress import silent
from mobiledeploy.integer import float_reference, oracle
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.network.cost import cost
from mobiledeploy.report import activations, charts, classification, graph_cost
from mobiledeploy.report.document import Report
from mobiledeploy.runtimes import cpu
from mobiledeploy.verify.outputs.parity import Answers


def images(graph: IntegerGraph, count: int) -> np.ndarray:
    codes = np.random.default_rng(1).integers(-128, 128, (count, *graph.input.shape))
    return codes.astype(np.int8)


def test_counts_are_those_of_the_oracle(graph: IntegerGraph) -> None:
    batch = images(graph, 3)
    kernels = float_reference.dequantised(graph)
    found = activations.measure(graph, batch, "abc", kernels, threads=2, progress=silent)
    for tensor, codes in zip(found, oracle.run(graph, batch).values(), strict=True):
        expected = np.histogram(codes, bins=256, range=(-128, 128))[0]
        assert list(tensor.counts) == expected.tolist()
        assert (tensor.lowest, tensor.highest) == (codes.min(), codes.max())
        assert tensor.at_highest == (codes == 127).mean()
        assert tensor.unused == (expected == 0).sum()


def test_noise_is_that_of_the_definition_and_the_worst_image_is_named(graph: IntegerGraph) -> None:
    batch = images(graph, 2)
    kernels = float_reference.dequantised(graph)
    found = activations.measure(graph, batch, "ab", kernels, threads=1, progress=silent)
    logits = next(tensor for tensor in found if tensor.name == graph.logits.name)
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


def test_without_rounding_the_reference_is_what_the_codes_come_near(graph: IntegerGraph) -> None:
    """A layer whose input is exact is off by half a step, unless it was clipped."""
    batch = images(graph, 1)
    first = graph.nodes[0].output
    image = (batch.astype(np.float32) - graph.input.zero_point) * graph.input.scale
    real = float_reference.run(graph, image, float_reference.dequantised(graph))[first.name]
    codes = oracle.run(graph, batch)[first.name]
    inside = (codes > -128) & (codes < 127)
    off = (codes.astype(np.float32) - first.zero_point) * first.scale - real
    assert inside.any()
    assert np.abs(off[inside]).max() <= 0.5001 * first.scale


def test_codes_are_those_of_the_kernels_of_this_cpu(
    graph: IntegerGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    stream = oracle.stream

    def watched(*given: Any, **options: Any) -> Any:
        asked.append(options["kernels"])
        return stream(*given, **options)

    monkeypatch.setattr(cpu, "this_architecture", lambda: "arm64")
    monkeypatch.setattr(oracle, "stream", watched)
    kernels = float_reference.dequantised(graph)
    activations.measure(graph, images(graph, 1), "a", kernels, threads=1, progress=silent)
    assert asked == ["arm64"]


def test_statistics_keep_blas_to_one_thread(
    graph: IntegerGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own threads wait in busy loops: sums took most of the time of a report."""
    seen: set[int] = set()
    add = activations._add

    def watched(*given: Any) -> None:
        seen.update(
            pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"
        )
        add(*given)

    monkeypatch.setattr(activations, "_add", watched)
    kernels = float_reference.dequantised(graph)
    activations.measure(graph, images(graph, 1), "a", kernels, threads=2, progress=silent)
    assert seen == {1}


def test_scales_whose_values_leave_float32_are_refused(graph: IntegerGraph) -> None:
    kernels = {
        name: (kernel * np.float32(1e30), bias)
        for name, (kernel, bias) in float_reference.dequantised(graph).items()
    }
    with pytest.raises(ConversionError, match="beyond float32"):
        activations.measure(graph, images(graph, 1), "a", kernels, threads=1, progress=silent)


def test_a_graph_costs_what_its_architecture_costs() -> None:
    architecture = graphs.assorted()
    found, expected = graph_cost.of(graphs.assorted_graph()), cost(architecture)
    assert (found.macs, found.peak_bytes) == (expected.macs, expected.peak_bytes)
    assert found.peak_layer == expected.peak_layer
    assert [line.live_bytes for line in found.layers] == [
        line.live_bytes for line in expected.layers
    ]


def test_confusions_add_up_and_mistakes_are_the_surest(labelled: Report) -> None:
    found = labelled.classification
    assert found is not None
    assert sum(cell.images for cell in found.confusion) == found.images
    right = sum(cell.images for cell in found.confusion if cell.label == cell.predicted)
    assert right == found.correct == labelled.verify.scores[0].labels.correct
    sure = [image.confidence for image in labelled.shown if image.why == "mistake"]
    assert sure == sorted(sure, reverse=True)
    wrong = {image.label != image.predicted for image in labelled.shown if image.why == "mistake"}
    assert wrong == {True}


def test_the_confidence_is_the_softmax_of_real_logits() -> None:
    logits = np.array([[10, -20, 30], [5, 5, 5]], np.int16)
    found = classification.confidences(Answers(logits=logits, scores=None), 0.1)
    np.testing.assert_allclose(found, [np.exp(3) / np.exp([1, -2, 3]).sum(), 1 / 3])


def test_bars_stay_in_their_box_and_keep_their_order() -> None:
    found = charts.bars([0, None, 5, 10, 20], 10)
    assert [bar.height for bar in found] == [0, 0, 50, 100, 100]
    assert all(bar.y + bar.height == 100 for bar in found)
    assert all(bar.x + bar.width <= 100 for bar in found)
    assert charts.bars([1, 2], 0)[0].height == 0
    assert dataclasses.asdict(charts.spans([(0.5, 0.5, 0.5)])[0])["value"] == 4
