"""Why a runtime does not compute what its file says: it rounds otherwise, or its sums saturate."""

from collections.abc import Sequence
from typing import Final

from mobiledeploy.runtimes import precision
from mobiledeploy.runtimes.saturation import this_cpu_saturates

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


def told(runtimes: Sequence[str]) -> list[str]:
    """Return a note if runtimes had to be told not to saturate, as apps must tell theirs.

    Args:
        runtimes: Names of sessions.
    """
    if not any(f"{precision.OPTION}=1" in runtime for runtime in runtimes):
        return []
    words = (
        f"this CPU has no VNNI: ONNX Runtime was told {precision.OPTION}=1, and an app that does "
        "not tell it gets other answers here, since products of uint8 and int8 saturate"
    )
    return [words]
