"""Help is complete: one line per command, one text per option, within 80 columns."""

import re

import pytest
import typer
from typer.testing import CliRunner

from mobiledeploy.cli.main import app

COMMANDS = [command.callback for command in app.registered_commands]
NAMES = [command.__name__ for command in COMMANDS if command is not None]


def shown(*arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments, "--help"], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_each_command_is_one_whole_line() -> None:
    lines = [line.strip() for line in shown().partition("Commands:\n")[2].splitlines() if line]
    expected = [
        (command.__name__, (command.__doc__ or "").partition("\n")[0])
        for command in COMMANDS
        if command is not None
    ]
    assert [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines] == expected


@pytest.mark.parametrize("name", ["", *NAMES])
def test_help_fits_80_columns_and_is_cut_nowhere(name: str) -> None:
    text = shown(*name.split())
    assert max(map(len, text.splitlines())) <= 80
    assert not re.search(r"\w\.\.\.$", text, re.MULTILINE)


@pytest.mark.parametrize("name", NAMES)
def test_each_option_says_what_it_does_and_what_it_takes(name: str) -> None:
    command = typer.main.get_command(app)
    context = typer.Context(command)
    subcommand = command.get_command(context, name)  # type: ignore[attr-defined]
    for parameter in subcommand.params:
        assert parameter.help, parameter.name
    assert not re.search(r"<\w", shown(name))
