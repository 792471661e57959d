"""The summary that `mobiledeploy verify` prints: at most 25 lines."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mobiledeploy.cli import _output

if TYPE_CHECKING:
    from mobiledeploy.verify.report import Comparison, Participant, VerifyReport

MOST_LINES: Final = 25
"""Most lines of the summary: they fit on one screen."""
WIDTH: Final = 79
"""Columns of the summary."""
LABEL: Final = 10
"""Columns of the labels on the left."""
MOST_ROWS: Final = 8
"""Most lines of the table of runtimes, its head included."""


def text(report: "VerifyReport", *, build: Path | None, out: Path | None) -> str:
    """Return the summary for a terminal of 25 lines and 80 columns.

    The parts that must not be missing have a limit of lines each; what was proven, sampled and
    noted shares the lines that are left.

    Args:
        report: The result of `verify`.
        build: The build folder that was verified; None for two files.
        out: Folder of the report page; None if there is none.
    """
    head = [
        *_output.lines_of(report.verdict, most=3, width=WIDTH),
        "",
        *_section("files", _files(report)),
        *_divergence(report),
    ]
    accuracy = _section("accuracy", _accuracy(report))
    last = _section("next", _next(report, build, out))
    # One line is kept for the number of sentences that have no room.
    room = MOST_LINES - 1 - len(head) - len(accuracy) - len(last)
    runtimes = _float_files(report) or _runtimes(report, most=min(MOST_ROWS, room))
    needed = [*head, *_section("runtimes", runtimes), *accuracy]
    room = MOST_LINES - len(needed) - len(last)
    return "\n".join([*needed, *_sentences_that_fit(report, room), *last])


def short_names(report: "VerifyReport") -> dict[str, str]:
    """Return the participants' names, with the number of the file instead of its name.

    File names may have any length, and tables have to fit.
    """
    numbers = {file.name: number for number, file in enumerate(report.files, start=1)}
    return {
        row.name: f"{row.name.removesuffix(ending)} {numbers[row.file]}"
        if row.name.endswith(ending := f" of {row.file}")
        else row.name
        for row in report.participants
    }


def lsb(value: float) -> str:
    """Return a difference in LSB: a whole number as it is, another one to three digits."""
    return f"{value:.0f}" if value == int(value) else f"{value:.3g}"


def versions(report: "VerifyReport") -> list[str]:
    """Return each runtime's name and version once, without its kernels and options."""
    return list(dict.fromkeys(name.partition(" (")[0] for name in report.runtimes))


def _section(label: str, lines: Sequence[str]) -> list[str]:
    """Return lines with a label before the first one."""
    labels = [label] + [""] * (len(lines) - 1)
    return [f"{word:{LABEL}}{line}" for word, line in zip(labels, lines, strict=False)]


def _sentence(label: str, words: str, *, most: int) -> list[str]:
    return _section(label, _output.lines_of(words, most=most, width=WIDTH - LABEL))


def _files(report: "VerifyReport") -> list[str]:
    """Return one line per file, with its whole name, and one for all files of its weights."""
    lines = []
    name = max((len(file.name) for file in report.files), default=0)
    size = max((len(f"{file.size:,}") for file in report.files), default=0)
    for file in report.files:
        lines.append(f"{file.name:{name}}  {file.size:{size},} bytes  sha256 {file.sha256[:16]}")
        match file.external_data:
            case ():
                continue
            case (beside,):
                said = f"{beside.name}  {beside.size:,} bytes  sha256 {beside.sha256[:16]}"
            case several:
                total = sum(beside.size for beside in several)
                said = f"{len(several)} files, {total:,} bytes: see --verbose"
        lines.append(f"  and its weights in {said}")
    return lines


def _divergence(report: "VerifyReport") -> list[str]:
    """Return the first layer that differs, the cause, and the image that differs most."""
    divergence = report.divergence
    if divergence is None:
        differ = report.structure is not None and not report.structure.same
        cause = report.structure.cause if report.structure and differ else ""
        return _sentence("cause", cause, most=4) if cause and not report.holds else []
    place = (
        f"layer {divergence.position} of {divergence.layers}"
        if divergence.position
        else "the input"
    )
    name = divergence.layer.partition(";")[0]
    return [
        *_sentence("differs", f"first in {place}: `{name}`, {divergence.operator}", most=2),
        *_sentence("cause", divergence.cause, most=4),
        *_sentence("seen on", divergence.image, most=1),
    ]


