"""THE training loop: float training, transfer learning and quantisation-aware training use it.

A step is a pure function of the state, the seed and the step's number. Order and augmentation
keep no state of their own, so a run goes on from a checkpoint bit for bit. The loss is divided
by the global batch, so that replicas need a sum of gradients and no more: `tf.distribute` can
stand between `step` and the loop, each replica with its rows of the global batch.
"""

import dataclasses
import math

from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.training import order, step
from mobiledeploy.training.checkpoint import Checkpoint
from mobiledeploy.training.model import Model
from mobiledeploy.training.schedule import learning_rate
from mobiledeploy.training.state import State
from mobiledeploy.training.step import Examples, Labels, Loss, Prepare
from mobiledeploy.training.validation import Score, Validation


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

    steps: int
    batch_size: int
    learning_rate: float
    seed: int
    stage: str
    message: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run went.

    Attributes:
        steps: Steps that the model has seen as it is now.
        loss: Training loss of the last of them, None after no step.
    """

    steps: int
    loss: float | None


def train(
    model: Model,
    examples: Examples,
    labels: Labels,
    plan: Plan,
    *,
    prepare: Prepare,
    loss: Loss,
    validation: Validation | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Progress = silent,
) -> Outcome:
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
    state = State(model, plan.steps, validated=validation is not None)
    if checkpoint:
        _go_on(state, checkpoint, plan, progress)
    if validation and validation.from_start and state.done == 0:
        state.note(_score(validation, state.done, plan))
    make_step = step.build(
        model, state.adam, examples, plan.batch_size, prepare=prepare, loss=loss
    )
    while state.done < plan.steps and not (validation and state.stale >= validation.patience):
        rows = order.batch(state.done, count=len(examples), size=plan.batch_size, seed=plan.seed)
        rate = learning_rate(state.done, steps=plan.steps, peak=plan.learning_rate)
        value = make_step(examples[rows], labels[rows], state.done, rate)
        _check(value, state.done + 1, plan)
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
    return Outcome(steps=kept, loss=float(state.losses[kept - 1]) if kept else None)


def steps(epochs: int, examples: int, batch_size: int) -> int:
    """Return how many steps see every example `epochs` times, or a little more."""
    return -(-epochs * examples // batch_size)


def _go_on(state: State, checkpoint: Checkpoint, plan: Plan, progress: Progress) -> None:
    restored = checkpoint.restore(like=state.arrays())
    if restored is not None:
        state.set_arrays(restored)
        progress(Event(plan.stage, f"{plan.message} goes on", state.done, plan.steps))
    elif checkpoint.path.exists():
        message = f"{checkpoint.path.name} is not this run's: {plan.message} starts anew"
        progress(Event(plan.stage, message, 0, plan.steps))


def _score(validation: Validation, done: int, plan: Plan) -> Score:
    score = Score.of(validation.losses())
    _check(score.loss, done, plan, of=" of held-back examples")
    return score


def _check(loss: float, done: int, plan: Plan, *, of: str = "") -> None:
    if not math.isfinite(loss):
        raise RequestError(
            f"{plan.message}: the loss{of} became {loss} at step {done} of {plan.steps}",
            hint=f"try a learning rate below {plan.learning_rate:g}",
        )
