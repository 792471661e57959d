"""`Rule`: a check of a model, with its id, severity and words."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

from mobiledeploy.lint.graph import Graph

Severity: TypeAlias = Literal["error", "warning", "note"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place where a rule is broken.

    Attributes:
        where: Name of the operator or tensor.
        found: What was found there.
        expected: What was expected there; empty if the rule states it for all places.
    """

    where: str
    found: str
    expected: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A rule that a file breaks.

    Attributes:
        rule: The rule's id, explained in docs/lint.md.
        severity: `error`: some runtime refuses the file or computes something else. `warning`:
            it costs accuracy, speed or old phones. `note`: worth knowing.
        title: What is wrong, in a few words.
        places: The places that break it; at most `inspection.MOST_PLACES`.
        count: Number of all such places.
        hint: How to fix it.
    """

    rule: str
    severity: Severity
    title: str
    places: tuple[Place, ...]
    count: int
    hint: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule that a file should follow.

    Attributes:
        id: `MD` and three digits; never reused for another rule.
        severity: Severity of all its findings.
        title: What is wrong if it is broken, in a few words.
        expected: What is expected instead.
        hint: How to fix it.
        find: Yields every place where it is broken.
    """

    id: str
    severity: Severity
    title: str
    expected: str
    hint: str
    find: Callable[[Graph], Iterable[Place]]