def _runtimes(report: "VerifyReport", *, most: int) -> list[str]:
    """Return one line per participant: how its outputs compare with the first participant's.

    Args:
        report: The result of `verify`.
        most: Most lines, the head included.
    """
    if not report.participants:
        return []
    (first, *others), names = report.participants, short_names(report)
    pairs = {pair.second: pair for pair in report.matrix if pair.first == first.name}
    rows: list[tuple[str, ...]]
    rows = [(f"vs {names[first.name]}", "images", "equal", "max LSB", "same top-1", "")]
    rows += [(names[row.name], *_compared(row, pairs.get(row.name))) for row in others[: most - 1]]
    lines = _output.columns(rows, right=range(1, 5))
    left = others[most - 1 :]
    return lines if not left else [*lines[:-1], f"and {len(left) + 1} more: see --verbose"]


def _compared(row: "Participant", pair: "Comparison | None") -> tuple[str, ...]:
    if pair is None:
        return ("0", "", "", "", "failed" if row.failure is not None else "not run")
    equal = pair.exact_logits == pair.images
    return (
        str(pair.images),
        str(pair.exact_logits),
        lsb(pair.max_logits_lsb),
        str(pair.same_top1),
        "failed"
        if row.failure is not None
        else "may differ"
        if not row.exact
        else "equal"
        if equal
        else "DIFFERS",
    )


def _float_files(report: "VerifyReport") -> list[str]:
    return [
        f"{pair.inputs}: within {pair.max_difference:.1e}, same top-1 on {pair.same_top1} of "
        f"{pair.images}"
        for pair in report.float_comparisons
    ]


def _accuracy(report: "VerifyReport") -> list[str]:
    if not report.scores:
        return ["not measured: there are no labelled images"]
    accuracies = ", ".join(f"{line.file} {line.labels.top1:.2%}" for line in report.scores)
    images = report.scores[0].labels.total
    width = WIDTH - LABEL
    lines = _output.lines_of(f"{accuracies} of {images} images", most=2, width=width)
    for test in report.paired[:1]:
        lines += _output.lines_of(test.words, most=3 - len(lines), width=width)
    return lines


def _next(report: "VerifyReport", build: Path | None, out: Path | None) -> list[str]:
    page = (
        "`--out report` writes a page with every layer and image"
        if out is None
        else f"open {out / 'report.html'}"
    )
    if not report.holds:
        return [page]
    if build is not None:
        return [f"mobiledeploy bundle{'' if build == Path('build') else f' {build}'}", page]
    if not report.scores:
        return ["`--data PHOTOS` (one sub-folder a class) measures the accuracy too", page]
    return [page]


def _sentences_that_fit(report: "VerifyReport", room: int) -> list[str]:
    """Return what was proven, sampled and noted, and the number of sentences without room."""
    kinds = [("proven", report.proven), ("note", report.warnings), ("sampled", _sampled(report))]
    on = [f"{report.cpu}; {', '.join(versions(report))}"]
    lines: list[str] = []
    left_out = len(report.failures[1:]) + len(report.assumptions)
    for label, sentences in (*kinds, ("run on", on)):
        kept: list[str] = []
        for sentence in sentences:
            more = _output.lines_of(sentence, most=4, width=WIDTH - LABEL, rest="  ")
            # One line is kept for the number of sentences that have no room.
            if len(lines) + len(kept) + len(more) < room:
                kept += more
            else:
                left_out += 1
        lines += _section(label, kept)
    if left_out:
        what = "finding or assumption" if left_out == 1 else "findings and assumptions"
        lines += _section("more", [f"{left_out} {what}: see --verbose"])
    return lines


def _sampled(report: "VerifyReport") -> list[str]:
    """Return the images on which equality was seen but not proven."""
    if not report.inputs:
        return []
    sets = ", ".join(f"{facts.images} {facts.name}" for facts in report.inputs)
    others = len(report.sampled) - len(report.comparisons)
    return [f"on {sets}" + (f"; {others} more checks" if others > 0 else "")]
