"""The training loop learns, resumes with the same bits, and reports divergence."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.progress import Event, Progress
from mobiledeploy.data.pixels import Images
from mobiledeploy.network.network import Network
from mobiledeploy.training import loop, predict, tensorflow_graph
from mobiledeploy.training.augment import SIGNED
from mobiledeploy.training.checkpoint import Checkpoint
from mobiledeploy.training.early_stopping import Validation, ValidationScore
from mobiledeploy.training.loop import WARM_UP, learning_rate
from mobiledeploy.training.loss import cross_entropy
from mobiledeploy.training.step import TrainableModel
from mobiledeploy.training.tensorflow_graph import to_input

pytestmark = pytest.mark.tensorflow

COUNTS = st.integers(1, 40)
SIZES = st.integers(1, 50)
SEEDS = st.integers(0, 2**31 - 1)

PLAN = loop.Plan(
    steps=12, batch_size=10, learning_rate=0.01, seed=3, stage="train", message="training"
)


class KilledError(Exception):
    """Raised to interrupt a run between two steps."""


class Trained:
    """A small model with its training loop."""

    def __init__(self, network: Network) -> None:
        self.variables = tensorflow_graph.variables_of(network)
        apply = tensorflow_graph.float_layers(self.variables)
        self.model = TrainableModel(
            variables=[v for pair in self.variables.values() for v in pair],
            logits=lambda inputs: tensorflow_graph.forward(network.architecture, inputs, apply),
        )

    def train(
        self, images: Images, plan: loop.Plan = PLAN, **options: Any
    ) -> loop.TrainingOutcome:
        return loop.train(
            self.model,
            images.pixels,
            images.labels,
            plan,
            prepare=lambda pixels, _: to_input(pixels, SIGNED),
            loss=cross_entropy(3),
            **options,
        )

    def bits(self) -> bytes:
        return b"".join(v.numpy().tobytes() for v in self.model.variables)


def kill_after(step: int) -> Progress:
    def progress(event: Event) -> None:
        if event.done == step:
            raise KilledError

    return progress


def test_training_lowers_the_loss(network: Network, images: Images) -> None:
    events: list[Event] = []
    trained = Trained(network)
    plan = dataclasses.replace(PLAN, steps=60)
    outcome = trained.train(images, plan, progress=events.append)
    assert [event.done for event in events] == list(range(1, 61))
    assert {event.total for event in events} == {60}
    assert outcome.steps == 60
    assert outcome.loss is not None
    assert outcome.loss < 0.5


def test_the_same_request_gives_the_same_bits(network: Network, images: Images) -> None:
    first, second, other = Trained(network), Trained(network), Trained(network)
    first.train(images)
    second.train(images)
    other.train(images, dataclasses.replace(PLAN, seed=4))
    assert first.bits() == second.bits()
    assert first.bits() != other.bits()


@pytest.mark.parametrize("at", [1, 7, 12])
def test_a_resumed_run_ends_with_the_bits_of_an_uninterrupted_one(
    network: Network, images: Images, tmp_path: Path, at: int
) -> None:
    undisturbed = Trained(network)
    undisturbed.train(images)
    path = tmp_path / "state.npz"
    with pytest.raises(KilledError):
        Trained(network).train(
            images,
            # The event comes before the save: the last save is that of step `at` - 1.
            progress=kill_after(at),
            checkpoint=Checkpoint(path=path, key="k", seconds=0),
        )
    again = Trained(network)
    events: list[Event] = []
    again.train(images, progress=events.append, checkpoint=Checkpoint(path=path, key="k"))
    assert again.bits() == undisturbed.bits()
    assert len([e for e in events if "loss" in e.detail]) == 12 - at + 1


def test_a_finished_run_is_restored_without_a_step(
    network: Network, images: Images, tmp_path: Path
) -> None:
    checkpoint = Checkpoint(path=tmp_path / "state.npz", key="k")
    first, second = Trained(network), Trained(network)
    outcome = first.train(images, checkpoint=checkpoint)
    assert second.train(images, checkpoint=checkpoint) == outcome
    assert second.bits() == first.bits()


def test_the_state_of_another_run_is_ignored(
    network: Network, images: Images, tmp_path: Path
) -> None:
    path = tmp_path / "state.npz"
    Trained(network).train(
        images, dataclasses.replace(PLAN, seed=9), checkpoint=Checkpoint(path=path, key="other")
    )
    undisturbed = Trained(network)
    events: list[Event] = []
    undisturbed.train(images)
    trained = Trained(network)
    trained.train(images, checkpoint=Checkpoint(path=path, key="k"), progress=events.append)
    assert trained.bits() == undisturbed.bits()
    assert "starts again" in events[0].message


def test_zero_steps_change_nothing(network: Network, images: Images) -> None:
    trained = Trained(network)
    before = trained.bits()
    outcome = trained.train(images, dataclasses.replace(PLAN, steps=0))
    assert trained.bits() == before
    assert outcome.steps == 0


def test_divergence_is_an_error_with_a_hint(network: Network, images: Images) -> None:
    with pytest.raises(RequestError, match=r"loss became (nan|inf) at step \d+ of 50") as error:
        Trained(network).train(images, dataclasses.replace(PLAN, steps=50, learning_rate=1e30))
    assert error.value.hint == "try a learning rate below 1e+30"


def scripted(losses: list[float], trained: Trained, seen: list[bytes]) -> Validation:
    """Return a validation with these losses, each with a standard error of 0."""
    values: Iterator[float] = iter(losses)

    def validate() -> np.ndarray:
        seen.append(trained.bits())
        return np.full(4, next(values))

    return Validation(every=2, patience=2, losses=validate)


def test_the_best_weights_are_kept_and_training_stops_early(
    network: Network, images: Images
) -> None:
    trained = Trained(network)
    seen: list[bytes] = []
    outcome = trained.train(images, validation=scripted([9, 3, 1, 2, 1.5, 0], trained, seen))
    assert len(seen) == 5
    assert outcome.steps == 4
    assert trained.bits() == seen[2]


def test_a_validation_loss_of_nan_is_an_error(network: Network, images: Images) -> None:
    validation = scripted([9, np.nan, 1], Trained(network), [])
    with pytest.raises(RequestError, match="loss of held-back examples became nan at step 2"):
        Trained(network).train(images, validation=validation)


def test_outputs_of_nan_are_an_error(network: Network, images: Images) -> None:
    name = network.architecture.logits.name
    huge = dataclasses.replace(
        network.weights[name], kernel=np.full_like(network.weights[name].kernel, 3e38)
    )
    overflowing = dataclasses.replace(network, weights={**network.weights, name: huge})
    with pytest.raises(RequestError, match=r"NaN or infinite values for \d+ of 48 images"):
        predict.predict(overflowing, images.pixels)


def test_the_initial_weights_are_kept_if_they_validate_best(
    network: Network, images: Images
) -> None:
    trained = Trained(network)
    seen: list[bytes] = []
    outcome = trained.train(images, validation=scripted([1, 3, 2], trained, seen))
    assert outcome.steps == 0
    assert trained.bits() == seen[0]


def test_untrained_weights_are_not_kept(network: Network, images: Images) -> None:
    trained = Trained(network)
    seen: list[bytes] = []
    validation = dataclasses.replace(scripted([3, 5, 4], trained, seen), from_start=False)
    outcome = trained.train(images, validation=validation)
    assert outcome.steps == 2
    assert trained.bits() == seen[0]


def test_the_kept_weights_survive_an_interruption(
    network: Network, images: Images, tmp_path: Path
) -> None:
    path = tmp_path / "state.npz"
    trained = Trained(network)
    seen: list[bytes] = []
    with pytest.raises(KilledError):
        trained.train(
            images,
            validation=scripted([9, 3, 1, 2], trained, seen),
            checkpoint=Checkpoint(path=path, key="k", seconds=0),
            progress=kill_after(7),
        )
    again = Trained(network)
    outcome = again.train(
        images,
        validation=scripted([1.5, 0], again, []),
        checkpoint=Checkpoint(path=path, key="k"),
    )
    assert outcome.steps == 4
    assert again.bits() == seen[2]


def test_of_scores_that_differ_by_chance_the_latest_is_kept() -> None:
    best = ValidationScore.of(np.array([0.0, 0.0, 0.0, 4.0]))
    assert (best.loss, best.error) == pytest.approx((1, 3**0.5 / 2))
    assert ValidationScore(loss=1.8, error=0).as_good_as(best)
    assert not ValidationScore(loss=1.9, error=5).as_good_as(best)


def stream(steps: int, *, count: int, size: int, seed: int) -> np.ndarray:
    return np.concatenate(
        [loop.batch_indices(step, count=count, size=size, seed=seed) for step in range(steps)]
    )


@given(count=COUNTS, size=SIZES, seed=SEEDS)
def test_every_epoch_is_a_permutation(count: int, size: int, seed: int) -> None:
    epochs = 3
    steps = -(-epochs * count // size)
    seen = stream(steps, count=count, size=size, seed=seed)[: epochs * count]
    assert all(sorted(epoch) == list(range(count)) for epoch in seen.reshape(epochs, count))


@given(count=COUNTS, size=SIZES, seed=SEEDS, step=st.integers(0, 1000))
def test_the_order_of_a_step_does_not_depend_on_earlier_steps(
    count: int, size: int, seed: int, step: int
) -> None:
    first = loop.batch_indices(step, count=count, size=size, seed=seed)
    loop.batch_indices(step + 7, count=count, size=size, seed=seed)
    np.testing.assert_array_equal(
        first, loop.batch_indices(step, count=count, size=size, seed=seed)
    )


def test_the_order_differs_between_seeds_and_epochs() -> None:
    epochs = stream(2, count=100, size=100, seed=0).reshape(2, 100)
    other = loop.batch_indices(0, count=100, size=100, seed=1)
    assert (epochs[0] != epochs[1]).any()
    assert (epochs[0] != other).any()


@given(steps=st.integers(1, 500))
def test_the_learning_rate_is_positive_and_peaks_after_the_warm_up(steps: int) -> None:
    rates = [learning_rate(step, steps=steps, peak=2.0) for step in range(steps)]
    top = int(np.argmax(rates))
    assert min(rates) > 0
    assert top <= max(0, WARM_UP * steps)
    assert rates == [*sorted(rates[: top + 1]), *sorted(rates[top + 1 :], reverse=True)]


def test_the_learning_rate_reaches_its_peak_and_ends_near_zero() -> None:
    rates = [learning_rate(step, steps=100, peak=2.0) for step in range(100)]
    assert max(rates) == pytest.approx(2.0)
    assert rates[0] == pytest.approx(0.2)
    assert rates[-1] < 0.002
