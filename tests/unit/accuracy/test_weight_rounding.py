"""Rounded weights are at most one step off, and their layer's output error is not larger."""

import accuracy_networks
import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from mobiledeploy.accuracy.weight_rounding import closest, round_weights
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.ops.node import WeightedNode

FloatArray64 = npt.NDArray[np.float64]
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


def test_the_weight_that_gives_a_channel_its_scale_stays() -> None:
    powers = np.array([0.5, 1, 1, 1])
    second = np.outer(powers, powers) + 1e-6 * np.eye(4)
    codes = closest(np.array([[126.99999, 50.55, 50.55, 50.55]]), second)
    # The errors of the others would move it by more than half a step.
    assert codes[0, 0] == 127
    assert sorted(codes[0, 1:]) == [50, 51, 51]


@given(seed=st.integers(0, 2**16), inputs=st.integers(1, 9))
def test_no_rounding_of_a_few_weights_has_less_error(seed: int, inputs: int) -> None:
    random = np.random.default_rng(seed)
    rows = random.uniform(-126, 126, (3, 1, inputs))
    samples = random.standard_normal((3, 40, inputs)) + 2 * random.standard_normal((3, 1, inputs))
    second = samples.swapaxes(1, 2) @ samples / 40

    def error(codes: FloatArray64) -> FloatArray64:
        errors = codes - rows
        return np.asarray((errors @ second * errors).sum(axis=(1, 2)))

    least = error(closest(rows, second, damping=1e-12))
    for _ in range(20):
        others = np.floor(rows) + random.integers(0, 2, rows.shape).astype(np.float64)
        assert (least <= error(others) + 1e-9).all()


def test_moments_of_nothing_are_damped_until_they_can_be_inverted() -> None:
    second = np.eye(6) - 0.4  # its least eigenvalue is negative
    codes = closest(np.full((2, 6), 0.3), second)
    assert set(np.unique(codes)) <= {0, 1}


def test_many_layers_at_once_are_rounded_as_each_alone() -> None:
    random = np.random.default_rng(0)
    rows = random.uniform(-127, 127, (5, 2, 9))
    samples = random.standard_normal((5, 20, 9)) @ random.standard_normal((5, 9, 9))
    second = samples.swapaxes(1, 2) @ samples / 20
    second[3] = 0
    together = closest(rows, second)
    for one, row, moments in zip(together, rows, second, strict=True):
        np.testing.assert_array_equal(closest(row, moments), one)


def test_every_layer_is_rounded_and_keeps_its_scales() -> None:
    graph = accuracy_networks.residual_graph()
    network, ranges, integers = accuracy_networks.quantised(graph, IMAGES)
    rounded = quantise(round_weights(graph, network, integers, IMAGES, threads=2), ranges)
    layers = 0
    for before, after in zip(integers.nodes, rounded.nodes, strict=True):
        if isinstance(before, WeightedNode) and isinstance(after, WeightedNode):
            layers += 1
            codes, others = (node.weights.kernel.astype(int) for node in (before, after))
            assert np.abs(codes - others).max() == 1, before.output.name
            np.testing.assert_array_equal(after.weights.kernel_scale, before.weights.kernel_scale)
    assert layers == 5
