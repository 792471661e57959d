"""`mobiledeploy bundle` says what it made and what comes next."""

from pathlib import Path

import pytest
from typer.testing import CliRunner
from unit.deploy.test_bundle import finish

from mobiledeploy.base.errors import BundleError, RequestError
from mobiledeploy.cli.main import app


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["bundle", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_a_new_project_holds_the_build_that_is_there() -> None:
    finish(Path("build"))
    said = run("--new", "mine")
    assert "made the project mine, and bundled into mine/app/src/main/assets/mobiledeploy" in said
    assert "next: open mine in Android Studio" in said


def test_a_new_project_without_a_build_says_so() -> None:
    said = run("--new", "mine")
    assert "without a model: there is no folder `build`" in said
    assert "next: mobiledeploy bundle BUILD --app mine" in said
    with pytest.raises(RequestError, match="no folder nowhere"):
        run("nowhere", "--new", "other")


def test_without_a_project_the_message_says_how_to_make_one() -> None:
    finish(Path("build"))
    with pytest.raises(BundleError, match="android_demo does not exist") as caught:
        run()
    assert "`--new DIR` makes a new project" in str(caught.value.hint)


def test_a_new_project_and_one_that_is_there_exclude_each_other() -> None:
    with pytest.raises(RequestError, match="`--app` cannot be used with `--new`"):
        run("--new", "a", "--app", "b")
