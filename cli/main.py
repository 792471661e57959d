"""The `mobiledeploy` program, which maps errors to exit statuses."""

import sys
from typing import Annotated, Final

import typer

from mobiledeploy._version import __version__
from mobiledeploy.base.errors import MobileDeployError, StorageError
from mobiledeploy.cli import _output, build, bundle, cost, inspect, tools, verify

LONGEST_MESSAGE: Final = 4000
"""Most characters of an error's message that are printed."""

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
    """Run a command, and turn our own errors into a message, a hint and an exit status."""
    try:
        app()
    except MobileDeployError as error:
        # Names from untrusted files may be very long, and must not look like our own messages.
        text = str(error)
        if len(text) > LONGEST_MESSAGE:
            text = f"{text[:LONGEST_MESSAGE]} ..."
        _output.message("error: " + text.replace("\n", "\n  "))
        if error.hint:
            _output.message(f"\nhint: {error.hint}")
        sys.exit(error.exit_status)
    except OSError as error:
        # A file error that no command expects, such as a name that is too long.
        where = f"{error.filename}: " if error.filename else ""
        _output.message(f"error: {where}{error.strerror or error}")
        _output.message("\nhint: check the name, and whether it can be read and written")
        sys.exit(StorageError.exit_status)
