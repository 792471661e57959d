"""`mobiledeploy build`."""

import contextlib
import shlex
import signal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from mobiledeploy.base.errors import InterruptedBuildError
from mobiledeploy.cli import _options, _output
from mobiledeploy.spec.config import (
    ALPHAS,
    CROPS,
    EFFORTS,
    HEADS,
    INPUT_RANGES,
    IOS,
    QAT_ENGINES,
    WEIGHTS_PER,
    BuildConfig,
)

if TYPE_CHECKING:
    from mobiledeploy.spec.results import (
        BuildReport,
        FloatAgreement,
        Gain,
        LabelScore,
        NotTried,
        Rung,
        WhyLeftOut,
        WhyNotTried,
    )

_CONTINUE: Final = "run the same command again: it continues where it stopped"
_WIDTHS = "; ".join(f"{arch}: {', '.join(map(str, widths))}" for arch, widths in ALPHAS.items())


def _one_of(names: tuple[str, ...]) -> str:
    return f"[{'|'.join(names)}]"


def build(
    context: typer.Context,
    arch: Annotated[
        str, typer.Option(metavar=_one_of(tuple(ALPHAS)), help="MobileNet V1 or V2")
    ] = "v2",
    int8: Annotated[
        bool, typer.Option("--int8/--float", help="Quantise, or write float32 files")
    ] = True,
    alpha: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help=f"Width multiplier. {_WIDTHS}. Default: for digits the smallest, for photos 1.0",
        ),
    ] = None,
    image_size: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Height and width, pixels. Default: for digits 32, for photos 224"
        ),
    ] = None,
    data: Annotated[
        str,
        typer.Option(
            metavar="SOURCE",
            help="`digits` (built in), or a folder of photos with one sub-folder a class",
        ),
    ] = "digits",
    weights: Annotated[
        str,
        typer.Option(
            metavar="SOURCE",
            help="Start from `none`, `imagenet`, or a Keras file: .keras, .h5, .weights.h5",
        ),
    ] = "none",
    crop: Annotated[
        str, typer.Option(metavar=_one_of(CROPS), help="How a photo becomes square")
    ] = "center",
    input_range: Annotated[
        str,
        typer.Option(
            metavar=_one_of(INPUT_RANGES),
            help="Range of the network's input. Weights need the range that they were trained "
            "with: ImageNet's -1..1, many others 0..1 (pixel / 255)",
        ),
    ] = "-1..1",
    epochs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Passes over the training images. Default: depends on data and weights",
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(metavar="N", help="Images a step. Default: depends on data and weights"),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            metavar="X", help="Peak of the schedule. Default: depends on data and weights"
        ),
    ] = None,
    qat_engine: Annotated[
        str | None,
        typer.Option(
            metavar=_one_of(QAT_ENGINES),
            help="How to do quantisation-aware training. Default: folded",
        ),
    ] = None,
    qat_steps: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Steps of quantisation-aware training; 0 for post-training only. Default: 60",
        ),
    ] = None,
    effort: Annotated[
        str | None,
        typer.Option(
            metavar=_one_of(EFFORTS),
            help="How much is tried to answer as the float network does; quick: plain ranges. "
            "Default: default",
        ),
    ] = None,
    weights_per: Annotated[
        str | None,
        typer.Option(
            metavar=_one_of(WEIGHTS_PER),
            help="What of a convolution's weights has a scale; tensor: for targets that need it. "
            "Default: channel",
        ),
    ] = None,
    calibration_images: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="How many photos decide the ranges. Default: 256"),
    ] = None,
    calibrate: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE", help="Photos that decide the ranges, in place of training photos"
        ),
    ] = None,
    io: Annotated[
        str | None,
        typer.Option(
            metavar=_one_of(IOS),
            help="Type of the int8 files' input and output. MediaPipe takes uint8 and float32 "
            "only. Default: int8",
        ),
    ] = None,
    head: Annotated[
        str,
        typer.Option(
            metavar=_one_of(HEADS), help="Output of the files: scores (softmax) or logits"
        ),
    ] = "softmax",
    licence: _options.Licence = "",
    seed: Annotated[
        int, typer.Option(metavar="N", help="Seed of initial weights, order and augmentation")
    ] = 0,
    threads: Annotated[
        int | None,
        typer.Option(metavar="N", help="Threads of the training. Default: one a core, 8 at most"),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="Build folder")
    ] = Path("build"),
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="STAGE",
            help="Run this stage and the later ones again: data, train, quantise, export, verify",
        ),
    ] = None,
    json: _options.Json = False,
    quiet: _options.Quiet = False,
) -> None:
    """Train and quantise a model, and prove its two files equal.

    The build folder gets model.tflite, model.onnx and the proof that they compute the same. A
    second run repeats only what has changed; an interrupted one continues where it stopped.
    """
    from typing import cast

    from mobiledeploy.base import codec, files
    from mobiledeploy.pipeline import build as pipeline
    from mobiledeploy.spec import defaults

    out = files.user_path(str(out))
    config = defaults.decide(
        arch=cast("Any", arch),
        alpha=alpha,
        image_size=image_size,
        data=data,
        weights=weights,
        crop=cast("Any", crop),
        input_range=cast("Any", input_range),
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        qat_engine=cast("Any", qat_engine),
        qat_steps=qat_steps,
        effort=cast("Any", effort),
        weights_per=cast("Any", weights_per),
        calibration_images=calibration_images,
        calibrate=calibrate,
        int8=int8,
        io=cast("Any", io),
        head=cast("Any", head),
        licence=licence,
        seed=seed,
        threads=threads,
    )
    if not quiet:
        _output.message(_plan(config))
    with interruptible(), _output.progress(quiet=quiet) as progress:
        report = pipeline.build(
            config,
            out,
            progress=progress,
            start=start,
            asked=[name for name, _ in _options.given(context)],
        )
    if json:
        _output.emit(codec.to_json(report).decode().rstrip())
    else:
        _output.emit(summary(report, out))
    pipeline.require(report)


