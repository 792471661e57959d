"""`Runner`: a file in one of its runtimes, slow ones on fewer images.

Only what apps use has to load its file and to answer: another runtime that dies of it, or refuses
it, is a row that says so.
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
"""How many times more the level `full` spends."""
UNTAPPED: Final = 16
"""Images of a set that also run through the files as they are, without the tap at the logits."""


class Unloaded:
    """A file that a runtime could not load, whatever the reason; see `runtimes.Session`."""

    def __init__(
        self, runtime: Runtime, like: Session, error: CorruptFileError | RuntimeDiedError
    ) -> None:
        """Stand for a session that could not be loaded.

        Args:
            runtime: That could not load the file.
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
        """One an output."""
        return tuple(output.name for output in self.outputs)

    def run(self, *batches: Array) -> tuple[Array, ...]:
        """Raise the error that the file was refused with.

        Raises:
            CorruptFileError: The runtime refused the file.
            RuntimeDiedError: It died of it.
        """
        del batches
        raise self._error


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Runner:
    """A file in a runtime.

    Attributes:
        name: Short and unique.
        file: Name of the file.
        runtime: That runs it.
        session: The file, tapped at the logits.
        feed: From pixels to its input.
        ends: What its outputs mean.
        most: Images of each set that it takes, spread evenly; None for all.
    """

    name: str
    file: str
    runtime: Runtime
    session: Session
    feed: PixelInput
    ends: FileOutputs
    most: int | None

    def answer(self, pixels: Pixels, ruler: OutputGrid) -> Answers:
        """Run images.

        Raises:
            ParityError: The outputs are no vectors of numbers.
            CorruptFileError: The runtime refused them.
            RuntimeDiedError: The runtime died.
        """
        outputs = self.session.run(self.feed(pixels))
        who = f"{self.file} in {self.session.runtime}"
        return answers.read(outputs, self.ends, ruler, who=who)

    def chosen(self, images: int) -> npt.NDArray[np.bool_]:
        """Return which images of a set it takes: of two runners, one takes a part of the other's.

        Which ones is the same whenever the set has as many images.
        """
        if self.most is None or self.most >= images:
            return np.ones(images, np.bool_)
        rank = np.random.default_rng(images).permutation(images)
        taken: npt.NDArray[np.bool_] = rank < self.most
        return taken

    def participant(self, images: int, failure: RuntimeFailure | None) -> Participant:
        """Return what the report says of it."""
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
    """Return the runners: what apps use of each file first, then the others.

    Args:
        both: The two files.
        only_main: Whether to leave the others out.
        level: How many images slow ones take.
        threads: Images that run at a time.

    Raises:
        CorruptFileError: A runtime that apps use refuses a file.
        RuntimeDiedError: It dies of the file.
        ParityError: A file takes no images.
    """
    with ThreadPoolExecutor() as pool:  # each in a process of its own
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
        ]
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
    with ThreadPoolExecutor() as pool:  # each in a process of its own
        others = [
            pool.submit(_other, opened, first, runtime, both, level, threads)
            for opened, first in zip(both, runners, strict=True)
            for runtime in opened.others
        ]
    return [*runners, *(runner for other in others if (runner := other.result()) is not None)]


def untapped(both: tuple[OpenFile, OpenFile], runners: Sequence[Runner]) -> list[Runner]:
    """Return the first two runners once more, without the tap, where there is one.

    They show that the tap changes nothing. A few images need one thread: loading costs more.
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
        # A runtime may take the codes inside, whatever type and layout the file's input has.
        (feed,) = model_input.feeds([(opened.reading.input, session.input)])
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
