"""The table of all runtimes: a new one is a module with a `RUNTIME` plus a row here."""

from typing import Final

from mobiledeploy.base.errors import RequestError
from mobiledeploy.runtimes import (
    Format,
    Runtime,
    litert_builtin,
    litert_reference,
    litert_xnnpack,
    numpy_oracle,
    ort_optimised,
    ort_unoptimised,
)

RUNTIMES: Final[tuple[Runtime, ...]] = (
    litert_xnnpack.RUNTIME,
    numpy_oracle.RUNTIME,
    litert_builtin.RUNTIME,
    litert_reference.RUNTIME,
    ort_optimised.RUNTIME,
    ort_unoptimised.RUNTIME,
)


def running(file: Format) -> tuple[Runtime, ...]:
    """Return the runtimes of a format, the primary one first."""
    runtimes = [runtime for runtime in RUNTIMES if runtime.format == file]
    return tuple(sorted(runtimes, key=lambda runtime: not runtime.primary))


def primary(file: Format) -> Runtime:
    """Return the runtime that apps use for a format."""
    return running(file)[0]


def named(name: str) -> Runtime:
    """Return the runtime with a name.

    Raises:
        RequestError: There is none.
    """
    for runtime in RUNTIMES:
        if runtime.name == name:
            return runtime
    known = ", ".join(runtime.name for runtime in RUNTIMES)
    raise RequestError(f"expected one of the runtimes {known}, received `{name}`")
