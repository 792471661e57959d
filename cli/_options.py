"""Options that several commands share, with a check for unused ones."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from mobiledeploy.base.errors import RequestError

Json: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout instead of a table")
]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr")]


def refuse_unused(context: typer.Context, *, used: Collection[str], with_: str) -> None:
    """Refuse options that were given and would change nothing.

    Args:
        context: Context of the command.
        used: Names of the function's parameters that have an effect.
        with_: The mode in which no others have one, such as "`--device`".

    Raises:
        RequestError: Another option was given, whatever its value.
    """
    unused = list(dict.fromkeys(name for key, name in given(context) if key not in used))
    if unused:
        listed = ", ".join(f"`{name}`" for name in unused)
        raise RequestError(
            f"{listed} cannot be used with {with_}: it would change nothing",
            hint=f"leave out {listed}",
        )


def given(context: typer.Context) -> Iterator[tuple[str, str]]:
    """Yield the options that the user gave: the function's parameter, and the option as typed.

    An option counts as given even if its value is the default.
    """
    for parameter in context.command.params:
        key: Any = parameter.name
        source = context.get_parameter_source(key)
        if source is not None and source.name in {"COMMANDLINE", "ENVIRONMENT"}:
            yield key, parameter.opts[0]


def labels(path: Path | None) -> tuple[str, ...]:
    """Return the lines of a file of labels; none without one.

    Raises:
        RequestError: There is no such file.
        CorruptFileError: It is not text in UTF-8.
    """
    if path is None:
        return ()
    from mobiledeploy.base import files
    from mobiledeploy.data import class_names

    files.require_file(path, hint="name a text file with one label a line")
    return class_names.read_labels(path)
