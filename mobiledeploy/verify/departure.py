"""Why a runtime does not compute what its file says: it rounds otherwise, or its sums saturate."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from mobiledeploy.reading import Reading
from mobiledeploy.runtimes import precision
from mobiledeploy.runtimes.saturation import this_cpu_saturates

NARROW: Final = 64
"""Largest weight of which two products with uint8 codes fit into 16 bits: 2 x 255 x 64 < 2**15."""
ROUNDING: Final = 1
"""Steps by which a runtime that computes in floats between the operators may be off."""


def words(blamed: str, error: int, *, precise: bool) -> str:
    """Return the likeliest reason.

    Args:
        blamed: The runtime.
        error: By how many steps it is off in the layer.
        precise: Whether it was told not to saturate. `com.microsoft.QLinearConv`, into which it
            fuses others, does not heed that.
    """
    saturates = blamed.startswith("ORT") and this_cpu_saturates()
    if saturates and not precise:
        return "this CPU has no VNNI, and its products may saturate"
    if saturates and error > ROUNDING:
        return (
            f"this CPU has no VNNI, and products of uint8 and int8 saturate: {precision.OPTION}=1 "
            "was set, but operators that ONNX Runtime fused before the file was saved do not heed "
            "it; use the file from before that, best as QDQ"
        )
    return (
        "it rounds otherwise, as runtimes do where the form of a file keeps them from their "
        "integer kernels"
    )


def told(runtimes: Sequence[str], readings: Sequence[Reading]) -> list[str]:
    """Return a note if runtimes had to be told not to saturate, as apps must tell theirs.

    Args:
        runtimes: Names of sessions.
        readings: The files; sums of two products with weights of seven bits fit into 16.
    """
    option = any(f"{precision.OPTION}=1" in runtime for runtime in runtimes)
    wide = any(
        layer.weights is not None
        and np.abs(layer.weights.kernel.astype(np.int16)).max(initial=0) > NARROW
        for reading in readings
        for layer in reading.layers
        if reading.format == "onnx"
    )
    if not (option and wide):
        return []
    words = (
        f"this CPU has no VNNI: ONNX Runtime was told {precision.OPTION}=1, and an app that does "
        "not tell it may get other answers here, since products of uint8 and int8 saturate"
    )
    return [words]
