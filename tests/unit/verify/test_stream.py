"""Images stream through runners in order, with only a few in memory at a time."""

import dataclasses
import threading
from collections.abc import Sequence

import numpy as np
import pytest

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.base.progress import Event, silent
from mobiledeploy.runtimes import Array, Runtime, TensorInfo, table
from mobiledeploy.verify.outputs.answers import FileOutputs, OutputGrid
from mobiledeploy.verify.outputs.image_sets import ImageSet, natural, synthetic_extremes
from mobiledeploy.verify.outputs.model_input import PixelInput
from mobiledeploy.verify.outputs.parity import Answers
from mobiledeploy.verify.outputs.runners import Runner
from mobiledeploy.verify.outputs.stream import DEPTH, LARGEST, stream

RULER = OutputGrid(scale=0.5, zero_point=3)
SHAPE = (4, 4, 3)
PRIMARY, *OTHERS = table.running("tflite")


class Echo:
    """A runtime whose logits are the first pixel's three codes."""

    runtime = "echo 1.0"
    options: tuple[str, ...] = ()
    inputs: tuple[TensorInfo, ...] = (
        TensorInfo(name="image", dtype=np.dtype(np.int8), shape=SHAPE),
    )
    outputs: tuple[TensorInfo, ...] = (
        TensorInfo(name="logits", dtype=np.dtype(np.int8), shape=(3,)),
    )

    def __init__(self, *, fail_at: int = 10**9) -> None:
        self.calls, self._fail_at = 0, fail_at

    @property
    def input(self) -> TensorInfo:
        return self.inputs[0]

    @property
    def output_names(self) -> tuple[str, ...]:
        return ("logits",)

    def run(self, *batches: Array) -> tuple[Array, ...]:
        (batch,) = batches
        self.calls += 1
        if self.calls >= self._fail_at:
            raise CorruptFileError("the runtime crashed")
        return (batch[:, 0, 0],)


def runner(
    name: str, most: int | None = None, runtime: Runtime = PRIMARY, **options: int
) -> Runner:
    codes = (np.arange(256) - 128).astype(np.int8)[:, None].repeat(3, axis=1)
    return Runner(
        name=name,
        file="a.tflite",
        runtime=runtime,
        session=Echo(**options),
        feed=PixelInput(table=codes, channels_first=False, words=""),
        ends=FileOutputs(taps=(), logits=RULER, scores=None, softmax=False),
        most=most,
    )


class Counted:
    """Images that count how many of them were requested and not yet released."""

    def __init__(self, images: int) -> None:
        self.images, self.made, self.lock = images, 0, threading.Lock()

    def pixels(self, start: int, stop: int) -> Array:
        with self.lock:
            self.made = max(self.made, stop)
        numbers = np.arange(start, stop, dtype=np.int64) % 251
        return np.broadcast_to(numbers[:, None, None, None], (stop - start, *SHAPE)).astype(
            np.uint8
        )

    def set(self) -> ImageSet:
        names = [str(number) for number in range(self.images)]
        return ImageSet(name="numbers", names=names, pixels=self.pixels)


def run(images: ImageSet, runners: Sequence[Runner]) -> list[tuple[int, Array]]:
    answered = []
    for batch in stream(images, runners, RULER, message="", progress=silent):
        assert batch.answers[0] is not None
        answered += list(
            zip(batch.rows[0] + batch.start, batch.answers[0].logits[:, 0], strict=True)
        )
    return answered


@pytest.mark.parametrize("images", [1, 15, LARGEST, LARGEST + 1, 5 * LARGEST + 7])
def test_every_image_is_answered_once_and_in_order(images: int) -> None:
    answered = run(Counted(images).set(), [runner("a"), runner("b")])
    assert [int(row) for row, _ in answered] == list(range(images))
    assert [int(code) for _, code in answered] == [row % 251 - 128 for row in range(images)]


def test_at_most_a_few_batches_are_in_flight() -> None:
    counted = Counted(40 * LARGEST)
    batches = stream(counted.set(), [runner("a")], RULER, message="", progress=silent)
    for number, batch in enumerate(batches):
        assert counted.made <= (number + DEPTH + 2) * LARGEST
        assert batch.start == number * LARGEST


def test_a_runner_that_runs_some_images_is_compared_on_those() -> None:
    images = 3 * LARGEST
    both = 0
    for batch in stream(
        Counted(images).set(), [runner("a"), runner("b", most=20)], RULER, message="",
        progress=silent,
    ):  # fmt: skip
        common = batch.both(0, 1)
        if common is not None:
            rows, one, two = common
            both += len(rows)
            np.testing.assert_array_equal(one.logits, two.logits)
            np.testing.assert_array_equal(one.logits[:, 0] + 128, (rows + batch.start) % 251)
    assert both == 20


def test_a_runtime_that_crashes_ends_the_stream() -> None:
    runners = [runner("a"), runner("b", fail_at=3)]
    with pytest.raises(CorruptFileError, match="crashed"):
        run(Counted(20 * LARGEST).set(), runners)
    first = runners[0].session
    assert isinstance(first, Echo)
    assert first.calls < 12


def test_progress_begins_at_once_and_ends_with_all() -> None:
    events: list[Event] = []
    list(stream(Counted(700).set(), [runner("a")], RULER, message="m", progress=events.append))
    assert (events[0].done, events[0].total) == (0, 700)
    assert events[-1].done == 700


def test_natural_images_depend_on_their_number_only_and_vary() -> None:
    few, many = natural((40, 33, 3), images=4), natural((40, 33, 3), images=400)
    np.testing.assert_array_equal(few.pixels(0, 4), many.pixels(0, 4))
    np.testing.assert_array_equal(many.pixels(2, 3), many.pixels(0, 4)[2:3])
    pixels = many.pixels(0, 200).astype(float)
    assert pixels.shape == (200, 40, 33, 3)
    assert pixels.mean(axis=(1, 2, 3)).std() > 15
    neighbours = np.abs(np.diff(pixels, axis=2)).mean()
    assert neighbours < 0.6 * np.abs(pixels - pixels.mean()).mean()


def test_extremes_reach_both_ends_of_the_codes() -> None:
    pixels = synthetic_extremes((32, 32, 3)).pixels(0, 29)
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert len(np.unique(pixels.reshape(29, -1), axis=0)) == 29


def test_slow_runtimes_leave_out_images_that_other_sets_hold_too() -> None:
    """Golden vectors are compared with the runtimes that apps use."""
    images = natural(SHAPE, images=6)
    answers = Answers(logits=np.zeros((6, 3), np.int16), scores=None)
    golden = dataclasses.replace(images, recorded=answers)
    everyone = [runner("main"), runner("slow", most=4)]
    for given, ran in ((images, 4), (golden, 0)):
        batches = stream(given, everyone, RULER, message="", progress=silent)
        rows = [len(row) for batch in batches for row in batch.rows]
        assert rows == [6, ran]
