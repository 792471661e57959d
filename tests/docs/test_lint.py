"""docs/lint.md has a passage for each rule, and none for a rule that is not there."""

import re
from pathlib import Path

from mobiledeploy.lint.inspection import RULES

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "lint.md").read_text()


def test_each_rule_has_its_passage_and_each_passage_its_rule() -> None:
    explained = re.findall(r"^### (MD\d{3}) (.+) \((error|warning|note)\)$", PAGE, re.MULTILINE)
    assert explained == [(rule.id, rule.title, rule.severity) for rule in RULES]


def test_each_passage_says_what_the_finding_means() -> None:
    passages = re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:]
    for passage in passages:
        body = passage.partition("\n")[2].split("\n## ")[0].strip()
        assert len(body) > 60, passage


def test_errors_and_warnings_say_how_to_fix_them() -> None:
    for rule in RULES:
        passage = PAGE.partition(f"### {rule.id} ")[2].partition("\n### ")[0]
        assert rule.severity == "note" or "**Fix**:" in passage, rule.id
