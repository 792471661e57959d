"""docs/exit-statuses.md lists every error with its status and the first line of its docstring."""

import re
from pathlib import Path

from mobiledeploy.base.errors import MobileDeployError
from mobiledeploy.cli.main import INTERRUPTED

PAGE = (Path(__file__).resolve().parents[2] / "docs/exit-statuses.md").read_text()
ROW = re.compile(r"^\| (\d+) \| (?:`(\w+)`)? ?\| (.+) \|$", re.MULTILINE)


def kinds(base: type[MobileDeployError]) -> list[type[MobileDeployError]]:
    """The errors below one, except those that share its status."""
    return [
        kind
        for child in base.__subclasses__()
        for kind in (child, *kinds(child))
        if kind.exit_status != base.exit_status
    ]


def test_the_page_lists_every_error_by_its_status() -> None:
    listed = [(int(status), name, said) for status, name, said in ROW.findall(PAGE) if name]
    errors = [
        (kind.exit_status, kind.__name__, (kind.__doc__ or "").partition("\n")[0])
        for kind in kinds(MobileDeployError)
    ]
    assert listed == sorted(errors)


def test_the_page_lists_the_statuses_that_are_no_errors() -> None:
    others = {int(status) for status, name, _ in ROW.findall(PAGE) if not name}
    assert others == {0, MobileDeployError.exit_status, INTERRUPTED}
