"""The source layout: docs/decisions/0001-source-layout.md."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
from conftest import LONGER, UNIT

from mobiledeploy.ops.table import OPERATORS
from mobiledeploy.runtimes import table

ROOT = Path(__file__).resolve().parents[2]
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


@pytest.mark.parametrize("folder", ["models", "cli"])
def test_a_link_leads_to_the_top_level_folder(folder: str) -> None:
    link = ROOT / "mobiledeploy" / folder
    if not link.is_symlink():
        pytest.skip("this checkout has no symlinks (git config core.symlinks)")
    assert link.resolve() == ROOT / folder


def test_every_package_folder_is_listed_in_pyproject() -> None:
    packages = {
        ".".join(init.parent.relative_to(ROOT).parts)
        for top in ("mobiledeploy", "models", "cli")
        for init in (ROOT / top).rglob("__init__.py")
        if not any(p.is_symlink() for p in init.parents)
    }
    mapped = {n if n.startswith("mobiledeploy") else f"mobiledeploy.{n}" for n in packages}
    assert mapped | {"mobiledeploy.android_demo"} == set(SETUPTOOLS["packages"])


def test_the_tests_that_the_quick_run_leaves_out_exist() -> None:
    assert [place for place in LONGER if not (UNIT / place).exists()] == []


ROOMS = sorted(
    name.removeprefix("mobiledeploy.")
    for name in SETUPTOOLS["packages"]
    if "." in name and name != "mobiledeploy.android_demo"  # no Python in it
)
FIELD_PAIRS = re.compile(
    "inputs and outputs|weights and biases|kernel and bias|SAME and VALID|full and depthwise|"
    "height and width|LiteRT and in ONNX Runtime"
)
"""Pairs that the field speaks of as one thing."""
NAMED = re.compile(r"^(?:[*-] )?((?:`\w+`(?:, )?)+): ", re.MULTILINE)
"""A line of a room's docstring: one module or several, then what they are."""


def folder_of(room: str) -> Path:
    return ROOT / "mobiledeploy" / room.replace(".", "/")


def modules_of(room: str) -> set[str]:
    """Return the names of a room's modules, and of rooms inside it."""
    return {
        path.stem
        for path in folder_of(room).iterdir()
        if (path.suffix == ".py" and path.stem != "__init__") or (path / "__init__.py").is_file()
    }


def docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text())) or ""


@pytest.mark.parametrize("room", ROOMS)
def test_a_rooms_docstring_names_each_of_its_modules_once(room: str) -> None:
    text = docstring(folder_of(room) / "__init__.py")
    names = [name for line in NAMED.findall(text) for name in re.findall(r"\w+", line)]
    # Modules of operators are rows of `ops.table`, which is named.
    names_of_rows = (operator.NODE.__module__ for operator in OPERATORS)
    operators = {name.rpartition(".")[2] for name in names_of_rows} if room == "ops" else set()
    assert sorted(names) == sorted(modules_of(room) - operators)


def faults_of(first_line: str) -> list[str]:
    """Return why the first line of a docstring does not state one idea in one sentence."""
    words = FIELD_PAIRS.sub("a pair", re.sub(r"`[^`]*`", "`code`", first_line))
    faults = []
    if not words.endswith("."):
        faults.append("it is not a whole sentence")
    if re.search(r"[.!?] ", words):
        faults.append("it is more than one sentence")
    for match in re.finditer(r" and ", words):
        clause = re.split(r"[:;]", words[: match.start()])[-1]
        if "," not in clause:  # "a, b and c" is a list
            faults.append("`and` joins two ideas")
    return faults


@pytest.mark.parametrize("room", ROOMS)
def test_a_modules_docstring_begins_with_one_sentence_on_one_idea(room: str) -> None:
    folder = folder_of(room)
    paths = {f"{room.replace('.', '/')}/{path.name}": path for path in folder.glob("*.py")}
    faults = {
        name: faults_of(docstring(path).partition("\n")[0])
        for name, path in paths.items()
        if path.stem != "__init__"
    }
    assert {name: fault for name, fault in faults.items() if fault} == {}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("Read a file", "it is not a whole sentence"),
        ("Read a file. Write it.", "it is more than one sentence"),
        ("Read and write a file.", "`and` joins two ideas"),
        ("A, b: read and write.", "`and` joins two ideas"),
    ],
)
def test_a_first_line_with_a_fault_is_recognised(line: str, fault: str) -> None:
    assert faults_of(line) == [fault]


@pytest.mark.parametrize(
    "line", ["Read `a and b`.", "Split into one, two and three parts.", "Pad height and width."]
)
def test_lists_code_and_pairs_of_the_field_may_have_an_and(line: str) -> None:
    assert faults_of(line) == []


ROOMS_WITHOUT_RUNTIMES = ("compare", "report", "verify")
SAID_OF_RUNTIMES = sorted(
    {
        said
        for runtime in table.RUNTIMES
        for said in (
            runtime.name,
            runtime.title,
            runtime.engine,
            runtime.kernels,
            runtime.module.rpartition(".")[2],
        )
    }
    - {"NumPy"}  # a library that everything here uses
)


def code_of(path: Path) -> str:
    """Everything in a file that runs: without comments and docstrings, which may name sources."""
    if path.suffix != ".py":
        return path.read_text()
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [x for x in body if not is_text(x)] or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.unparse(tree)


def is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


@pytest.mark.parametrize("room", ROOMS_WITHOUT_RUNTIMES)
def test_rooms_that_treat_all_runtimes_alike_name_none(room: str) -> None:
    """A new runtime is one module and one row: nothing here may have to know of it."""
    words = "|".join(rf"(?<![a-z]){re.escape(said)}(?![a-z])" for said in SAID_OF_RUNTIMES)
    pattern = re.compile(words, re.IGNORECASE)
    paths = [p for p in (ROOT / "mobiledeploy" / room).rglob("*") if p.suffix in {".py", ".html"}]
    assert len(paths) > 5
    named = {
        path.relative_to(ROOT).as_posix(): words_of_runtimes
        for path in paths
        if (words_of_runtimes := sorted(set(pattern.findall(code_of(path)))))
    }
    assert not named
