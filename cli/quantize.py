"""`mobiledeploy quantize`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mobiledeploy.cli import _options, _output
from mobiledeploy.cli.build import interruptible, summary
from mobiledeploy.spec.config import CROPS, DIGITS, IOS, RANDOM


def quantize(
    model: Annotated[Path, typer.Argument(help="A float network: .keras, .h5, .onnx or .tflite")],
    data: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="Photos that decide the ranges: a folder with one sub-folder a class, or "
            f"`{DIGITS}`",
        ),
    ] = None,
    random: Annotated[
        bool, typer.Option("--random", help="Use synthetic images in place of photos")
    ] = False,
    input_range: _options.InputRange = None,
    mean: _options.Mean = None,
    std: _options.Std = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Names of the classes, one a line, in their order"),
    ] = None,
    crop: Annotated[
        str, typer.Option(metavar=f"[{'|'.join(CROPS)}]", help="How a photo becomes square")
    ] = "center",
    io: Annotated[
        str,
        typer.Option(metavar=f"[{'|'.join(IOS)}]", help="Type of the files' input and output"),
    ] = "int8",
    threads: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Images at a time. Default: one a core"),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="Build folder")
    ] = Path("build"),
    json: _options.Json = False,
    quiet: _options.Quiet = False,
) -> None:
    """Quantise a float model of yours, and prove its two files equal.

    The build folder gets model.tflite, model.onnx and the proof that they compute the same.
    TensorFlow is not needed, and nothing of the file is executed.
    """
    import os
    from typing import cast

    from mobiledeploy.base import codec, fork_server
    from mobiledeploy.base.errors import RequestError

    if (data is None) == (not random):
        raise RequestError(
            "expected photos or synthetic images, received " + ("both" if random else "neither"),
            hint="`--data FOLDER` for a file that is shipped, `--random` to try a network",
        )
    fork_server.prepare()
    from mobiledeploy.pipeline import build as pipeline
    from mobiledeploy.pipeline import quantize as quantizing

    with interruptible(), _output.progress(quiet=quiet) as progress:
        report = quantizing.quantize(
            model,
            out,
            data=RANDOM if data is None else data,
            scaling=_options.scaling(input_range, mean, std),
            labels=_options.labels(labels),
            crop=cast("Any", crop),
            io=cast("Any", io),
            threads=threads or os.cpu_count() or 1,
            progress=progress,
        )
    if json:
        _output.emit(codec.to_json(report).decode().rstrip())
    else:
        _output.emit(summary(report, out))
    pipeline.require(report)
