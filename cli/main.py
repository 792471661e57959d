"""The `mobiledeploy` program."""

import sys
from typing import Annotated

import typer

from mobiledeploy._version import __version__
from mobiledeploy.base.errors import MobileDeployError, StorageError
from mobiledeploy.cli import _output, build, bundle, cost, inspect, tools, verify

MOST_SAID = 4000
"""Characters of an error's message that are shown."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mobiledeploy {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version")
    ] = False,
) -> None:
    """Take a Keras MobileNet to a phone, with proof.

    Start with `mobiledeploy build`, then `mobiledeploy verify`.
    """
    del version


app.command()(build.build)
app.command()(verify.verify)
app.command()(bundle.bundle)
app.command()(inspect.inspect)
app.command()(cost.cost)
app.command()(tools.tools)


def main() -> None:
    """Run, turning deliberate errors into a message, a hint and an exit status."""
    try:
        app()
    except MobileDeployError as error:
        # Names come from foreign files: they may be endless, and must not look like words of ours.
        said = str(error)
        if len(said) > MOST_SAID:
            said = f"{said[:MOST_SAID]} ..."
        _output.talk("error: " + said.replace("\n", "\n  "))
        if error.hint:
            _output.talk(f"\nhint: {error.hint}")
        sys.exit(error.exit_status)
    except OSError as error:
        # What no command foresaw of a file, such as a name that is too long.
        where = f"{error.filename}: " if error.filename else ""
        _output.talk(f"error: {where}{error.strerror or error}")
        sys.exit(StorageError.exit_status)
