"""What the comparison says of two files' integers."""

from mobiledeploy.compare import diagnosis
from mobiledeploy.compare.difference import StructureReport
from mobiledeploy.compare.judge import judge
from mobiledeploy.reading import Reading


def compare(first: Reading, second: Reading) -> StructureReport:
    """Judge two files and report it."""
    return diagnosis.report(judge(first, second))
