"""`Runner`: a file in one of its runtimes, which runs fewer images if it is slow.

Only the runtime that apps use must load and run its file: where another one crashes on it or
refuses it, its row in the report says so.
"""

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ConversionError, CorruptFileError, RuntimeDiedError
from mobiledeploy.data.dataset import Pixels
from mobiledeploy.runtimes import Array, Runtime, Session, TensorInfo
from mobiledeploy.verify.outputs import answers, model_input
from mobiledeploy.verify.outputs.answers import FileOutputs, OutputGrid
from mobiledeploy.verify.outputs.model_input import PixelInput
from mobiledeploy.verify.outputs.opened_file import OpenFile
from mobiledeploy.verify.outputs.parity import Answers
from mobiledeploy.verify.report import Level, Participant, RuntimeFailure

FULL_FACTOR: Final = 10
"""How many times as many images slow runtimes run at the level `full`."""
UNTAPPED: Final = 16
"""Images of a set that also run through the files as they are, without the tap at the logits."""


class Unloaded:
    """A session for a file that a runtime could not load; see `runtimes.Session`."""

    def __init__(
        self, runtime: Runtime, like: Session, error: CorruptFileError | RuntimeDiedError
    ) -> None:
        """Keep the error for later.

        Args:
            runtime: The runtime that could not load the file.
            like: The file in another runtime.
            error: Why it could not.
        """
        self.runtime, self.options = runtime.title, like.options
        self.inputs, self.outputs = like.inputs, like.outputs
        self._error = error

    @property
    def input(self) -> TensorInfo:
        """The first input."""
        return self.inputs[0]

    @property
    def output_names(self) -> tuple[str, ...]:
        """Name of each output."""
        return tuple(output.name for output in self.outputs)

    def run(self, *batches: Array) -> tuple[Array, ...]:
        """Raise the error with which loading failed.

        Raises:
            CorruptFileError: The runtime refused the file.
            RuntimeDiedError: It crashed on it.
        """
        del batches
        raise self._error


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Runner:
    """A file in a runtime.

    Attributes:
        name: Short and unique.
        file: Name of the file.
        runtime: The runtime that runs it.
        session: The loaded file, tapped at the logits.
        feed: Converts pixels to its input.
        ends: Its outputs: logits, scores and their grids.
        most: How many images of each set it runs, chosen at random; None for all.
    """

    name: str
    file: str
    runtime: Runtime
    session: Session
    feed: PixelInput
    ends: FileOutputs
    most: int | None

    def answer(self, pixels: Pixels, ruler: OutputGrid) -> Answers:
        """Return the outputs for some images, in steps.

        Raises:
            ParityError: The outputs are not vectors of finite numbers.
            CorruptFileError: The runtime refused them.
            RuntimeDiedError: The runtime crashed.
        """
        outputs = self.session.run(self.feed(pixels))
        who = f"{self.file} in {self.session.runtime}"
        return answers.read(outputs, self.ends, ruler, who=who)

    def chosen(self, images: int) -> npt.NDArray[np.bool_]:
        """Return a mask of the images of a set that it runs.

        The choice depends on the set's size only, and a runner with a smaller `most` runs a
        subset of another's: any two runners have images in common.
        """
        if self.most is None or self.most >= images:
            return np.ones(images, np.bool_)
        rank = np.random.default_rng(images).permutation(images)
        taken: npt.NDArray[np.bool_] = rank < self.most
        return taken

    def participant(self, images: int, failure: RuntimeFailure | None) -> Participant:
        """Return its row in the report."""
        return Participant(
            name=self.name,
            file=self.file,
            runtime=self.session.runtime,
            images=images,
            exact=self.runtime.exact,
            failure=failure,
        )


def open_runners(
    both: tuple[OpenFile, OpenFile], *, only_main: bool, level: Level, threads: int
) -> list[Runner]:
    """Return the runners: first both files in the runtimes that apps use, then the others.

    Args:
        both: The two files.
        only_main: Whether to leave the other runtimes out.
        level: Decides how many images slow runtimes run.
        threads: Images that run at a time.

    Raises:
        CorruptFileError: A runtime that apps use refuses a file.
        RuntimeDiedError: A runtime that apps use crashes on a file.
        ParityError: A file does not take images.
    """
    with ThreadPoolExecutor() as pool:  # each in a separate process
        sessions = list(
            pool.map(
                lambda opened: opened.load(opened.primary, taps=opened.ends.taps, threads=threads),
                both,
            )
        )
    feeds = model_input.feeds(
        [
            (opened.reading.input, session.input)
            for opened, session in zip(both, sessions, strict=True)
        ],
        [opened.scaling for opened in both],
    )
    runners = [
        Runner(
            name=_title(opened.primary, both, opened),
            file=opened.file.name,
            runtime=opened.primary,
            session=session,
            feed=feed,
            ends=opened.ends,
            most=None,
        )
        for opened, session, feed in zip(both, sessions, feeds, strict=True)
    ]
    if only_main:
        return runners
    with ThreadPoolExecutor() as pool:  # each in a separate process
        others = [
            pool.submit(_other, opened, first, runtime, both, level, threads)
            for opened, first in zip(both, runners, strict=True)
            for runtime in opened.others
        ]
    return [*runners, *(runner for other in others if (runner := other.result()) is not None)]


def untapped(both: tuple[OpenFile, OpenFile], runners: Sequence[Runner]) -> list[Runner]:
    """Return untapped copies of those of the first two runners that have a tap.

    They show that the tap does not change the outputs. One thread is enough for a few images.
    """
    return [
        dataclasses.replace(
            runner,
            session=opened.load(runner.runtime, taps=(), threads=1),
            ends=dataclasses.replace(opened.ends, taps=(), logits=opened.ends.scores),
            most=UNTAPPED,
        )
        for opened, runner in zip(both, runners[:2], strict=True)
        if opened.ends.taps
    ]


def _other(
    opened: OpenFile,
    main: Runner,
    runtime: Runtime,
    both: tuple[OpenFile, OpenFile],
    level: Level,
    threads: int,
) -> Runner | None:
    session: Session
    try:
        session = opened.load(runtime, taps=opened.ends.taps, threads=threads)
    except ConversionError:
        if not runtime.partial:
            raise
        return None
    except (CorruptFileError, RuntimeDiedError) as error:
        session = Unloaded(runtime, main.session, error)
    feed = main.feed
    if session.input != main.session.input:
        # A runtime may take codes in another type and layout than the file's input.
        (feed,) = model_input.feeds([(opened.reading.input, session.input)], [opened.scaling])
    factor = FULL_FACTOR if level == "full" else 1
    budget = runtime.budget
    return dataclasses.replace(
        main,
        name=_title(runtime, both, opened),
        runtime=runtime,
        session=session,
        feed=feed,
        most=None if budget is None else budget.images(opened.macs, factor=factor),
    )


def _title(runtime: Runtime, both: tuple[OpenFile, OpenFile], opened: OpenFile) -> str:
    same = both[0].file.format == both[1].file.format
    return f"{runtime.title} of {opened.file.name}" if same else runtime.title
