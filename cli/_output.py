"""What commands print: data on stdout, talk on stderr, one JSON document with `--json`."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import typer

from mobiledeploy.errors import StorageError
from mobiledeploy.progress import Event, Progress, silent


def emit(text: str) -> None:
    """Print data.

    Raises:
        StorageError: It cannot be written where stdout leads.
    """
    try:
        typer.echo(text)
    except BrokenPipeError:
        raise  # `head` has seen enough: Typer ends the program without a word
    except OSError as error:
        # What is left in the buffer would fail once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise StorageError(f"cannot write to stdout: {error.strerror}") from error


def talk(text: str) -> None:
    """Print what is not data."""
    typer.echo(text, err=True)


def table(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """Return rows as columns of text, the first row underlined.

    Args:
        rows: The head and the body, all of one length.
        right: Columns to align to the right.
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


@contextmanager
def progress(*, quiet: bool) -> Iterator[Progress]:
    """Give a `Progress` that shows a live line on a terminal and plain lines elsewhere."""
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
            talk(f"{event.stage}: {event.message}")

    return show


@contextmanager
def _live() -> Iterator[Callable[[Event], None]]:
    """Show the running step with a bar and the time left; finished steps stay as lines."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    bars = Progress(
        TextColumn("{task.fields[stage]:>9}  {task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("[dim]{task.fields[detail]}"),
        console=Console(stderr=True),
        transient=True,
    )
    with bars:
        task = bars.add_task("", stage="", detail="", total=None)
        current: tuple[str, str] | None = None
        start = time.monotonic()

        def show(event: Event) -> None:
            nonlocal current, start
            if current != (event.stage, event.message):
                if current is not None:
                    seconds = time.monotonic() - start
                    bars.console.print(f"{current[0]:>9}  {current[1]}  [dim]{seconds:.1f} s[/]")
                current, start = (event.stage, event.message), time.monotonic()
                bars.reset(task, description=event.message, stage=event.stage, detail="")
            bars.update(task, completed=event.done, total=event.total, detail=event.detail)

        yield show
        if current is not None:
            seconds = time.monotonic() - start
            bars.console.print(f"{current[0]:>9}  {current[1]}  [dim]{seconds:.1f} s[/]")
