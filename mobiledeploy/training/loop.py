"""The training loop of float training, transfer learning and quantisation-aware training.

A step is a pure function of the training state, the seed and the step's number. The order of the
images, the learning rate and the augmentation keep no state of their own, so a run that resumes
from a checkpoint gives the same bits as one that was not interrupted.

The loss is divided by the global batch size, so replicas only have to sum their gradients:
`tf.distribute` can be put around the step, each replica with its rows of the global batch.
"""

import dataclasses
import functools
import math
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.training.checkpoint import Checkpoint, TrainingState
from mobiledeploy.training.early_stopping import Validation, ValidationScore
from mobiledeploy.training.step import Examples, Labels, Loss, Prepare, TrainableModel, build_step

WARM_UP: Final = 0.1
"""Share of the steps in which the learning rate rises from near 0 to its peak."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The settings of a training run.

    The digest of a checkpoint covers `repr` of this: a new name of the class or of a field would
    make the checkpoints of interrupted builds useless.

    Attributes:
        steps: Number of steps; 0 leaves the model as it is.
        batch_size: Examples per step, over all replicas.
        learning_rate: Highest rate of the schedule.
        seed: Seed of the order of the examples.
        stage: The stage's name in events.
        message: What is being trained, for events and errors.
    """

    steps: int
    batch_size: int
    learning_rate: float
    seed: int
    stage: str
    message: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOutcome:
    """The result of a training run.

    Attributes:
        steps: Number of steps that led to the weights that the model now has.
        loss: Training loss of the last of these steps; None if there was none.
    """

    steps: int
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
    """Train a model in place, or resume an interrupted run with the same checkpoint key.

    Args:
        model: Changed in place.
        examples: Shape (examples, ...), at least 1; rows are read when a batch needs them.
        labels: int64, shape (examples,).
        plan: The settings.
        prepare: From a batch of examples to the model's input, augmentation included.
        loss: Gives one loss per example.
        validation: When to score and when to stop. The model then ends with the weights that
            `early_stopping` kept, which may be the initial ones (see `Validation.from_start`).
        checkpoint: Where the training state is saved; None: nowhere.
        progress: Called after every step.

    Raises:
        RequestError: The loss became NaN or infinite.
        StorageError: The checkpoint cannot be written.
    """
    state = TrainingState(model, plan.steps, validated=validation is not None)
    if checkpoint:
        _restore(state, checkpoint, plan, progress)
    if validation and validation.from_start and state.done == 0:
        state.record(_score(validation, state.done, plan))
    make_step = build_step(
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
            state.record(_score(validation, state.done, plan))
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
    """Return how many steps `epochs` passes over the examples take, rounded up."""
    return -(-epochs * examples // batch_size)


def batch_indices(step: int, *, count: int, size: int, seed: int) -> npt.NDArray[np.int64]:
    """Return the indices of the examples of one step.

    Each epoch is a random permutation of all examples. The epochs are concatenated, and step n
    takes the n-th `size` indices: no example is left out where `size` does not divide `count`, a
    batch may hold the end of one epoch and the start of the next, and a resumed run sees the
    examples that it would have seen without the interruption.

    Args:
        step: From 0.
        count: Number of examples, at least 1.
        size: Examples per step, over all replicas; it may exceed `count`.
        seed: Seed of the permutations.

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


def learning_rate(step: int, *, steps: int, peak: float) -> float:
    """Return the learning rate of a step: linear warm-up, then cosine decay to nearly 0.

    Args:
        step: 0..steps-1.
        steps: Number of steps of the run.
        peak: The highest rate.
    """
    warm_up = max(1.0, WARM_UP * steps)
    if step + 1 < warm_up:
        return peak * (step + 1) / warm_up
    progress = (step + 1 - warm_up) / max(1.0, steps + 1 - warm_up)
    return peak * 0.5 * (1 + math.cos(math.pi * progress))


def _restore(state: TrainingState, checkpoint: Checkpoint, plan: Plan, progress: Progress) -> None:
    restored = checkpoint.restore(like=state.arrays())
    if restored is not None:
        state.set_arrays(restored)
        progress(Event(plan.stage, f"{plan.message} resumes", state.done, plan.steps))
    elif checkpoint.path.exists():
        message = f"{checkpoint.path.name} is of another run: {plan.message} starts again"
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


@functools.lru_cache(maxsize=2)
def _permutation(seed: int, epoch: int, count: int) -> npt.NDArray[np.int64]:
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, epoch))))
    return generator.permutation(count)
