"""The report's page in Chromium: accessible, no wider than a phone, silent on the network."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from unit.report.conftest import failing, graph, labelled

from mobiledeploy.report import page
from mobiledeploy.report.document import Report

__all__ = ["failing", "graph", "labelled"]

pytestmark = pytest.mark.browser

PACKAGES = ("axe-core@4.14.1", "playwright-core@1.65.1")


@pytest.fixture(scope="session")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages that `page.mjs` needs."""
    folder = tmp_path_factory.mktemp("modules")
    subprocess.run(
        ["npm", "install", "--prefix", folder, "--no-audit", "--no-fund", "--silent", *PACKAGES],
        check=True,
        timeout=240,
    )
    return folder


def test_the_page_is_accessible_narrow_and_silent(
    labelled: Report, failing: Report, modules: Path, tmp_path: Path
) -> None:
    chromium = shutil.which("chromium")
    assert chromium is not None, "apt-get install chromium"
    paths = {name: tmp_path / f"{name}.html" for name in ("labelled", "failing")}
    paths["labelled"].write_text(page.render(labelled))
    paths["failing"].write_text(page.render(failing))
    done = subprocess.run(
        ["node", Path(__file__).with_name("page.mjs"), chromium, *paths.values()],
        cwd=modules,
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    pages = json.loads(done.stdout)
    assert len(pages) == 8
    for line in pages:
        assert line["problems"] == [], line
        assert line["wider"] == 0, line
        assert line["requests"] == [Path(line["path"]).as_uri()]
