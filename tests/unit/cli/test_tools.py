"""`mobiledeploy tools` as users and scripts see it, and the options of `bundle` for an APK."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner
from unit.cli.conftest import check

from mobiledeploy.base import download_cache
from mobiledeploy.base.errors import MissingDependencyError, MobileDeployError, RequestError
from mobiledeploy.cli.main import app


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(download_cache.VARIABLE, str(tmp_path / "cache"))


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_json_follows_its_schema() -> None:
    document = json.loads(run("tools", "--json"))
    check(document, "tools")
    held = {part["name"]: part for part in document["parts"]}
    assert set(held["apk"]["needs"]) <= set(held)
    assert not held["r8"]["present"]
    assert "GPL-2.0-only" in held["unidbg"]["licences"]
    assert not [part for part in held["apk"]["needs"] if "GPL" in str(held[part]["licences"])]


def test_the_table_shows_a_part_and_the_parts_that_it_needs() -> None:
    lines = run("tools", "kotlin").splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["kotlin-stdlib", "kotlin"]
    assert " no " in lines[3]
    assert "Apache-2.0" in lines[3]


def test_fetch_names_the_missing_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingDependencyError) as caught:
        run("tools", "r8", "--fetch", "-q")
    assert "apt-get install maven" in str(caught.value.hint)


@pytest.mark.parametrize(
    "option",
    [
        ("--abi", "x86"),
        ("--litert-aar", "a.aar"),
        ("--allow-4kb-pages",),
        ("--keystore", "a.p12"),
        ("--keystore-password-file", "a"),
    ],
)
def test_an_option_of_the_apk_without_an_apk_is_refused(option: tuple[str, ...]) -> None:
    with pytest.raises(RequestError) as caught:
        run("bundle", *option)
    assert caught.value.hint == "add `--apk FILE.apk`"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--key-alias", "a"), "no effect without a keystore"),
        (("--abi", "mips"), "expected different ABIs"),
        (("--litert-aar", "a.aar"), "an app with LiteRT"),
        (("--keystore", "none.p12"), "no keystore none.p12"),
    ],
)
def test_contradictory_options_are_refused_before_any_work(
    options: tuple[str, ...], message: str
) -> None:
    with pytest.raises(MobileDeployError, match=message) as caught:
        run("bundle", "--apk", "out.apk", *options)
    assert caught.value.hint
