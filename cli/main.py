"""The `mobiledeploy` program, which maps errors to exit statuses."""

import atexit
import errno
import gc
import sys
from typing import Annotated, Any, Final

import typer

from mobiledeploy._version import __version__
from mobiledeploy.base.errors import MobileDeployError, RequestError, StorageError
from mobiledeploy.cli import (
    _output,
    build,
    bundle,
    convert,
    cost,
    explain,
    inspect,
    predict,
    quantize,
    tools,
    verify,
)

LONGEST_MESSAGE: Final = 4000
"""Most characters of an error's message that are printed."""

YOUNG_OBJECTS: Final = 100_000
"""New objects after which Python looks for cycles. By default it does so hundreds of times while
modules are imported, which takes a tenth of that time."""
INTERRUPTED: Final = 130
"""Exit status after Ctrl-C: 128 + SIGINT, as in shells. Typer turns KeyboardInterrupt into it."""
_UsageError: Any = typer.BadParameter.__base__
"""The base of Typer's errors for wrong arguments, which Typer does not export."""

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
    """Take an image classifier to a phone, with proof.

    Start with `mobiledeploy quantize` for a model of yours or `mobiledeploy build` to train one,
    then `mobiledeploy verify`.
    """
    del version


app.command()(build.build)
app.command()(quantize.quantize)
app.command()(convert.convert)
app.command()(verify.verify)
app.command()(predict.predict)
app.command()(explain.explain)
app.command()(bundle.bundle)
app.command()(inspect.inspect)
app.command()(cost.cost)
app.command()(tools.tools)


_CHECK_NAME: Final = "check the name, and whether it can be read and written"
_HINTS: Final = {
    errno.EMFILE: "this process may not open more files: see `ulimit -n`",
    errno.ENFILE: "this machine may not open more files: close programs",
    errno.ENOMEM: "there is too little memory: close programs, or see `ulimit -v`",
    errno.EAGAIN: "this user may not start more processes: see `ulimit -u`",
}
"""Hints of file errors that have no name, by their number."""


def _in_our_style(message: str) -> str:
    """Return a message of Typer without a capital at its beginning and a full stop at its end."""
    return message[:1].lower() + message[1:].removesuffix(".")


def _help(arguments: list[str]) -> str:
    """Return the command that prints the help for what was called wrongly."""
    commands = {command.name for command in typer.main.get_group(app).commands.values()}
    name = [word for word in arguments[:1] if word in commands]
    return " ".join(["mobiledeploy", *name, "--help"])


def _fail(error: type[MobileDeployError], text: str, hint: str | None) -> None:
    """Print an error by the name that docs/exit-statuses.md has for its status."""
    arguments = sys.argv[1 : sys.argv.index("--") if "--" in sys.argv else None]
    listed = next(kind for kind in error.__mro__ if "exit_status" in vars(kind))
    _output.error(
        text, hint, status=error.exit_status, kind=listed.__name__, json="--json" in arguments
    )


def main() -> None:
    """Run a command, and turn errors into a message, a hint and an exit status."""
    gc.set_threshold(YOUNG_OBJECTS)
    # Otherwise Python looks for cycles among all objects, several times, before it ends.
    atexit.register(gc.freeze)
    try:
        status = app(standalone_mode=False)
        if status == INTERRUPTED:
            _output.message("\ninterrupted")
        sys.exit(status)
    except typer.Abort as abort:
        hint = "".join(f"\n\nhint: {advice}" for advice in abort.args)
        _output.message(f"\ninterrupted{hint}")
        sys.exit(INTERRUPTED)
    except _UsageError as error:
        if len(sys.argv) == 1:
            error.show()  # the help, which is no error
        else:
            hint = f"`{_help(sys.argv[1:])}` lists what there is"
            _fail(RequestError, _in_our_style(error.format_message()), hint)
        sys.exit(RequestError.exit_status)
    except MobileDeployError as error:
        # Names from untrusted files may be very long, and must not look like our own messages.
        text = str(error)
        if len(text) > LONGEST_MESSAGE:
            text = f"{text[:LONGEST_MESSAGE]} ..."
        _fail(type(error), text, error.hint)
        sys.exit(error.exit_status)
    except OSError as error:
        # A file error that no command expects, such as a name that is too long.
        where = f"{error.filename}: " if error.filename else ""
        hint = _HINTS.get(error.errno or 0, _CHECK_NAME)
        _fail(StorageError, f"{where}{error.strerror or error}", hint)
        sys.exit(StorageError.exit_status)