def _plan(config: BuildConfig) -> str:
    """Return three lines about what will be built, defaults included."""
    model, train, quantise, export = config.model, config.train, config.quantise, config.export
    kind = f"int8 (io {export.io}, head {export.head})" if export.int8 else "float32"
    steps = f"QAT {quantise.engine} {quantise.steps} steps" if export.int8 else "no quantisation"
    return (
        f"MobileNet {model.arch}, alpha {model.alpha}, {model.image_size} px, {kind}\n"
        f"data {config.data}, weights {train.weights}\n"
        f"{train.epochs} epochs of batch {train.batch_size}, {steps}, seed {train.seed}, "
        f"{train.threads} threads\n"
    )


def summary(report: "BuildReport", out: Path) -> str:
    """Return the accuracies, whether the two files agree, and the next command."""
    from mobiledeploy.data import class_names, image_files
    from mobiledeploy.spec import results
    from mobiledeploy.spec.contract import MODELS

    sizes = {Path(file.path).name: f"{file.size:,}" for file in report.files}
    rows: list[tuple[str, ...]] = [("model", "top-1", "balanced", "images", "bytes", "")]
    for line in report.scores:
        size, mark = sizes.get(line.name, ""), "shipped" if line.shipped else ""
        mean = "" if line.balanced is None else f"{line.balanced:.2%}"
        rows.append((line.name, f"{line.test.top1:.2%}", mean, str(line.test.total), size, mark))
    if all(line.balanced is None for line in report.scores):
        rows = [row[:2] + row[3:] for row in rows]
    if not report.scores:
        rows = [("model", "bytes"), *sizes.items()]
    numbers = [column for column, head in enumerate(rows[0]) if column and head]
    parts = [_output.table(rows, right=numbers)]
    if report.label_scores:
        parts.append(_label_table(report.label_scores))
    if report.rungs or report.not_tried:
        parts.append(_rung_table(report.rungs, report.not_tried))
    if report.float_agreement:
        parts.append(_wrapped(_as_float(report.float_agreement)))
    never = results.never_right(report.recalls)
    if never:
        parts.append(_wrapped(f"warning: model.tflite is {never}"))
    if report.reason:
        parts.append(_wrapped(report.reason))
    if report.note:
        about = "weights" if report.labels_from is None else "note"
        parts.append(_wrapped(f"{about}: {report.note}"))
    parts += [_wrapped(f"warning: {warning}") for warning in report.warnings]
    parts += [
        _wrapped(f"warning: {class_names.in_words(*pair)}") for pair in report.similar_classes
    ]
    if report.ignored:
        parts.append(
            _wrapped(f"ignored files that are no images: {image_files.in_words(report.ignored)}")
        )
    if report.unreadable:
        count = len(report.unreadable)
        photos = "1 photo was" if count == 1 else f"{count} photos were"
        parts.append("\n  ".join((f"{photos} left out:", *report.unreadable)))
    times = ", ".join(f"{t.stage} {t.seconds:.1f} s" for t in report.times)
    parts.append(
        f"{_wrapped(f'parity: {report.verdict}')}\n"
        f"time: {times}; in all {sum(t.seconds for t in report.times):.1f} s"
    )
    folder = "" if out == Path("build") else f" {shlex.quote(str(out))}"
    if report.holds:
        step = f"mobiledeploy verify{folder} --out report, then mobiledeploy bundle{folder}"
    elif any(line.name == "float" and line.shipped for line in report.scores):
        step = f"see {shlex.quote(str(out / 'verify' / 'report.json'))}"  # a pair of int8 only
    else:
        pair = " ".join(shlex.quote(str(out / "export" / name)) for name in MODELS)
        step = f"mobiledeploy verify {pair}, which names what differs"
    parts.append(f"next: {step}")
    return "\n\n".join(parts)


