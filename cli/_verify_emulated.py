"""`mobiledeploy verify --arm64` and `--no-vnni`: the golden vectors on emulated CPUs."""

from pathlib import Path
from typing import TYPE_CHECKING

from mobiledeploy.cli import _output

if TYPE_CHECKING:
    from mobiledeploy.emulation.verify import EmulatedReport, EmulatedRun


def run(
    files: list[Path], *, arm64: bool, no_vnni: bool, samples: int | None, json: bool, quiet: bool
) -> None:
    """Prove a build on emulated CPUs, and print what was found.

    Raises:
        ParityError: It does not hold.
        MobileDeployError: See `emulation.verify`.
    """
    from mobiledeploy.base import codec
    from mobiledeploy.base.errors import ParityError, RequestError
    from mobiledeploy.emulation import verify

    if len(files) != 1 or (arm64 and no_vnni):
        raise RequestError("expected a build folder, and one of `--arm64` and `--no-vnni`")
    with _output.progress(quiet=quiet) as progress:
        if arm64:
            report = verify.on_arm64(files[0], samples=samples, progress=progress)
        else:
            report = verify.on_x86_without_vnni(files[0], samples=samples, progress=progress)
    _output.emit(codec.to_json(report).decode().rstrip() if json else _text(report))
    if not report.holds:
        raise ParityError("; ".join(report.failures))


def _text(report: "EmulatedReport") -> str:
    rows = [("emulated CPU", "runtime", "images", "equal", "max", "scores", "top-1", "")]
    rows += [
        (
            run.machine,
            run.runtime + (" + option" if run.precise else ""),
            str(run.images),
            str(run.exact_logits),
            str(run.max_logits_lsb),
            "-" if run.max_scores_lsb is None else str(run.max_scores_lsb),
            str(run.same_top1),
            _verdict(run),
        )
        for run in report.runs
    ]
    exact = sum(run.exact_logits for run in report.runs if run.required)
    images = sum(run.images for run in report.runs if run.required)
    predicted = [run for run in report.runs if run.scores_as_predicted is not None]
    lines = [
        f"holds: logits equal on {exact} of {images} golden vectors"
        if report.holds
        else f"does not hold: {report.failures[0]}",
        _output.table(rows, right=(2, 3, 4, 5, 6))
        + "\nequal: golden vectors with every logit equal; max, scores: largest difference in LSB",
    ]
    if predicted:
        equal = sum(run.scores_as_predicted or 0 for run in predicted)
        lines.append(
            f"LiteRT's scores are what the NumPy oracle's softmax of that CPU gives on {equal} of "
            f"{sum(run.images for run in predicted)} images"
        )
    lines += [
        f"without the option: {run.differing_logits} logits are off by up to "
        f"{run.max_logits_lsb} LSB: ONNX Runtime's sums saturate on such a CPU; "
        "session.x64quantprecision=1 mends it"
        for run in report.runs
        if not run.required and run.differing_logits
    ]
    return "\n\n".join([*lines, report.proves])


def _verdict(run: "EmulatedRun") -> str:
    if not run.required:
        return "for comparison"
    return "" if run.exact_logits == run.images else "differs"
