"""`mobiledeploy explain`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from mobiledeploy.cli import _options, _output
from mobiledeploy.cli.build import NOT_TRIED, too_little

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mobiledeploy.pipeline.explain import Answer, Changed, CropTrial, Explanation, Trial

MOST_CHANGED: Final = 20
"""Most images whose answers are printed; `--json` has all."""
_UNTRIED: Final = {
    "trained": "fake quantisation trained this network, and a trial does not train",
    "synthetic images": "the held-back images are synthetic; name photos with `--data`",
    "few images": "there are too few held-back images, or photos",
    "no exact form": "calibrated with these images, the network has no int8 form",
}
_TRIED: Final = {
    "logits": "`--head logits`, whose answers are not rounded to 1/256",
    "photos": "other calibration images",
    "effort": "`--effort best`",
}


def explain(
    build: Annotated[Path, typer.Argument(help="A build folder, with its stages' folders")] = Path(
        "build"
    ),
    attempts: Annotated[
        bool,
        typer.Option(
            "--try", help="Also try what may help, on held-back images, and say what it gave"
        ),
    ] = False,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="Photos that `--try` calibrates with, and that show which crop is right more",
        ),
    ] = None,
    samples: _options.Samples = None,
    top: Annotated[
        int, typer.Option(metavar="N", min=1, help="How many layers to print, the worst first")
    ] = 10,
    threads: _options.Threads = None,
    json: _options.Json = False,
    quiet: _options.Quiet = False,
) -> None:
    """Say which layers and photos int8 costs accuracy.

    Each layer is quantised alone, with all others in float, on the build's held-back images.
    TensorFlow is needed only for the distillation that `--try` tries.
    """
    import os

    from mobiledeploy.base import codec
    from mobiledeploy.pipeline import explain as explaining

    with _output.progress(quiet=quiet) as progress:
        explanation = explaining.explain(
            build,
            data=data,
            samples=samples,
            attempts=attempts,
            threads=threads or os.cpu_count() or 1,
            progress=progress,
        )
    if json:
        _output.emit(codec.to_json(explanation).decode().rstrip())
    else:
        _output.emit(summary(explanation, top))


def summary(explanation: "Explanation", top: int) -> str:
    """Return the answers that changed, the most costly layers and what helps."""
    parts = [
        _agreement(explanation),
        _layers(explanation, top),
        *([_changed(explanation)] if explanation.changed else []),
        *(_wrapped(words) for words in _helps(explanation)),
    ]
    return "\n\n".join(parts)


def _agreement(explanation: "Explanation") -> str:
    if explanation.same is None:
        start = f"{explanation.network}: {explanation.images} held-back images"
    else:
        start = (
            f"{explanation.network}: int8 answers as float on {explanation.same} of "
            f"{explanation.images} held-back images"
        )
    return f"{start}; the logits' SQNR is {explanation.sqnr:.1f} dB"


def _layers(explanation: "Explanation", top: int) -> str:
    rows: list[tuple[str, ...]] = [
        ("layer", "", "noise", "weights dB", "output dB", "in the whole dB")
    ]
    rows += [
        (
            layer.name, layer.op, f"{layer.share:.1%}", _decibels(layer.weights_sqnr),
            _decibels(layer.output_sqnr), _decibels(layer.sqnr),
        )
        for layer in explanation.layers[:top]
    ]  # fmt: skip
    more = len(explanation.layers) - top
    below = _wrapped(
        f"noise: the layer's part of the noise of the logits, each layer quantised alone on "
        f"{explanation.judges} images; weights, output: the logits' SQNR with only these in int8; "
        "in the whole: the output's SQNR in the whole int8 network, on "
        f"{explanation.traced} images"
        + (f"; {more} more layers: `--top {len(explanation.layers)}`" if more > 0 else "")
    )
    return f"{_output.table(rows, right=range(2, 6))}\n\n{below}"


def _decibels(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _changed(explanation: "Explanation") -> str:
    rows: list[tuple[str, ...]] = [
        ("changed answer", "float", "margin", "int8", "margin", "class")
    ]
    rows += [_row(changed) for changed in explanation.changed[:MOST_CHANGED]]
    if all(changed.label is None for changed in explanation.changed):
        rows = [row[:-1] for row in rows]
    more = len(explanation.changed) - MOST_CHANGED
    table = _output.table(rows, right=(2, 4))
    return f"{table}\nand {more} more: `--json`" if more > 0 else table


def _row(changed: "Changed") -> tuple[str, ...]:
    said = [(_answer(each), f"{each.margin:.2f}") for each in (changed.floats, changed.int8)]
    return (changed.image, *said[0], *said[1], changed.label or "")


def _answer(answer: "Answer") -> str:
    return ", ".join(answer.classes) or "none"


def _helps(explanation: "Explanation") -> "Iterator[str]":
    """Yield what helps, and what was tried and does not; nothing that was not measured."""
    helping = [_trial(trial) for trial in explanation.trials if trial.helps]
    idle = [_trial(trial) for trial in explanation.trials if not trial.helps]
    if helping:
        yield f"what helps: {'; '.join(helping)}"
    if idle:
        yield f"tried, and does not plainly help: {'; '.join(idle)}"
    if explanation.crop is not None:
        yield _crop(explanation.crop)
    if explanation.untried == "not asked":
        yield "`--try` measures what other calibration images and `--effort best` would give"
    elif explanation.untried is not None:
        yield f"calibration images and techniques were not tried: {_UNTRIED[explanation.untried]}"


def _trial(trial: "Trial") -> str:
    counts = f"{trial.before} -> {trial.after} of {trial.images} answers as float"
    if trial.sqnr_before is None or trial.sqnr_after is None:
        chance = trial.p is not None and trial.after > trial.before and not trial.helps
        return f"{_TRIED[trial.what]}: {counts}" + (
            f", which may be chance (p = {trial.p:.2g})" if chance else ""
        )
    words = (
        f"{_TRIED[trial.what]} ({trial.calibrated} calibrate, others judge): {counts}, "
        f"{trial.sqnr_before:.1f} -> {trial.sqnr_after:.1f} dB"
    )
    if trial.gain is not None and trial.why_not is not None:
        words += f" ({too_little(trial.gain, trial.why_not)})"
    if trial.what == "effort":
        words += "".join(
            f", without {each.name} ({NOT_TRIED[each.why]})" for each in trial.not_tried
        )
    return words


def _crop(crop: "CropTrial") -> str:
    ways = ((crop.crop, crop.right), (crop.other, crop.right_other))
    counts = ", ".join(f"{right.correct} of {right.total} with `{way}`" for way, right in ways)
    better = crop.right_other.correct > crop.right.correct
    return (
        f"{'another crop may help' if better else 'the crop is no worse than the other'}: the "
        f"float network is right on {counts}"
    )


def _wrapped(words: str) -> str:
    return "\n".join(_output.lines_of(words))
