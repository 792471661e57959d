"""`mobiledeploy verify --device`: the golden vectors on a phone."""

from pathlib import Path
from typing import TYPE_CHECKING

from mobiledeploy.cli import _output

if TYPE_CHECKING:
    from mobiledeploy.device.verify import DeviceReport


def run(
    files: list[Path],
    *,
    serial: str | None,
    apk: Path | None,
    benchmark: Path | None,
    threads: int,
    json: bool,
    quiet: bool,
) -> None:
    """Prove a build on a phone, and print what was found.

    Raises:
        ParityError: It does not hold.
        MobileDeployError: See `deploy.device.verify`.
    """
    from mobiledeploy.base import codec
    from mobiledeploy.base.errors import ParityError, RequestError
    from mobiledeploy.device import verify

    if len(files) != 1:
        raise RequestError(f"expected a build folder with `--device`, received {len(files)} files")
    with _output.progress(quiet=quiet) as progress:
        report = verify.verify(
            files[0],
            serial=serial,
            apk=apk,
            benchmark=benchmark,
            threads=threads,
            progress=progress,
        )
    _output.emit(codec.to_json(report).decode().rstrip() if json else _text(report))
    if not report.holds:
        raise ParityError("; ".join(report.failures))


def _text(report: "DeviceReport") -> str:
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
    unit = "LSB" if report.unit == "lsb" else "fractions of the largest value"
    parts = [
        f"{report.model} on this phone: {verdict}",
        phone,
        _output.table(rows, right=(1, 2, 3, 4, 5, 6)) + f"\ndifferences in {unit}",
        f"crop and resize: {'bit-exact' if report.resize_holds else 'WRONG'}",
    ]
    if report.latency is not None:
        timed = report.latency
        median = "" if timed.median_us is None else f", median {timed.median_us / 1000:.2f} ms"
        parts.append(
            f"benchmark_model: {timed.mean_us / 1000:.2f} ms on average of {timed.runs} runs"
            f"{median}, {timed.threads} thread{'s' * (timed.threads != 1)}"
        )
    if report.failures[1:]:
        parts.append("differs:\n" + "\n".join(f"  - {line}" for line in report.failures[1:]))
    return "\n\n".join(parts)
