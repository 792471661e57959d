"""`mobiledeploy verify` of golden vectors on a phone or on emulated CPUs.

The options are `--device`, `--arm64` and `--no-vnni`.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from mobiledeploy.cli import _output

if TYPE_CHECKING:
    from mobiledeploy.device.verify import DeviceReport
    from mobiledeploy.emulation.verify import EmulatedReport, EmulatedRun


def on_phone(
    files: list[Path],
    *,
    serial: str | None,
    apk: Path | None,
    benchmark: Path | None,
    threads: int,
    json: bool,
    quiet: bool,
) -> None:
    """Verify a build on a phone, and print the report.

    Raises:
        RequestError: Not exactly one build folder was named.
        ParityError: The phone's answers differ.
        MobileDeployError: See `device.verify`.
    """
    from mobiledeploy.base import codec
    from mobiledeploy.base.errors import ParityError, RequestError
    from mobiledeploy.device import verify

    if len(files) != 1:
        raise RequestError(
            f"expected a build folder with `--device`, received {len(files)} files",
            hint="mobiledeploy verify BUILD --device",
        )
    with _output.progress(quiet=quiet) as progress:
        report = verify.verify(
            files[0],
            serial=serial,
            apk=apk,
            benchmark=benchmark,
            threads=threads,
            progress=progress,
        )
    _output.emit(codec.to_json(report).decode().rstrip() if json else _phone_report(report))
    if not report.holds:
        raise ParityError(
            "; ".join(report.failures),
            hint="`mobiledeploy bundle --apk app.apk` makes an app that carries this build",
        )


def _phone_report(report: "DeviceReport") -> str:
    """Return the report for a terminal."""
    facts = {**report.phone, **report.app}
    phone = (
        f"{facts['manufacturer']} {facts['model']} ({report.serial}), Android {facts['android']}, "
        f"API level {facts['sdk']}, {facts['abi']}, pages of {facts['page_size']} bytes"
    )
    verdict = "holds" if report.holds else f"does not hold: {report.failures[0]}"
    rows = [("engine", "images", "logits equal", "max", "scores max", "same top-1", "median ms")]
    rows += [
        (
            engine.title,
            str(engine.images),
            str(engine.exact_logits),
            f"{engine.max_logits:.3g}",
            f"{engine.max_scores:.3g}",
            str(engine.same_top1),
            "-" if engine.median_ms is None else f"{engine.median_ms:.1f}",
        )
        for engine in report.engines
    ]
    unit = {"lsb": "LSB", "relative": "fractions of the largest value"}[report.unit]
    parts = [
        f"{report.model} on this phone: {verdict}",
        phone,
        _output.table(rows, right=(1, 2, 3, 4, 5, 6)) + f"\ndifferences in {unit}",
        f"crop and resize: {'bit-exact' if report.resize_holds else 'DIFFER'}",
    ]
    if report.latency is not None:
        times = report.latency
        median = "" if times.median_us is None else f", median {times.median_us / 1000:.2f} ms"
        parts.append(
            f"benchmark_model: {times.mean_us / 1000:.2f} ms on average of {times.runs} runs"
            f"{median}, {times.threads} thread{'s' * (times.threads != 1)}"
        )
    if report.failures[1:]:
        parts.append("differs:\n" + "\n".join(f"  - {line}" for line in report.failures[1:]))
    return "\n\n".join(parts)


def on_emulated_cpus(
    files: list[Path], *, arm64: bool, no_vnni: bool, samples: int | None, json: bool, quiet: bool
) -> None:
    """Verify a build on emulated CPUs, and print the report.

    Raises:
        RequestError: Not exactly one build folder was named, or both modes.
        ParityError: Answers differ.
        MobileDeployError: See `emulation.verify`.
    """
    from mobiledeploy.base import codec
    from mobiledeploy.base.errors import ParityError, RequestError
    from mobiledeploy.emulation import verify

    if len(files) != 1 or (arm64 and no_vnni):
        raise RequestError(
            "expected a build folder, and one of `--arm64` and `--no-vnni`",
            hint="mobiledeploy verify BUILD --arm64, then mobiledeploy verify BUILD --no-vnni",
        )
    with _output.progress(quiet=quiet) as progress:
        if arm64:
            report = verify.on_arm64(files[0], samples=samples, progress=progress)
        else:
            report = verify.on_x86_without_vnni(files[0], samples=samples, progress=progress)
    _output.emit(codec.to_json(report).decode().rstrip() if json else _emulated_report(report))
    if not report.holds:
        raise ParityError(
            "; ".join(report.failures), hint="docs/emulated-cpus.md says what is known to differ"
        )


def _emulated_report(report: "EmulatedReport") -> str:
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
        "session.x64quantprecision=1 prevents it"
        for run in report.runs
        if not run.required and run.differing_logits
    ]
    return "\n\n".join([*lines, report.proves])


def _verdict(run: "EmulatedRun") -> str:
    if not run.required:
        return "for comparison"
    return "" if run.exact_logits == run.images else "differs"
