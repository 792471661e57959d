"""What a rule of `inspect` is: a check of a model, with its id, severity, words and findings."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

from mobiledeploy.lint.graph import Graph

Severity: TypeAlias = Literal["error", "warning", "note"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place where a rule is broken.

    Attributes:
        where: The operator or tensor, by name.
        found: What is there.
        expected: What should be there; empty where the rule says it for all places.
    """

    where: str
    found: str
    expected: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A rule that a file breaks.

    Attributes:
        rule: Id, explained in docs/lint.md.
        severity: `error`: some runtime refuses the file or computes something else. `warning`:
            it costs accuracy, speed or old phones. `note`: worth knowing.
        title: What is wrong, in a few words.
        places: Where, what was found and what was expected; at most `inspection.MOST_PLACES`.
        count: How many places there are.
        hint: How to mend it.
    """

    rule: str
    severity: Severity
    title: str
    places: tuple[Place, ...]
    count: int
    hint: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Something that a file should keep to.

    Attributes:
        id: `MD` and three digits; never given to another rule.
        severity: Of all its findings.
        title: What is wrong where it is broken, in a few words.
        expected: What should be there.
        hint: How to mend it.
        find: Gives every place where it is broken.
    """

    id: str
    severity: Severity
    title: str
    expected: str
    hint: str
    find: Callable[[Graph], Iterable[Place]]
