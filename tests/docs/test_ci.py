"""The workflow runs every part of .ci/run, with least permissions, and pinned actions."""

import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = (ROOT / ".ci/run").read_text()
WORKFLOW = (ROOT / ".github/workflows/ci.yml").read_text()
CONTRIBUTING = (ROOT / ".github/CONTRIBUTING.md").read_text()
ON_REQUEST = ["clients"]
"""Parts that install too much to be run without being asked for; the workflow runs them."""
PARTS = ["lint", "tests", "slow", "android", "qemu", "browser", *ON_REQUEST]


def test_the_workflow_has_a_job_for_each_part_that_the_script_runs() -> None:
    default = re.search(r"parts=\(([a-z ]+)\)", SCRIPT)
    jobs = re.search(r"part: \[(.+)\]", WORKFLOW)
    assert default is not None
    assert jobs is not None
    assert sorted(jobs[1].split(", ")) == sorted(PARTS)
    assert sorted(default[1].split() + ON_REQUEST) == sorted(PARTS)
    assert all(f"`{part}`" in CONTRIBUTING for part in PARTS)


def test_every_marked_test_is_run_by_a_part() -> None:
    """A new marker that the default run leaves out needs a part of its own."""
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["addopts"]
    left_out = re.findall(r"not (\w+)", options[options.index("-m") + 1])
    assert left_out
    for marker in left_out:
        assert re.search(rf'-m "?({marker}\b|.*(?<!not )\b{marker}\b)', SCRIPT), marker


def test_actions_are_pinned_by_hash_and_may_only_read() -> None:
    actions = re.findall(r"uses: (\S+)", WORKFLOW)
    assert actions
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action) for action in actions)
    assert re.findall(r"^permissions:\n(.*)\n\n", WORKFLOW, re.MULTILINE) == ["  contents: read"]


def test_an_unknown_part_is_refused() -> None:
    done = subprocess.run(
        [ROOT / ".ci/run", "lint", "nonsense"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "no part nonsense" in done.stderr
    assert all(part in done.stderr for part in PARTS)
