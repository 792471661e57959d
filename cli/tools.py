"""`mobiledeploy tools`."""

from typing import Annotated

import typer

from mobiledeploy.cli import _options, _output


def tools(
    parts: Annotated[
        list[str] | None,
        typer.Argument(help="Parts, to which those that they need are added. Default: all"),
    ] = None,
    fetch: Annotated[
        bool, typer.Option("--fetch", help="Download the files that are missing")
    ] = False,
    json: _options.Json = False,
    quiet: _options.Quiet = False,
) -> None:
    """List or download the tools that `bundle --apk` needs.

    The list has the purpose, licence and size of each, and whether it was downloaded. With --fetch
    they are downloaded now, so that bundling works without a network later; the part `apk` holds
    what every APK needs. MOBILEDEPLOY_CACHE names another folder to keep them in.
    """
    from mobiledeploy.base import codec
    from mobiledeploy.deploy import toolchain

    names = tuple(parts or toolchain.pinned_parts())
    if fetch:
        with _output.progress(quiet=quiet) as progress:
            toolchain.fetch(*names, progress=progress)
    inventory = toolchain.inventory(*names)
    if json:
        _output.emit(codec.to_json(inventory).decode().rstrip())
        return
    rows = [("part", "MB", "here", "licence", "purpose")]
    rows += [
        (
            part.name,
            f"{part.size / 1e6:,.1f}",
            "yes" if part.present else "no",
            part.licences[0] + (" and others" if part.licences[1:] else "") if part.files else "",
            part.purpose,
        )
        for part in inventory.parts
    ]
    _output.emit(_output.table(rows, right=(1,)))
