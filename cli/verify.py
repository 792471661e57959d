"""`mobiledeploy verify`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mobiledeploy.cli import _options, _output

if TYPE_CHECKING:
    from mobiledeploy.verify.report import VerifyReport


def verify(
    build: Annotated[Path, typer.Argument(help="Build folder")] = Path("build"),
    samples: Annotated[
        int | None, typer.Option(min=2, help="Take only the first so many held-back images")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Images that run at a time. Default: the cores")
    ] = None,
    json: _options.Json = False,
    quiet: _options.Quiet = False,
) -> None:
    """Prove a build: LiteRT against ONNX Runtime, integers compared with integers.

    Exit status 0: every logit is equal and scores are within 1 LSB. 5: not.
    """
    import os

    from mobiledeploy import codec
    from mobiledeploy.errors import ParityError
    from mobiledeploy.verify.build import verify as run

    with _output.progress(quiet=quiet) as progress:
        report = run(
            build, samples=samples, threads=threads or os.cpu_count() or 1, progress=progress
        )
    _output.emit(codec.to_json(report).decode().rstrip() if json else _table(report))
    if not report.holds:
        raise ParityError(
            "; ".join(report.failures),
            hint="run `mobiledeploy build --from export` to write the files anew",
        )


def _table(report: "VerifyReport") -> str:
    parts: list[str] = []
    rows: list[tuple[str, ...]]
    if report.comparisons:
        rows = [("inputs", "images", "logits equal", "max LSB", "scores max LSB", "same top-1")]
        rows += [
            (
                found.inputs,
                str(found.images),
                str(found.exact_logits),
                str(found.max_logits_lsb),
                str(found.max_scores_lsb),
                str(found.same_top1),
            )
            for found in report.comparisons
        ]
        parts.append(_output.table(rows, right=(1, 2, 3, 4, 5)))
    if report.float_comparisons:
        rows = [("inputs", "images", "max difference", "same top-1")]
        rows += [
            (found.inputs, str(found.images), f"{found.max_difference:.1e}", str(found.same_top1))
            for found in report.float_comparisons
        ]
        parts.append(_output.table(rows, right=(1, 2, 3)))
    if report.scores:
        rows = [("file", "top-1", "as the float model", "images", "runtime")]
        rows += [
            (
                line.file,
                f"{line.labels.top1:.2%}",
                f"{line.float_model.top1:.2%}",
                str(line.labels.total),
                line.runtime,
            )
            for line in report.scores
        ]
        parts.append(_output.table(rows, right=(1, 2, 3)))
    if report.same_grid is not None:
        parts.append(
            "model.onnx is byte for byte what the integers of model.tflite give, "
            "every ADD and MEAN certified over all their inputs"
            if report.same_grid
            else "model.onnx was not written by this version from the integers of model.tflite: "
            "it was compared by its answers only"
        )
    parts.append(f"{report.verdict}\n{report.cpu}")
    return "\n\n".join(parts)
