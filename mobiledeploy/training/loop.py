"""THE training loop: float training, transfer learning and quantisation-aware training use it.

A step is a pure function of the state, the seed and the step's number. Order and augmentation
keep no state of their own, so a run goes on from a checkpoint bit for bit. The loss is divided
by the global batch, so that replicas need a sum of gradients and no more: `tf.distribute` can
stand between `step` and the loop, each replica with its rows of the global batch.
"""

import functools
import numpy as np
import numpy.typing as npt
import math
from typing import Final
import dataclasses
from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.training import step
from mobiledeploy.training.checkpoint import Checkpoint
from mobiledeploy.training.step import TrainableModel
from mobiledeploy.training.checkpoint import TrainingState
from mobiledeploy.training.step import Examples
from mobiledeploy.training.step import Labels
from mobiledeploy.training.step import Loss
from mobiledeploy.training.step import Prepare
from mobiledeploy.training.early_stopping import ValidationScore
from mobiledeploy.training.early_stopping import Validation

Indices = npt.NDArray[np.int64]


def batch_indices(step: int, *, count: int, size: int, seed: int) -> Indices:
    """Return the indices of the images of a step.

    All epochs stand in one row, each a permutation of its own, and every step takes the next
    `size` of them: no image is left out because `size` does not divide `count`, a batch may end
    one epoch and begin the next, and a run that goes on at step n sees what it would have seen.

    Args:
        step: From 0.
        count: Number of images, at least 1.
        size: Images a step, over all replicas; it may exceed `count`.
        seed: Another seed, another order.

    Returns:
        int64, shape (size,), in 0..count-1.
    """
    positions = np.arange(step * size, (step + 1) * size)
    epochs, places = np.divmod(positions, count)
    indices = np.empty(size, np.int64)
    for epoch in np.unique(epochs):
        chosen = epochs == epoch
        indices[chosen] = _permutation(seed, int(epoch), count)[places[chosen]]
    return indices


@functools.lru_cache(maxsize=2)
def _permutation(seed: int, epoch: int, count: int) -> Indices:
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, epoch))))
    return generator.permutation(count)


WARM_UP: Final = 0.1
"""Share of the steps in which the rate rises from near 0 to its peak."""


def learning_rate(step: int, *, steps: int, peak: float) -> float:
    """Return the rate of a step: a linear warm-up, then half a cosine down towards 0.

    Args:
        step: 0..steps-1.
        steps: Of the whole run.
        peak: The highest rate.
    """
    warm_up = max(1.0, WARM_UP * steps)
    if step + 1 < warm_up:
        return peak * (step + 1) / warm_up
    progress = (step + 1 - warm_up) / max(1.0, steps + 1 - warm_up)
    return peak * 0.5 * (1 + math.cos(math.pi * progress))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long, how fast, and what the events say.

    Attributes:
        steps: Of the whole run; 0 changes nothing.
        batch_size: Examples a step, over all replicas.
        learning_rate: Peak of the schedule.
        seed: Of the order.
        stage: The stage's name in events.
        message: What is being trained, for events and errors.
    """

    steps_for: int
    batch_size: int
    learning_rate: float
    seed: int
    stage: str
    message: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOutcome:
    """How a run went.

    Attributes:
        steps: Steps that the model has seen as it is now.
        loss: Training loss of the last of them, None after no step.
    """

    steps_for: int
    loss: float | None


def train(
    model: TrainableModel,
    examples: Examples,
    labels: Labels,
    plan: Plan,
    *,
    prepare: Prepare,
    loss: Loss,
    validation: Validation | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Progress = silent,
) -> TrainingOutcome:
    """Train a model in place, or go on where an earlier run with the same key was stopped.

    Args:
        model: Changed in place.
        examples: First dimension their number, at least 1; rows are read as batches need them.
        labels: int64, one an example.
        plan: How long and how fast.
        prepare: From a batch of examples to the model's input: augmentation stands here.
        loss: One loss an example.
        validation: When to score and when to stop; the model then ends as it was when it last
            validated as well as any, which may be how it came (see `Validation.from_start`).
        checkpoint: Where the state is kept, None to keep none.
        progress: Told after every step.

    Raises:
        RequestError: The loss became NaN or infinite.
        StorageError: The checkpoint cannot be written.
    """
    state = TrainingState(model, plan.steps, validated=validation is not None)
    if checkpoint:
        _restore(state, checkpoint, plan, progress)
    if validation and validation.from_start and state.done == 0:
        state.note(_score(validation, state.done, plan))
    make_step = step.build_step(
        model, state.adam, examples, plan.batch_size, prepare=prepare, loss=loss
    )
    while state.done < plan.steps and not (validation and state.stale >= validation.patience):
        rows = batch_indices(state.done, count=len(examples), size=plan.batch_size, seed=plan.seed)
        rate = learning_rate(state.done, steps=plan.steps, peak=plan.learning_rate)
        value = make_step(examples[rows], labels[rows], state.done, rate)
        _check_finite(value, state.done + 1, plan)
        state.losses[state.done] = value
        state.done += 1
        if validation and validation.due(state.done, plan.steps):
            state.note(_score(validation, state.done, plan))
        detail = f"loss {value:.3f}"
        progress(Event(plan.stage, plan.message, state.done, plan.steps, detail=detail))
        if checkpoint and checkpoint.due():
            checkpoint.save(state.arrays())
    if checkpoint:
        checkpoint.save(state.arrays())
    if validation:
        state.take_kept()
    kept = state.kept if validation else state.done
    return TrainingOutcome(steps=kept, loss=float(state.losses[kept - 1]) if kept else None)


def steps_for(epochs: int, examples: int, batch_size: int) -> int:
    """Return how many steps see every example `epochs` times, or a little more."""
    return -(-epochs * examples // batch_size)


def _restore(state: TrainingState, checkpoint: Checkpoint, plan: Plan, progress: Progress) -> None:
    restored = checkpoint.restore(like=state.arrays())
    if restored is not None:
        state.set_arrays(restored)
        progress(Event(plan.stage, f"{plan.message} goes on", state.done, plan.steps))
    elif checkpoint.path.exists():
        message = f"{checkpoint.path.name} is not this run's: {plan.message} starts anew"
        progress(Event(plan.stage, message, 0, plan.steps))


def _score(validation: Validation, done: int, plan: Plan) -> ValidationScore:
    score = ValidationScore.of(validation.losses())
    _check_finite(score.loss, done, plan, of=" of held-back examples")
    return score


def _check_finite(loss: float, done: int, plan: Plan, *, of: str = "") -> None:
    if not math.isfinite(loss):
        raise RequestError(
            f"{plan.message}: the loss{of} became {loss} at step {done} of {plan.steps}",
            hint=f"try a learning rate below {plan.learning_rate:g}",
        )
