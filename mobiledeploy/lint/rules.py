"""All rules, and what they find in a file."""

import dataclasses
from itertools import islice
from typing import Final

from mobiledeploy.lint import onnx_rules, ranges, structure, versions, weights
from mobiledeploy.lint.finding import Finding, Rule
from mobiledeploy.lint.graph import Graph

RULES: Final[tuple[Rule, ...]] = (
    *structure.RULES,
    *weights.RULES,
    *ranges.RULES,
    *versions.RULES,
    *onnx_rules.RULES,
)

MOST_PLACES: Final = 100
"""Places of one rule that a report names; the rest is counted."""

_ORDER: Final = {"error": 0, "warning": 1, "note": 2}


def check(graph: Graph) -> tuple[Finding, ...]:
    """Return what the rules find in a file, errors first."""
    found = []
    for rule in RULES:
        sights = iter(rule.look(graph))
        places = tuple(islice(sights, MOST_PLACES))
        if places:
            # A sight says what was expected if the rule does not for all places.
            named = tuple(
                dataclasses.replace(place, expected=place.expected or rule.expected)
                for place in places
            )
            found.append(
                Finding(
                    rule=rule.id,
                    severity=rule.severity,
                    title=rule.title,
                    places=named,
                    count=len(places) + sum(1 for _ in sights),
                    hint=rule.hint,
                )
            )
    return tuple(sorted(found, key=lambda finding: _ORDER[finding.severity]))
