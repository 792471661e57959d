"""`mobiledeploy predict`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from mobiledeploy.cli import _options, _output
from mobiledeploy.spec.config import CROPS

if TYPE_CHECKING:
    from mobiledeploy.prediction.report import PhotoAnswer, PredictionReport, StatedBy

MODELS: Final = (".tflite", ".onnx")
"""Suffixes of model files among the arguments; every other argument is a photo or a folder."""
_KERAS: Final = (".keras", ".h5", ".hdf5")
_FOR_A_BUILD: Final = frozenset({"names", "build", "top", "out", "json", "csv", "quiet"})
_BY: Final[dict["StatedBy", str]] = {
    "option": "as you say",
    "contract": "contract",
    "grid": "by its grid",
    "metadata": "metadata",
    "layers": "by its layers",
    "neighbour": "beside it",
}
_NAMED: Final = 3
"""Most unreadable photos that the error names; the answers list all."""
_NAME_WIDTH: Final = 36
"""Columns of a photo's or a class's name."""


def predict(
    context: typer.Context,
    names: Annotated[
        list[Path],
        typer.Argument(
            metavar="PHOTO...",
            help="Photos and folders of photos; with them a .tflite, an .onnx, or two such files, "
            "to be asked instead of a build",
        ),
    ],
    build: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Build folder, whose two files are asked. Default: build"
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Names of a model file's classes, one a line"),
    ] = None,
    input_range: _options.InputRange = None,
    mean: _options.Mean = None,
    std: _options.Std = None,
    crop: Annotated[
        str | None,
        typer.Option(
            metavar=f"[{'|'.join(CROPS)}]",
            help="How a photo becomes square for a model file. Default: center",
        ),
    ] = None,
    top: Annotated[
        int, typer.Option(metavar="N", min=1, help="Likeliest classes of each photo")
    ] = 5,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help="Draw the photos with their classes to this .png"
        ),
    ] = None,
    json: _options.Json = False,
    csv: Annotated[
        bool, typer.Option("--csv", help="Print one line a class as CSV instead of a table")
    ] = False,
    quiet: _options.Quiet = False,
) -> None:
    """Say what is in photos: the likeliest classes, in both runtimes.

    A photo is prepared as the contract of the build says. Of a model file, the contract beside it,
    its grid, its metadata or --input-range say it; it is refused if none does. Exit status 2: a
    photo cannot be read; all others are answered.
    """
    from mobiledeploy.base.errors import RequestError

    if json and csv:
        raise RequestError(
            "expected `--json` or `--csv`, received both", hint="leave out one of them"
        )
    files = [name for name in names if name.suffix.lower() in MODELS]
    photos = [name for name in names if name not in files]
    keras = next((name for name in names if name.suffix.lower() in _KERAS), None)
    if keras is not None:
        raise RequestError(
            f"expected photos, a .tflite or an .onnx, received {keras}",
            hint=f"`mobiledeploy quantize {keras}` makes both files of it",
        )
    _check_files(files, build)
    if not files:
        _options.refuse_unused(context, used=_FOR_A_BUILD, with_="a build")
    if out is not None:
        _check_out(out, photos)
    from mobiledeploy.base import codec, fork_server
    from mobiledeploy.base import files as own_files

    fork_server.prepare()
    from mobiledeploy.prediction import predict as predicting
    from mobiledeploy.prediction.classifiers import Said

    said = Said(
        labels=None if labels is None else _options.labels(labels),
        scaling=_options.scaling(input_range, mean, std),
        crop=_crop(crop),
    )
    with _output.progress(quiet=quiet) as progress:
        predicted = predicting.predict(
            photos,
            files,
            build=None if files else build or Path("build"),
            said=said,
            top=top,
            picture=out is not None,
            progress=progress,
        )
    report = predicted.report
    if json:
        _output.emit(codec.to_json(report).decode().rstrip())
    elif csv:
        _output.emit(_csv(report))
        for photo in report.unreadable:
            _output.message(photo.reason)
    else:
        _output.emit(_text(report))
    if out is not None and report.photos:
        from mobiledeploy.prediction import picture

        own_files.write_atomic(out, picture.draw(predicted))
        shown = len(predicted.tiles)
        if not quiet:
            rest = "" if shown == len(report.photos) else f", the first of {len(report.photos)}"
            _output.message(f"{out}: {_count(shown, 'photo')}{rest}")
    _require(report)


def _check_files(files: list[Path], build: Path | None) -> None:
    """Check how many models are named.

    Raises:
        RequestError: Too many.
    """
    from mobiledeploy.base.errors import RequestError

    if files and build is not None:
        raise RequestError(
            f"expected a build or model files, received both: {build} and {files[0]}",
            hint=f"leave out `--build`, or {files[0]}",
        )
    if len({file.resolve() for file in files}) < len(files):
        raise RequestError(
            f"expected two files, received {files[0]} twice",
            hint="leave one of them out, or name another file",
        )
    if len(files) > 2:
        raise RequestError(
            f"expected at most two model files, received {len(files)}",
            hint="mobiledeploy predict A.tflite B.onnx photos/",
        )


def _check_out(out: Path, photos: list[Path]) -> None:
    """Check before any work that the picture can be written.

    Raises:
        RequestError: It is no PNG, or would overwrite a photo or lie among them.
        StorageError: Its folder cannot be written.
    """
    from mobiledeploy.base import files
    from mobiledeploy.base.errors import RequestError

    hint = "name another file with `--out`"
    if out.suffix.lower() != ".png":
        raise RequestError(f"expected a name that ends in .png, received {out}", hint=hint)
    if out.is_dir():
        raise RequestError(f"expected a file, received the folder {out}", hint=hint)
    target = out.resolve()
    for photo in photos:
        if photo.resolve() == target:
            raise RequestError(f"{out} is one of the photos", hint=hint)
        if photo.is_dir() and target.is_relative_to(photo.resolve()):
            raise RequestError(f"{out} lies among the photos of {photo}", hint=hint)
    files.check_writable(next(path for path in out.absolute().parents if path.exists()))


def _crop(crop: str | None) -> Any:
    """Return how a photo becomes square.

    Raises:
        RequestError: There is no such way.
    """
    from mobiledeploy.base.errors import RequestError

    if crop is not None and crop not in CROPS:
        raise RequestError(
            f"expected a crop of {', '.join(CROPS)}; received {crop}",
            hint=f"choose with `--crop`: {', '.join(CROPS)}",
        )
    return crop


def _text(report: "PredictionReport") -> str:
    """Return the answers as a table, then what the files are and what could not be read."""
    from mobiledeploy.prediction import picture

    kinds = [file.values for file in report.files]
    two = len(report.files) > 1
    rows = [["photo", *(file.title for file in report.files), *([""] if two else [])]]
    for photo in report.photos:
        for rank, candidates in enumerate(zip(*photo.top, strict=True)):
            answers = [
                f"{picture.value(candidate, kind):>7}  {_cut(picture.label(candidate))}"
                for candidate, kind in zip(candidates, kinds, strict=True)
            ]
            first = rank == 0
            compared = [_compared(photo) if first else ""] if two else []
            rows.append([_cut(photo.name) if first else "", *answers, *compared])
    parts = [_output.table(rows)] if report.photos else []
    parts.append("\n".join(_summary(report)))
    return "\n\n".join(parts)


def _compared(photo: "PhotoAnswer") -> str:
    """Return how the answers of two files to a photo compare."""
    difference = photo.difference
    if photo.equal is None or difference is None:
        return ""
    if not difference.same_top1:
        return "DIFFERENT CLASS"
    if difference.codes is None:
        return "same class"
    return "equal" if photo.equal else f"{difference.codes} LSB"


def _summary(report: "PredictionReport") -> list[str]:
    lines = _output.columns(
        [
            (file.name, file.runtime, f"input: {file.input} ({_BY[file.input_by]})")
            for file in report.files
        ]
    )
    if report.labels_by is None:
        lines.append("classes have numbers: name a file of labels with `--labels`")
    compared = [photo for photo in report.photos if photo.equal is not None]
    if compared:
        equal = len(compared) - report.differing
        what = (
            "the same class"
            if any(p.difference and p.difference.codes is None for p in compared)
            else "equal codes"
        )
        lines.append(f"both files give {what} on {equal} of {_count(len(compared), 'photo')}")
    if report.others:
        lines.append(f"passed over in the folders: {_count(report.others, 'other file')}")
    if report.unreadable:
        lines.append(f"{_count(len(report.unreadable), 'photo')} cannot be read:")
        lines += [f"  {photo.reason}" for photo in report.unreadable]
    return lines


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _cut(text: str) -> str:
    return text if len(text) <= _NAME_WIDTH else f"{text[:12]}...{text[15 - _NAME_WIDTH :]}"


def _csv(report: "PredictionReport") -> str:
    """Return one line for each photo, file and class."""
    import csv
    import io

    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(
        ("photo", "file", "runtime", "rank", "class", "label", "value", "code", "equal")
    )
    for photo in report.photos:
        for file, top in zip(report.files, photo.top, strict=True):
            writer.writerows(
                (
                    photo.name,
                    file.name,
                    file.title,
                    rank,
                    candidate.number,
                    candidate.label,
                    candidate.value,
                    candidate.code,
                    {True: "yes", False: "no", None: ""}[photo.equal],
                )
                for rank, candidate in enumerate(top, 1)
            )
    return lines.getvalue().rstrip("\n")


def _require(report: "PredictionReport") -> None:
    """Raise a RequestError unless every photo was answered."""
    from mobiledeploy.base.errors import RequestError

    count = len(report.unreadable)
    if count:
        more = f"; and {count - _NAMED} more" if count > _NAMED else ""
        raise RequestError(
            f"{count} of {_count(count + len(report.photos), 'photo')} cannot be read: "
            + "; ".join(photo.reason for photo in report.unreadable[:_NAMED])
            + more,
            hint="remove them, or save them again as JPEG or PNG",
        )
