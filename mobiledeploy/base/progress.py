"""Progress events: how a stage tells its caller what it is doing.

The library itself never prints.
"""

import dataclasses
from collections.abc import Callable
from typing import TypeAlias


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """What a stage has just done, to be shown to the user.

    Attributes:
        stage: The stage's name.
        message: One line without a final full stop.
        done: Number of images or steps finished, of `total`.
        total: Number of all images or steps; None where nothing is counted.
        detail: A value that changes with every event, such as the loss.
    """

    stage: str
    message: str
    done: int = 0
    total: int | None = None
    detail: str = ""


Progress: TypeAlias = Callable[[Event], None]


def silent(event: Event) -> None:
    """Ignore the event: the default."""
    del event
