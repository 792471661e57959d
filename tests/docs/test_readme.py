"""Every command of the README and of docs/ runs, and prints what is said there."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import program
import pytest
from program import PROGRAM

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
PAGES = [README, *(path.read_text() for path in sorted((ROOT / "docs").glob("*.md")))]

MAIN_LINE, TEST_LINE = (
    line for line in README.splitlines() if line.startswith("python3 -m venv .venv && ")
)


def blocks(language: str, *, before: str = "") -> list[str]:
    pattern = rf"^{before}```{language}\n(.*?)^```"
    return [
        block
        for page in PAGES
        for block in re.findall(pattern, page, flags=re.DOTALL | re.MULTILINE)
    ]


def console_examples() -> list[tuple[str, str]]:
    """Each `$ command` of the console blocks with the output under it."""
    return [
        (example.partition("\n")[0], example.partition("\n")[2])
        for block in blocks("console")
        for example in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    ]


def shell_commands() -> list[str]:
    """Each line of the sh blocks that calls the program as installed."""
    lines = [
        line.partition("#")[0].strip() for block in blocks("sh") for line in block.splitlines()
    ]
    return list(dict.fromkeys(line for line in lines if line.startswith("mobiledeploy ")))


def test_the_readme_shows_both_kinds_of_commands() -> None:
    assert console_examples()
    assert len(shell_commands()) >= 4


@pytest.mark.parametrize(("command", "output"), console_examples())
def test_a_command_prints_what_the_readme_says(tmp_path: Path, command: str, output: str) -> None:
    name, *args = shlex.split(command)
    assert name == "mobiledeploy"
    done = subprocess.run(
        [PROGRAM, *args], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == output.strip()


def test_ci_runs_the_tests_with_the_readmes_command() -> None:
    install, test = (part.strip() for part in TEST_LINE.split("&&")[1:])
    script = (ROOT / ".ci/run").read_text().replace('"$venv/bin/', ".venv/bin/").replace('"', "")
    assert install in script
    assert test in script


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.timeout(1200)
def test_the_main_line_works_in_a_fresh_checkout(tmp_path: Path) -> None:
    """The first screen, literally: a new virtual environment, a build, its proof."""
    checkout = tmp_path / "checkout"
    subprocess.run(["git", "clone", "-q", ROOT, checkout], check=True)
    environment = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    done = subprocess.run(
        ["sh", "-c", MAIN_LINE],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    scores = dict(re.findall(r"^(model\.\w+) +([\d.]+)%", done.stdout, flags=re.MULTILINE))
    assert set(scores) == {"model.tflite", "model.onnx"}
    assert all(float(score) >= 98.0 for score in scores.values())
    assert done.stdout.count("holds: logits equal on") == 2
    (shown,) = blocks("", before="<!-- verify -->\n")
    printed = {shape(line) for line in done.stdout.splitlines()}
    assert [line for line in shown.splitlines() if shape(line) not in printed] == []


def shape(line: str) -> str:
    """A line without its numbers, which differ from machine to machine."""
    return " ".join(re.sub(r"\b[0-9a-f]{16}\b|\d[\d.,]*", "#", line).split())


@pytest.mark.parametrize("command", shell_commands())
def test_every_option_that_the_readme_uses_exists(tmp_path: Path, command: str) -> None:
    """What the commands do is tested end to end in tests/e2e; here, that they are understood."""
    done = program.run(*shlex.split(command)[1:], "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    named = {word for word in shlex.split(command) if word.startswith("--")}
    assert named <= set(re.findall(r"--[a-z0-9-]+", done.stdout))
