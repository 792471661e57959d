"""The tables that `mobiledeploy verify --verbose` prints below the summary."""

import string
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mobiledeploy.cli import _output
from mobiledeploy.cli._verify_summary import WIDTH, lsb, short_names, versions

if TYPE_CHECKING:
    from mobiledeploy.verify.report import Comparison, Divergence, LayerRow, VerifyReport


def text(report: "VerifyReport") -> str:
    """Return all tables and findings of a report, for a terminal of 80 columns or more."""
    parts = [
        _files(report),
        _divergence(report.divergence, report) if report.divergence is not None else "",
        _against_first(report),
        _matrix(report),
        _float_files(report),
        _accuracy(report),
        _list("assumed", report.assumptions),
        _list("proven", report.proven),
        _list("sampled: seen on these images only", report.sampled),
        _list("differs", report.failures),
        _list("note", report.warnings),
        _list("photos left out", report.unreadable),
        _wrapped(f"{report.cpu}; {', '.join(versions(report))}"),
    ]
    return "\n\n".join(part for part in parts if part)


def _files(report: "VerifyReport") -> str:
    lines = []
    for file in report.files:
        lines.append(f"{file.name}  {file.size:,} bytes  sha256 {file.sha256[:16]}")
        lines += [
            f"  weights in {beside.name}  {beside.size:,} bytes  sha256 {beside.sha256[:16]}"
            for beside in file.external_data
        ]
        lines.append(f"  in:  {file.input}")
        lines.append(f"  out: {file.output}")
    return "\n".join(lines)


def _against_first(report: "VerifyReport") -> str:
    """Return the differences of every other participant from the first."""
    if not report.participants:
        return ""
    first, names = report.participants[0].name, short_names(report)
    starred = {row.name: f"{names[row.name]}{' *' * row.exact}" for row in report.participants}
    head = f"against {names[first]}"
    rows = [(head, "images", "equal", "max", "mean", "scores", "top-1", "top-5")]
    rows += [
        (
            starred[pair.second],
            str(pair.images),
            str(pair.exact_logits),
            lsb(pair.max_logits_lsb),
            lsb(pair.mean_logits_lsb),
            "-" if pair.max_scores_lsb is None else lsb(pair.max_scores_lsb),
            f"{pair.same_top1 / pair.images:.1%}",
            "-" if pair.same_top5 is None else f"{pair.same_top5 / pair.images:.1%}",
        )
        for pair in report.matrix
        if pair.first == first
    ]
    rows += [
        (starred[row.name], "0", "failed", "failed", "failed", "-", "-", "-")
        for row in report.participants
        if row.failure is not None and not row.images
    ]
    note = (
        "equal: images with every logit equal; max, mean: difference of logits in LSB; scores: "
        "largest difference of the softmax in LSB; top-1, top-5: the same classes. Only the "
        "runtimes marked * have to be equal: the others round differently by design."
    )
    if names[first] != first:
        note += " 1 is the first file, 2 the second."
    return f"{_output.table(rows, right=range(1, 8))}\n{_wrapped(note)}"


def _matrix(report: "VerifyReport") -> str:
    """Return the matrix of the largest differences, with a letter for each participant."""
    names = [row.name for row in report.participants]
    if len(names) < 3:
        return ""
    pairs = {frozenset((pair.first, pair.second)): pair for pair in report.matrix}
    letters, short = string.ascii_uppercase[: len(names)], short_names(report)
    rows = [("max LSB of logits", *letters)]
    for letter, name in zip(letters, names, strict=True):
        cells = [_cell(pairs.get(frozenset((name, other)))) for other in names]
        rows.append((f"{letter}  {short[name]}", *cells))
    table = _output.table(rows, right=range(1, len(names) + 1))
    return f"{table}\n=: every logit is equal, on every image that both ran"


def _cell(pair: "Comparison | None") -> str:
    if pair is None:
        return "."
    return "=" if pair.exact_logits == pair.images else lsb(pair.max_logits_lsb)


def _float_files(report: "VerifyReport") -> str:
    if not report.float_comparisons:
        return ""
    rows = [("inputs", "images", "max difference", "same top-1")]
    rows += [
        (pair.inputs, str(pair.images), f"{pair.max_difference:.1e}", str(pair.same_top1))
        for pair in report.float_comparisons
    ]
    return _output.table(rows, right=(1, 2, 3))


def _accuracy(report: "VerifyReport") -> str:
    if not report.scores:
        return ""
    rows = [("accuracy", "correct", "images", "top-1", "95 % interval", "as float")]
    rows += [
        (
            line.file,
            str(line.labels.correct),
            str(line.labels.total),
            f"{line.labels.top1:.2%}",
            f"{line.interval[0]:.2%} to {line.interval[1]:.2%}",
            "-" if line.float_model is None else f"{line.float_model.top1:.2%}",
        )
        for line in report.scores
    ]
    words = "\n".join(_wrapped(test.words) for test in report.paired)
    return f"{_output.table(rows, right=range(1, 6))}\n{words}".rstrip()


def _divergence(divergence: "Divergence", report: "VerifyReport") -> str:
    name, second = (layer.partition(";")[0] for layer in (divergence.layer, divergence.other))
    other = "" if second == name else f" (`{second}` in the second file)"
    place = (
        f"layer {divergence.position} of {divergence.layers}"
        if divergence.position
        else "the input"
    )
    lines = [
        f"first diverges in {place}: `{name}`{other}, {divergence.operator}",
        f"cause: {divergence.cause}",
    ]
    if divergence.image:
        lines.append(f"largest difference on: {divergence.image}")
    if divergence.histogram:
        total = sum(count for _, count in divergence.histogram)
        most_frequent = sorted(divergence.histogram, key=lambda entry: -entry[1])[:6]
        steps = ", ".join(f"{step:+d} LSB: {count}" for step, count in sorted(most_frequent))
        lines.append(f"there {total} of its codes differ ({steps})")
    if divergence.channels:
        channels = ", ".join(
            f"{hot.channel} ({hot.max_lsb} LSB, {hot.differing:.1%} of its codes)"
            for hot in divergence.channels[:4]
        )
        lines.append(f"worst channels: {channels}")
    if divergence.blamed:
        lines.append(
            f"in this layer {divergence.blamed} does not compute what its own file's integers give"
        )
    if report.layers:
        lines.append(_alone(report.layers))
    return "\n".join(_wrapped(line) for line in lines)


def _alone(layers: Sequence["LayerRow"]) -> str:
    """Return how many layers differ end to end, and which of them differ when run alone."""
    differing = sum(row.max_lsb > 0 for row in layers)
    alone = [row for row in layers if row.alone_max_lsb]
    named = [
        f"`{row.layer.partition(';')[0]}` by {lsb(row.alone_max_lsb or 0)} LSB"
        for row in alone[:4]
    ]
    named += [f"{len(alone) - 4} more"] if len(alone) > 4 else []
    uncut = sum(row.alone_max_lsb is None for row in layers)
    return (
        f"{differing} of {len(layers)} layers differ end to end; cut out of both files and run "
        f"alone on the same codes, {len(alone) or 'none'}"
        + (f": {', '.join(named)}" if named else "")
        + (f"; {uncut} could not be cut out" if uncut else "")
    )


def _list(title: str, lines: tuple[str, ...]) -> str:
    if not lines:
        return ""
    items = [_wrapped(line, first="  - ", rest="    ") for line in lines]
    return "\n".join([f"{title}:", *items])


def _wrapped(line: str, *, first: str = "", rest: str = "") -> str:
    return "\n".join(_output.lines_of(line, width=WIDTH, first=first, rest=rest))
