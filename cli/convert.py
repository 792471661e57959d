"""`mobiledeploy convert`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mobiledeploy.cli import _options, _output
from mobiledeploy.spec.config import IOS

if TYPE_CHECKING:
    from mobiledeploy.pipeline.carried_metadata import Carried
    from mobiledeploy.pipeline.convert import ConvertedOperator, ConvertReport


def convert(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="An int8 .tflite, or a quantised .onnx (QDQ or QOperator)"
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="FILE", help="What to write: a name in .tflite or .onnx"
        ),
    ],
    io: Annotated[
        str | None,
        typer.Option(
            metavar=f"[{'|'.join(IOS)}]",
            help="Type of the new file's input and output. MediaPipe takes uint8 and float32 "
            "only. Default: those of FILE",
        ),
    ] = None,
    data: _options.ComparedData = None,
    samples: _options.Samples = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Names of the classes, one a line, for the metadata of a .tflite. Default: those "
            "in FILE, or in labels.txt beside it",
        ),
    ] = None,
    licence: _options.Licence = "",
    allow_inexact: Annotated[
        bool,
        typer.Option(
            "--allow-inexact",
            help="Write also what the other format cannot express exactly, and say how far it is "
            "off",
        ),
    ] = False,
    threads: _options.Threads = None,
    json: _options.Json = False,
    quiet: _options.Quiet = False,
) -> None:
    """Convert an int8 file to the other format, exactly.

    Weights, zero points and scales are kept, and both files are compared at the logits. Exit
    status 4: the new format cannot express an operator exactly. 5: the files differ.
    """
    import os
    from typing import cast

    from mobiledeploy.base import codec, fork_server
    from mobiledeploy.base.errors import RequestError

    if io is not None and io not in IOS:
        raise RequestError(
            f"expected a type of {', '.join(IOS)}; received {io}", hint="choose with `--io`"
        )
    fork_server.prepare()
    from mobiledeploy.pipeline import convert as converting

    with _output.progress(quiet=quiet) as progress:
        report = converting.convert(
            file,
            out,
            io=cast("Any", io),
            allow_inexact=allow_inexact,
            data=data,
            samples=samples,
            labels=_options.labels(labels),
            licence=licence,
            threads=threads or os.cpu_count() or 1,
            progress=progress,
        )
    if json:
        _output.emit(codec.to_json(report).decode().rstrip())
    else:
        _output.emit(_summary(report))
    converting.require(report, allow_inexact=allow_inexact)


def _summary(report: "ConvertReport") -> str:
    lines = [_verdict(report)]
    lines += [f"  {line}" for failure in report.failures for line in _output.lines_of(failure)]
    if report.metadata is not None:
        lines += _output.lines_of(f"  metadata: {_metadata(report.metadata)}")
    if report.operators:
        rows = [("operator", "", "layer", "became", "because")]
        rows += [_row(each) for each in report.operators]
        lines += ["", *_output.columns(rows, right=(0,))]
    return "\n".join(lines)


_LABELS = {
    "option": "the labels of `--labels`",
    "file": "the labels in the source",
    "neighbour": "the labels in the file beside the source",
}
_NORMALISATION = {
    "file": "the source's normalisation",
    "grid": "the normalisation by the grid of the source's input",
}


def _metadata(carried: "Carried") -> str:
    """Return what the metadata state and where it is from, in words."""
    from mobiledeploy.base.files import printable

    stated = []
    if carried.labels_from is not None:
        stated.append(f"{_LABELS[carried.labels_from]} ({carried.labels})")
    if carried.normalisation is not None:
        stated.append(_NORMALISATION[carried.normalisation])
    if carried.license:
        stated.append(f"licence {carried.license}")
    words = ", ".join(stated) or "no labels, normalisation or licence"
    left = f"; left out: {', '.join(carried.left_out)}" if carried.left_out else ""
    return printable(f"{words}{left}")


def _verdict(report: "ConvertReport") -> str:
    files = f"{report.source.name} -> {report.target.name}"
    said = f"logits equal on {report.equal_images} of {report.images} inputs"
    if report.exact:
        return f"{files}: exact; {said}"
    return (
        f"{files}: not exact; {said}, at most {report.max_logits_lsb:g} LSB apart, the same class "
        f"on {report.same_top1}"
    )


_BECAME = {
    "operator": "itself",
    "table": "a table of all codes",
    "clamp": "itself and a clamp",
    "scores": "itself, on TFLite's grid",
    "integers": "a sum in integers",
    "moved scales": "itself, by moved scales",
    "shifted weights": "itself, weights shifted",
    "copied channels": "itself, over copies of its input",
    "convolution": "a depthwise convolution",
    "quantised bias": "itself, its bias quantised",
    "corrected axis": "itself",
    "inexact": "itself, not exact",
}


def _row(operator: "ConvertedOperator") -> tuple[str, str, str, str, str]:
    reasons = []
    if operator.differing:
        reasons.append(f"{operator.differing:,} of {operator.cases:,} inputs would differ")
    if operator.by_cpu:
        reasons.append(f"{operator.by_cpu:,} depend on the CPU in the source")
    if operator.form == "corrected axis":
        reasons.append("its bias names a dimension that it has not, so LiteRT runs a mended copy")
    if operator.in_floats:
        reasons.append("the source's runtime computes it in float32")
    return (
        str(operator.index),
        operator.operator,
        operator.layer,
        _BECAME[operator.form],
        "; ".join(reasons),
    )
