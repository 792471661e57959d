"""Options that several commands share, and the refusal of those that a command cannot use."""

from collections.abc import Collection, Iterator
from typing import Annotated, Any, TypeAlias

import typer

from mobiledeploy.base.errors import RequestError

Json: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout instead of a table")
]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr")]


def refuse_others(context: typer.Context, *, used: Collection[str], with_: str) -> None:
    """Refuse options that were given and would change nothing.

    Args:
        context: Of the command.
        used: Names of the parameters that it uses, as the function calls them.
        with_: What it is that uses no others, such as "`--device`".

    Raises:
        RequestError: Another one was given, whatever its value.
    """
    others = list(dict.fromkeys(name for key, name in given(context) if key not in used))
    if others:
        listed = ", ".join(f"`{name}`" for name in others)
        raise RequestError(
            f"{listed} cannot be used with {with_}: it would change nothing",
            hint=f"leave out {listed}",
        )


def given(context: typer.Context) -> Iterator[tuple[str, str]]:
    """Yield the parameters that the user gave: as the function calls them, and as they are typed.

    A value that is equal to the default counts as given, too.
    """
    for parameter in context.command.params:
        key: Any = parameter.name
        source = context.get_parameter_source(key)
        if source is not None and source.name in {"COMMANDLINE", "ENVIRONMENT"}:
            yield key, parameter.opts[0]
