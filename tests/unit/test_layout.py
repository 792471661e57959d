"""The source layout: docs/decisions/0001-source-layout.md."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
from conftest import LONGER, UNIT

from mobiledeploy.runtimes import table

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("folder", ["models", "cli"])
def test_a_link_leads_to_the_top_level_folder(folder: str) -> None:
    link = ROOT / "mobiledeploy" / folder
    if not link.is_symlink():
        pytest.skip("this checkout has no symlinks (git config core.symlinks)")
    assert link.resolve() == ROOT / folder


def test_every_package_folder_is_listed_in_pyproject() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    packages = {
        ".".join(init.parent.relative_to(ROOT).parts)
        for top in ("mobiledeploy", "models", "cli")
        for init in (ROOT / top).rglob("__init__.py")
        if not any(p.is_symlink() for p in init.parents)
    }
    mapped = {n if n.startswith("mobiledeploy") else f"mobiledeploy.{n}" for n in packages}
    assert mapped == set(setuptools["packages"])


def test_the_tests_that_the_quick_run_leaves_out_exist() -> None:
    assert [place for place in LONGER if not (UNIT / place).exists()] == []


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
        path.relative_to(ROOT).as_posix(): runtimes
        for path in paths
        if (runtimes := sorted(set(pattern.findall(code_of(path)))))
    }
    assert not named


ROOMS_WITH_A_LIST = ("base", "cli", "deploy", "device", "pipeline", "report", "spec")


@pytest.mark.parametrize("room", ROOMS_WITH_A_LIST)
def test_every_module_is_named_in_its_rooms_docstring(room: str) -> None:
    folder = ROOT / "mobiledeploy" / room
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    modules |= {path.parent.name for path in folder.glob("*/__init__.py")}
    assert sorted(modules - set(re.findall(r"`(\w+)`", text))) == []
