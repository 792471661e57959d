"""Compare two files whose logits are floats, however their weights are packed."""

import dataclasses
from collections.abc import Sequence

from mobiledeploy import reading
from mobiledeploy.base.progress import Progress, silent
from mobiledeploy.verify import facts, float32
from mobiledeploy.verify.float32 import FloatFile
from mobiledeploy.verify.inputs import ImageSet
from mobiledeploy.verify.int8 import Options
from mobiledeploy.verify.parity import Answers
from mobiledeploy.verify.report import VerifyReport
from mobiledeploy.verify.runners import open_runners
from mobiledeploy.verify.side import Side


def are_floats(sides: tuple[Side, Side]) -> bool:
    """Whether neither file's logits are codes, so that there are no steps to count in."""
    return all(side.ends.logits is None for side in sides)


def verify(
    sides: tuple[Side, Side],
    sets: Sequence[ImageSet],
    options: Options,
    *,
    progress: Progress = silent,
) -> tuple[VerifyReport, tuple[Answers, ...]]:
    """Compare two float files by their logits, each in the runtime that apps use.

    Args:
        sides: The two files.
        sets: Images, at least one set, none empty.
        options: How much to do; there is no certificate of floats.
        progress: Told after every batch.

    Returns:
        The report, and with `options.keep` what the first file answered to each set.

    Raises:
        ParityError: The files are not of one shape, or their outputs do not vary.
        CorruptFileError: A runtime refuses a file, or dies of it.
    """
    runners = open_runners(sides, only_main=True, level=options.level, threads=options.threads)
    one, two = (
        FloatFile(name=runner.file, session=runner.session, feed=runner.feed) for runner in runners
    )
    report, answers = float32.compare((one, two), sets, progress=progress)
    packed = [f"{side.file.name} has {words}" for side in sides if (words := _kind(side))]
    warnings = ["no certificate: it is for int8 files"] if options.level == "full" else []
    report = dataclasses.replace(
        report,
        level=options.level,
        files=tuple(facts.of(side, runner) for side, runner in zip(sides, runners, strict=True)),
        failures=(*report.failures, *packed) if report.failures else (),
        warnings=(*warnings, *(packed if not report.failures else ())),
    )
    return report, answers if options.keep else ()


def _kind(side: Side) -> str:
    """Return in words what keeps a file from being plain float32."""
    if reading.arithmetic(side.reading) == "codes":
        return "int8 codes between its layers, but not as logits"
    return reading.compression(side.reading)
