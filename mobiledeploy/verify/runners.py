"""Who takes part in a comparison: each file in each of its runtimes, slow ones on fewer images."""

import dataclasses
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.data.dataset import Pixels
from mobiledeploy.runtimes import Session
from mobiledeploy.runtimes.kinds import KINDS, TITLES, Kind
from mobiledeploy.verify import answers, feeding
from mobiledeploy.verify.answers import Ends, Grid
from mobiledeploy.verify.feeding import Feed
from mobiledeploy.verify.parity import Answers
from mobiledeploy.verify.report import Level, Participant
from mobiledeploy.verify.side import Side

QUICK_MACS: Final[dict[Kind, float]] = {
    "oracle": 3e9,
    "reference": 1.5e9,
    "builtin": 1.5e10,
    "ort-unoptimised": 6e9,
}
"""Multiplications that a slow runtime may spend on a set of images: each about a second."""
FEWEST: Final = 4
QUICK_MOST: Final = 64
FULL_FACTOR: Final = 10
"""How many times more the level `full` spends."""
EXACT: Final = frozenset({"xnnpack", "ort-optimised", "oracle"})
"""They use one arithmetic. The others round twice, or in floats between the operators."""
UNTAPPED: Final = 16
"""Images of a set that also run through the files as they are, without the tap at the logits."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Runner:
    """A file in a runtime.

    Attributes:
        name: Short and unique.
        file: Name of the file.
        kind: The runtime.
        session: The file, tapped at the logits.
        feed: From pixels to its input.
        ends: What its outputs mean.
        most: Images of each set that it takes, spread evenly; None for all.
    """

    name: str
    file: str
    kind: Kind
    session: Session
    feed: Feed
    ends: Ends
    most: int | None

    def answer(self, pixels: Pixels, ruler: Grid) -> Answers:
        """Run images.

        Raises:
            ParityError: The outputs are no vectors of numbers.
            CorruptFileError: The runtime refused them, or died.
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

    def participant(self, images: int) -> Participant:
        """Return what the report says of it."""
        return Participant(
            name=self.name,
            file=self.file,
            runtime=self.session.runtime,
            images=images,
            exact=self.kind in EXACT,
        )


def open_runners(
    sides: tuple[Side, Side], *, only_main: bool, level: Level, threads: int
) -> list[Runner]:
    """Return the runners: what apps use of each file first, then the others.

    Args:
        sides: The two files.
        only_main: Whether to leave the others out.
        level: How many images slow ones take.
        threads: Images that run at a time.

    Raises:
        CorruptFileError: A runtime refuses a file.
        ParityError: A file takes no images.
    """
    main = [KINDS[side.file.format][0] for side in sides]
    sessions = [
        side.load(kind, taps=side.ends.taps, threads=threads)
        for side, kind in zip(sides, main, strict=True)
    ]
    feeds = feeding.feeds(
        [
            (side.reading.input, session.input)
            for side, session in zip(sides, sessions, strict=True)
        ]
    )
    runners = [
        Runner(
            name=_title(kind, sides, side),
            file=side.file.name,
            kind=kind,
            session=session,
            feed=feed,
            ends=side.ends,
            most=None,
        )
        for side, kind, session, feed in zip(sides, main, sessions, feeds, strict=True)
    ]
    if only_main:
        return runners
    for side, first in zip(sides, tuple(runners), strict=True):
        for kind in KINDS[side.file.format][1:]:
            found = _other(side, first, kind, sides, level, threads)
            runners += [] if found is None else [found]
    return runners


def untapped(sides: tuple[Side, Side], runners: Sequence[Runner]) -> list[Runner]:
    """Return the first two runners once more, without the tap, where there is one.

    They show that the tap changes nothing. A few images need one thread: loading costs more.
    """
    return [
        dataclasses.replace(
            runner,
            session=side.load(runner.kind, taps=(), threads=1),
            ends=dataclasses.replace(side.ends, taps=(), logits=side.ends.scores),
            most=UNTAPPED,
        )
        for side, runner in zip(sides, runners[:2], strict=True)
        if side.ends.taps
    ]


def _other(
    side: Side,
    main: Runner,
    kind: Kind,
    sides: tuple[Side, Side],
    level: Level,
    threads: int,
) -> Runner | None:
    try:
        session = side.load(kind, taps=side.ends.taps, threads=threads)
    except ConversionError:
        if kind != "oracle":
            raise
        return None  # a file that holds more than integer graphs do
    feed = main.feed
    if session.input != main.session.input:
        # The oracle takes the codes inside.
        (feed,) = feeding.feeds([(side.reading.input, session.input)])
    macs = QUICK_MACS[kind] * (FULL_FACTOR if level == "full" else 1)
    ceiling = QUICK_MOST * (FULL_FACTOR if level == "full" else 1)
    most = int(min(ceiling, max(FEWEST, macs / max(side.macs, 1))))
    return dataclasses.replace(
        main, name=_title(kind, sides, side), kind=kind, session=session, feed=feed, most=most
    )


def _title(kind: Kind, sides: tuple[Side, Side], side: Side) -> str:
    same = sides[0].file.format == sides[1].file.format
    return f"{TITLES[kind]} of {side.file.name}" if same else TITLES[kind]
