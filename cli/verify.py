"""`mobiledeploy verify`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mobiledeploy.cli import _options, _output

if TYPE_CHECKING:
    from mobiledeploy.base.progress import Progress
    from mobiledeploy.report.document import Report
    from mobiledeploy.verify.outputs.int8_files import Options
    from mobiledeploy.verify.pair import Observed
    from mobiledeploy.verify.report import VerifyReport


class Level(StrEnum):
    """How much `verify` does."""

    quick = "quick"
    full = "full"


_OUTPUT = frozenset({"json", "quiet"})
_ON_A_PHONE = _OUTPUT | {"files", "device", "serial", "apk", "benchmark", "threads"}
_EMULATED = _OUTPUT | {"files", "arm64", "no_vnni", "samples"}
_HERE = _OUTPUT | {"files", "data", "labels", "samples", "level", "threads", "out", "verbose"}


def verify(
    context: typer.Context,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help="A build folder, or two files that should be the same classifier: "
            "A.tflite B.onnx. Default: build",
            show_default=False,
        ),
    ] = None,
    data: _options.ComparedData = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Names of two files' classes, one a line, in their order. Default: those in a "
            "file's metadata or in labels.txt beside it",
        ),
    ] = None,
    samples: _options.Samples = None,
    level: Annotated[
        Level,
        typer.Option(
            metavar="[quick|full]",
            help="full: also certify every layer of a .tflite and an .onnx for all inputs, and "
            "run slow runtimes on ten times as many images",
        ),
    ] = Level.quick,
    threads: _options.Threads = None,
    device: Annotated[
        bool,
        typer.Option(
            "--device", help="Run a build's golden vectors in the app on a phone, over adb"
        ),
    ] = False,
    serial: Annotated[
        str | None,
        typer.Option(metavar="ID", help="With --device: which phone, as `adb devices` lists it"),
    ] = None,
    apk: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --device: install this APK first")
    ] = None,
    benchmark: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="With --device: TensorFlow Lite's benchmark_model, to time the .tflite",
        ),
    ] = None,
    arm64: Annotated[
        bool, typer.Option("--arm64", help="Run a build's golden vectors on emulated arm64 CPUs")
    ] = False,
    no_vnni: Annotated[
        bool,
        typer.Option(
            "--no-vnni", help="Run a build's golden vectors on an emulated x86 CPU without VNNI"
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Write report.html and report.json to this folder, and with --level full "
            "certificate.json",
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print also all tables and findings")
    ] = False,
    json: _options.Json = False,
    quiet: _options.Quiet = False,
) -> None:
    """Prove that two files compute the same integers.

    Every file runs in all of its runtimes, each in a separate process. Exit status 0: every
    logit of LiteRT with XNNPACK and of ONNX Runtime is equal, and scores are within 1 LSB. 5:
    they are not. 6: a file is damaged, or contradicts itself.
    """
    import os

    from mobiledeploy.cli import _verify_golden

    _refuse_unused(context, device=device, arm64=arm64, no_vnni=no_vnni)
    if device:
        _verify_golden.on_phone(
            files or [Path("build")],
            serial=serial,
            apk=apk,
            benchmark=benchmark,
            threads=threads or 1,
            json=json,
            quiet=quiet,
        )
        return
    if arm64 or no_vnni:
        _verify_golden.on_emulated_cpus(
            files or [Path("build")],
            arm64=arm64,
            no_vnni=no_vnni,
            samples=samples,
            json=json,
            quiet=quiet,
        )
        return
    if out is not None:
        _check_out(out, data)
    from mobiledeploy.base import fork_server

    fork_server.prepare()  # it loads its libraries while this process loads others
    from mobiledeploy.base import codec, heap
    from mobiledeploy.cli import _verify_summary, _verify_tables
    from mobiledeploy.verify.outputs.int8_files import Options

    paths, with_page = files or [Path("build")], out is not None
    options = Options(
        level=level.value, threads=threads or os.cpu_count() or 1, keep=with_page, layers=with_page
    )
    heap.share()
    with _output.progress(quiet=quiet) as progress:
        observed = _run(paths, data, _options.labels(labels), samples, options, progress)
        document = _document(observed, paths, options, progress) if with_page else None
    report = observed.report
    if json:
        _output.emit(codec.to_json(report).decode().rstrip())
    else:
        _output.emit(
            _verify_summary.text(report, build=paths[0] if len(paths) == 1 else None, out=out)
        )
        if verbose:
            _output.emit("\n" + _verify_tables.text(report))
    if out is not None and document is not None:
        from mobiledeploy.report import make_report

        make_report.write(out, document)
    _require(report, build=len(paths) == 1)


def _refuse_unused(context: typer.Context, *, device: bool, arm64: bool, no_vnni: bool) -> None:
    """Refuse options that have no effect in this mode.

    Raises:
        RequestError: Such an option was given.
    """
    if device:
        _options.refuse_unused(context, used=_ON_A_PHONE, with_="`--device`")
    elif arm64 or no_vnni:
        emulated = "`--arm64`" if arm64 else "`--no-vnni`"
        _options.refuse_unused(context, used=_EMULATED, with_=emulated)
    else:
        _options.refuse_unused(context, used=_HERE, with_="a run without `--device`")


def _check_out(out: Path, data: str | None) -> None:
    """Check before any work that the report can be written to `out`.

    A build folder holds the files of its manifest only, and a folder among photos would be a class
    in the next run.

    Raises:
        RequestError: The folder is a build, or is among the photos.
        StorageError: The folder cannot be written.
    """
    from mobiledeploy.base import files
    from mobiledeploy.base.errors import RequestError, StorageError
    from mobiledeploy.spec import manifest
    from mobiledeploy.spec.config import DIGITS

    hint = "name another folder with `--out`"
    if (out / manifest.NAME).exists():
        raise RequestError(f"{out} is a build folder, into which no report is written", hint=hint)
    if data is not None and data != DIGITS:
        photos = files.user_path(data)
        if out.resolve().is_relative_to(photos.resolve()):
            raise RequestError(f"{out} lies among the photos of {photos}", hint=hint)
    nearest = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not nearest.is_dir():
        raise StorageError(f"{out} cannot be written: {nearest} is not a folder", hint=hint)
    files.check_writable(nearest)


def _document(
    observed: "Observed", paths: list[Path], options: "Options", progress: "Progress"
) -> "Report":
    from mobiledeploy.report import make_report

    threads = options.threads
    if len(paths) == 1:
        return make_report.of_build(observed, paths[0], threads=threads, progress=progress)
    return make_report.of_pair(observed, (paths[0], paths[1]), threads=threads, progress=progress)


def _run(
    files: list[Path],
    data: str | None,
    labels: tuple[str, ...],
    samples: int | None,
    options: "Options",
    progress: "Progress",
) -> "Observed":
    from mobiledeploy.base.errors import RequestError
    from mobiledeploy.verify import build, pair

    if labels and (data is None or len(files) == 1):
        raise RequestError(
            "`--labels` is for two files and photos: without `--data` it would change nothing, "
            "and a build has labels.txt",
            hint="leave out `--labels`, or name two files and `--data`",
        )
    match files:
        case [root] if not root.is_file():
            return build.observe(
                root, data=data, samples=samples, options=options, progress=progress
            )
        case [first, second] if _same_file(first, second):
            raise RequestError(
                f"expected two files, received {first} twice",
                hint="name another file to compare it with; a copy has to have another path",
            )
        case [first, second]:
            return pair.observe(
                first,
                second,
                data=data,
                samples=samples,
                labels=labels,
                options=options,
                progress=progress,
            )
        case _:
            raise RequestError(
                f"expected a build folder or two files, received {len(files)}",
                hint="mobiledeploy verify BUILD, or mobiledeploy verify A.tflite B.onnx",
            )


def _same_file(first: Path, second: Path) -> bool:
    return first.resolve() == second.resolve()


def _require(report: "VerifyReport", *, build: bool) -> None:
    """Raise a ParityError unless the files agree."""
    from mobiledeploy.base.errors import ParityError

    if not report.holds:
        more = len(report.failures) - 1
        rest = f" (and {more} more)" if more else ""
        again = "run `mobiledeploy build --from export` to write the files again"
        compare = "`--verbose` prints all findings, `--out FOLDER` writes a page with every layer"
        raise ParityError(f"{report.failures[0]}{rest}", hint=again if build else compare)
