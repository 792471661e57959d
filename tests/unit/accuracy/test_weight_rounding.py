"""Rounded weights are at most one step off, and their layer's output error is not larger."""

import accuracy_networks
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mobiledeploy.accuracy.weight_rounding import closest, rounded_weights, with_kernels
from mobiledeploy.ops.node import WeightedNode

IMAGES = accuracy_networks.images(64)


@given(seed=st.integers(0, 2**16), inputs=st.integers(1, 90), outputs=st.integers(1, 5))
def test_no_code_is_more_than_a_step_from_its_weight(seed: int, inputs: int, outputs: int) -> None:
    random = np.random.default_rng(seed)
    rows = random.uniform(-127, 127, (outputs, inputs))
    samples = random.standard_normal((4 * inputs, inputs)) + random.standard_normal(inputs)
    second = samples.T @ samples / len(samples)
    codes = closest(rows, second)
    np.testing.assert_array_equal(codes, np.rint(codes))
    assert np.abs(codes - rows).max() < 1
    assert np.abs(codes).max() <= 127


def test_inputs_that_go_together_are_made_up_for() -> None:
    rows = np.full((1, 4), 0.4)
    together = np.ones((4, 4))
    codes = closest(rows, together)
    # Each to the nearest: 0, an error of 1.6; together 0.4.
    assert codes.sum() == 2


def test_dead_inputs_round_to_the_nearest() -> None:
    rows = np.array([[0.4, 1.6, -2.5]])
    np.testing.assert_array_equal(closest(rows, np.zeros((3, 3))), [[0, 2, -2]])


def test_every_layer_is_rounded_and_keeps_its_scales() -> None:
    graph = accuracy_networks.residual_graph()
    _, _, integers = accuracy_networks.quantised(graph, IMAGES)
    kernels = rounded_weights(graph, integers, IMAGES, threads=2)
    assert set(kernels) == {"stem", "expansion", "depthwise", "projection", "logits"}
    changed = with_kernels(integers, kernels)
    for before, after in zip(integers.nodes, changed.nodes, strict=True):
        if isinstance(before, WeightedNode) and isinstance(after, WeightedNode):
            codes = kernels[before.output.name]
            assert codes.shape == before.weights.kernel.shape
            assert np.abs(codes.astype(int) - before.weights.kernel).max() <= 1
            assert (codes != before.weights.kernel).any(), before.output.name
            np.testing.assert_array_equal(after.weights.kernel, codes)
            np.testing.assert_array_equal(after.weights.kernel_scale, before.weights.kernel_scale)
