"""Ctrl-C and SIGTERM end a build cleanly; what it has finished is kept."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

import typer

from mobiledeploy.base.errors import InterruptedBuildError
from mobiledeploy.cli import _output

INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""

_GO_ON = "run the same command again: it goes on where it was"


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Turn Ctrl-C into exit status 130, and SIGTERM into an InterruptedBuildError.

    Both raise KeyboardInterrupt inside, so that every `finally` on the way runs.
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
            raise InterruptedBuildError("terminated by a signal", hint=_GO_ON) from error
        _output.talk(f"\ninterrupted\n\nhint: {_GO_ON}")
        raise typer.Exit(INTERRUPTED) from error
    finally:
        signal.signal(signal.SIGTERM, earlier)
