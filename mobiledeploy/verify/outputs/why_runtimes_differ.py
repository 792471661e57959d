"""Why a runtime does not compute what its file says: it rounds differently, or sums saturate."""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from mobiledeploy.reading import Reading
from mobiledeploy.runtimes import Runtime, Session

NARROW: Final = 64
"""Largest weight for which a sum of two products with uint8 codes fits into 16 bits:
2 x 255 x 64 < 2**15."""
ROUNDING: Final = 1
"""Steps by which a runtime that computes in floats between the operators may be off."""


def words(runtime: Runtime, error: int, *, options: Sequence[str]) -> str:
    """Return the likeliest reason why a runtime differs from its file.

    Args:
        runtime: The runtime that differs.
        error: Largest difference of the layer's output, in LSB.
        options: The session options that were set. `com.microsoft.QLinearConv`, a fused
            operator, ignores the option that keeps others from saturating.
    """
    saturates, option = runtime.saturates(), runtime.saturation_option
    if saturates and option not in options:
        return "this CPU has no VNNI, and its products may saturate"
    if saturates and error > ROUNDING:
        return (
            f"this CPU has no VNNI, and products of uint8 and int8 saturate: {option} was set, "
            f"but operators that {runtime.engine} fused before the file was saved do not heed it; "
            "use the file from before that, best as QDQ"
        )
    return (
        "it rounds otherwise, as runtimes do where the form of a file keeps them from their "
        "integer kernels"
    )


def told(sessions: Sequence[tuple[Runtime, Session]], readings: Sequence[Reading]) -> list[str]:
    """Return a note on each runtime that needed an option to keep products from saturating.

    Apps on this CPU need the same option.

    Args:
        sessions: Each runtime with its session.
        readings: The files; with weights of at most `NARROW` nothing can saturate.
    """
    notes = [
        f"this CPU has no VNNI: {runtime.engine} was told {option}, and an app that does "
        "not tell it may get other answers here, since products of uint8 and int8 saturate"
        for runtime, session in sessions
        for option in session.options
        if _wide(reading for reading in readings if reading.format == runtime.format)
    ]
    return list(dict.fromkeys(notes))


def _wide(readings: Iterable[Reading]) -> bool:
    return any(
        layer.weights is not None
        and np.abs(layer.weights.kernel.astype(np.int16)).max(initial=0) > NARROW
        for reading in readings
        for layer in reading.layers
    )
