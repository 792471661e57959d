"""Printing of commands: data on stdout, messages and progress on stderr."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import typer

from mobiledeploy.base.errors import StorageError
from mobiledeploy.base.progress import Event, Progress, silent

WIDTH: Final = 100
"""Columns of printed text."""


class _Stdout:
    """What is known of stdout: whether data were printed to it."""

    used = False


def emit(text: str) -> None:
    """Print data to stdout.

    Raises:
        StorageError: stdout cannot be written.
    """
    _Stdout.used = True
    try:
        typer.echo(printable(text))
    except BrokenPipeError:
        raise  # the reader, such as `head`, has ended: Typer ends the program silently
    except OSError as error:
        _give_up_stdout()
        raise StorageError(
            f"cannot write to stdout: {error.strerror}",
            hint="check the disk or the program that stdout leads to",
        ) from error


def message(text: str) -> None:
    """Print a message to stderr."""
    typer.echo(printable(text), err=True)


def error(text: str, hint: str | None, *, status: int, kind: str, json: bool) -> None:
    """Print an error to stderr and, if JSON was asked for and none is printed yet, to stdout, too.

    Args:
        text: What was expected and what was received.
        hint: What to do about it.
        status: The exit status; see docs/exit-statuses.md.
        kind: The error's name there.
        json: Whether `--json` was given; the document follows docs/schemas/error.schema.json.
    """
    message("error: " + text.replace("\n", "\n  "))
    if hint:
        message(f"\nhint: {hint}")
    if json and not _Stdout.used:
        from json import dumps

        document = {"status": status, "kind": kind, "message": text, "hint": hint}
        try:
            emit(dumps({"error": document}, indent=2))
        except OSError:  # stderr has said it, and the exit status is that of the error
            _give_up_stdout()


def _give_up_stdout() -> None:
    """Drop the rest of the buffer, which would cause the same error at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def printable(text: str) -> str:
    """Return lines of text without control characters, since names come from untrusted files."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(sign if sign.isprintable() or sign in "\n\t" else "?" for sign in text)


def lines_of(
    words: str, *, most: int | None = None, width: int = WIDTH, first: str = "", rest: str = ""
) -> list[str]:
    """Return a sentence as lines; a word that is longer than a line is not divided.

    Args:
        words: The sentence; its clauses are separated by semicolons.
        most: Largest number of lines; None for no limit. A longer sentence is cut after the last
            clause that fits, or if none does, after the last word.
        width: Columns of a line, `first` and `rest` included.
        first: Text before the first line.
        rest: Text before each other line.
    """
    import textwrap

    wrapper = textwrap.TextWrapper(
        width,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
        placeholder=" ...",
    )
    lines = wrapper.wrap(words)
    if most is None or len(lines) <= most:
        return lines
    clauses = words[: most * width].split("; ")  # more than that fits in no case
    for kept in range(len(clauses) - 1, 0, -1):
        lines = wrapper.wrap("; ".join([*clauses[:kept], "..."]))
        if len(lines) <= most:
            return lines
    wrapper.max_lines = most
    return wrapper.wrap(words)


def table(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """Return a table with its head underlined.

    Args:
        rows: The head and the body, all of the same length.
        right: Numbers of the columns to align to the right.
    """
    lines = columns(rows, right=right)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def columns(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> list[str]:
    """Return rows of the same length as aligned lines; `right` are right-aligned columns."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


@contextmanager
def progress(*, quiet: bool) -> Iterator[Progress]:
    """Yield a `Progress` that shows a live line on a terminal and plain lines elsewhere."""
    if quiet:
        yield silent
    elif sys.stderr.isatty():
        with _live() as show:
            yield show
    else:
        yield _plain()


def _plain() -> Progress:
    """Print each new message of a stage once, without counters."""
    seen: set[tuple[str, str]] = set()

    def show(event: Event) -> None:
        if (event.stage, event.message) not in seen:
            seen.add((event.stage, event.message))
            message(f"{event.stage}: {event.message}")

    return show


@contextmanager
def _live() -> Iterator[Callable[[Event], None]]:
    """Show the running step with a bar and the time left; finished steps stay as lines."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    bars = Progress(
        TextColumn("{task.fields[stage]:>9}  {task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[count]}"),
        TimeRemainingColumn(compact=True),
        TextColumn("[dim]{task.fields[detail]}"),
        console=Console(stderr=True),
        transient=True,
    )
    # Each step is a separate task: a task keeps its total even if the next step has none.
    running: tuple[Event, TaskID, float] | None = None

    def finish() -> None:
        if running:
            event, task, start = running
            bars.remove_task(task)
            seconds = time.monotonic() - start
            bars.console.print(f"{event.stage:>9}  {event.message}  [dim]{seconds:.1f} s[/]")

    def show(event: Event) -> None:
        nonlocal running
        if not running or (running[0].stage, running[0].message) != (event.stage, event.message):
            finish()
            task = bars.add_task(event.message, stage=event.stage, count="", detail="", total=None)
            running = event, task, time.monotonic()
        count = f"{event.done}/{event.total}" if event.total else ""
        bars.update(
            running[1], completed=event.done, total=event.total, count=count, detail=event.detail
        )

    with bars:
        yield show
        finish()
