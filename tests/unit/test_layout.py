"""The source layout: docs/decisions/0001-source-layout.md."""

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("folder", ["models", "cli"])
def test_a_link_leads_to_the_top_level_folder(folder: str) -> None:
    link = ROOT / "mobiledeploy" / folder
    if not link.is_symlink():
        pytest.skip("this checkout has no symlinks (git config core.symlinks)")
    assert link.resolve() == ROOT / folder


def test_every_package_folder_is_listed_in_pyproject() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    found = {
        ".".join(init.parent.relative_to(ROOT).parts)
        for top in ("mobiledeploy", "models", "cli")
        for init in (ROOT / top).rglob("__init__.py")
        if not any(p.is_symlink() for p in init.parents)
    }
    mapped = {n if n.startswith("mobiledeploy") else f"mobiledeploy.{n}" for n in found}
    assert mapped == set(setuptools["packages"])
