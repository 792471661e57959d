"""How a stage tells its caller what it is doing. The library itself never prints."""

import dataclasses
from collections.abc import Callable
from typing import TypeAlias


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """Something worth showing.

    Attributes:
        stage: The stage's name.
        message: One line, no final period.
        done: Images or steps finished, of `total`.
        total: All images or steps, or None if this is not counted.
        detail: What changes from event to event, such as a loss; not worth a line of its own.
    """

    stage: str
    message: str
    done: int = 0
    total: int | None = None
    detail: str = ""


Progress: TypeAlias = Callable[[Event], None]


def silent(event: Event) -> None:
    """Show nothing: the default."""
    del event