def _as_float(agreement: "FloatAgreement") -> str:
    """Return how often int8 answers as the float network does, in a sentence."""
    what = "likeliest label" if agreement.of == "label" else "class"
    images = "synthetic images" if agreement.synthetic else "images"
    same, by_scores = agreement.same, agreement.by_scores
    words = f"same {what} as the float network: {same.correct} of {same.total} {images}"
    if by_scores is None or by_scores == same:
        return words
    return (
        f"{words} by the logits, {by_scores.correct} by the scores in the files: these are "
        "multiples of 1/256, and of equal ones the first counts; `--head logits` gives the logits"
    )


def _label_table(lines: "Sequence[LabelScore]") -> str:
    """Return how often each label is right, where several may hold for an image."""
    rows = [("labels above 0.5", "right", "of those present", "all of an image", "images")]
    rows += [
        (
            line.name, f"{line.decisions.top1:.2%}",
            f"{line.present.top1:.2%}" if line.present.total else "none",
            f"{line.exact.top1:.2%}", str(line.exact.total),
        )
        for line in lines
    ]  # fmt: skip
    return _output.table(rows, right=range(1, 5))


def _rung_table(rungs: "Sequence[Rung]", not_tried: "Sequence[NotTried]") -> str:
    """Return what each technique of quantisation gave, and which were kept."""
    rows: list[tuple[str, ...]] = [("technique", "as float", "SQNR dB", "seconds", "")]
    rows += [
        (
            rung.name, "-" if rung.same is None else f"{rung.same}/{rung.images}",
            f"{rung.sqnr:.1f}", f"{rung.seconds:.1f}", _kept(rung),
        )
        for rung in rungs
    ]  # fmt: skip
    numbers = range(1, 4)
    if all(rung.same is None for rung in rungs):
        rows, numbers = [(row[0], *row[2:]) for row in rows], range(1, 3)
    lines = [_output.table(rows, right=numbers)] if rungs else []
    whys = dict.fromkeys(each.why for each in not_tried)
    lines += [
        _wrapped(
            f"not tried: {', '.join(each.name for each in not_tried if each.why == why)}: "
            f"{NOT_TRIED[why]}"
        )
        for why in whys
    ]
    return "\n".join(lines)


def _kept(rung: "Rung") -> str:
    if rung.kept:
        return "kept"
    if rung.gain is None or rung.left_out is None:
        return "left out"
    return f"left out: {too_little(rung.gain, rung.left_out)}"


def too_little(gain: "Gain", why: "WhyLeftOut") -> str:
    """Return in words why a gain is not enough to keep what gave it."""
    from mobiledeploy.pipeline import ladder

    if why == "answers lost":
        return f"{gain.lost} answers fewer"
    if why == "little gain":
        return f"{_less(gain.sqnr)} dB, less than {ladder.GAIN:g}"
    if gain.mean is None or gain.error is None:
        return "outputs are not finite"
    if gain.mean < ladder.GAIN:
        return f"{_less(gain.mean)} dB an image, less than {ladder.GAIN:g}"
    return f"{gain.mean:+.1f} dB an image, standard error {gain.error:.1f}"


def _less(decibels: float) -> str:
    """Return a gain as text that is never more than it is: 0.099 as +0.09."""
    import math

    return f"{math.floor(decibels * 100) / 100:+.2f}"


NOT_TRIED: Final["Mapping[WhyNotTried, str]"] = {
    "good enough": "the network answers as the float one without",
    "changes nothing": "it would change nothing in this network",
    "no TensorFlow": "training needs TensorFlow: python -m pip install 'mobiledeploy[build]'",
    "not trainable": "a layer of this network cannot be trained",
    "synthetic images": "training needs real images or values",
    "few images": "there are too few images to judge it by",
    "every image calibrates": "without the images that would judge the network has no int8 form",
    "no exact form": "with its numbers the runtimes would round differently",
}


def _wrapped(words: str) -> str:
    return "\n".join(_output.lines_of(words))


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Turn Ctrl-C into an Abort with a hint, and SIGTERM into an InterruptedBuildError.

    Inside both raise KeyboardInterrupt, so that every `finally` runs.
    """
    terminated = False

    def terminate(number: int, frame: FrameType | None) -> None:
        del number, frame
        nonlocal terminated
        terminated = True
        raise KeyboardInterrupt

    earlier = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    except KeyboardInterrupt as error:
        if terminated:
            raise InterruptedBuildError("terminated by a signal", hint=_CONTINUE) from error
        raise typer.Abort(_CONTINUE) from error
    finally:
        signal.signal(signal.SIGTERM, earlier)
