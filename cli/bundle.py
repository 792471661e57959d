"""`mobiledeploy bundle`."""

from pathlib import Path
from typing import Annotated

import typer

from mobiledeploy.cli import _options, _output


def bundle(
    build: Annotated[Path, typer.Argument(help="Build folder")] = Path("build"),
    app: Annotated[
        Path, typer.Option(help="Android project: the folder that holds `app/`")
    ] = Path("android_demo"),
    json: _options.Json = False,
    quiet: _options.Quiet = False,
) -> None:
    """Put a build into an Android project: model, labels, contract, golden vectors."""
    from mobiledeploy import codec
    from mobiledeploy.deploy.bundle import bundle as run

    result = run(build, app)
    if json:
        _output.emit(codec.to_json(result).decode().rstrip())
        return
    rows = [("file", "bytes", "sha256")]
    rows += [(file.path, f"{file.size:,}", file.sha256[:16]) for file in result.files]
    _output.emit(_output.table(rows, right=(1,)))
    if not quiet:
        _output.talk(f"\nbundled into {result.folder}")
