"""Name the CPU by the features that change int8 results."""

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mobiledeploy.ops.operator import Kernel

_ARM64: Final = frozenset({"aarch64", "arm64"})
_ARM_INTEGER: Final = frozenset({"asimddp", "i8mm", "sme", "sve"})
"""Extensions for which XNNPACK or ONNX Runtime has int8 kernels."""


def architecture(machine: str) -> Kernel:
    """Return the architecture whose kernels LiteRT uses; see `kernels` in `integer.oracle`.

    Args:
        machine: A machine name as from `platform.machine()`.
    """
    return "arm64" if machine.lower() in _ARM64 else "x86"


def this_architecture() -> Kernel:
    """Return the architecture whose kernels LiteRT uses on this machine."""
    return architecture(platform.machine())


def name() -> str:
    """Return the CPU's name, such as `AMD EPYC`, or the architecture's if it has none.

    Linux names ARM CPUs by number only; their int8 extensions decide which kernels run.
    """
    entries = read_cpuinfo()
    if part := entries.get("CPU part"):
        features = sorted(_ARM_INTEGER & frozenset(entries.get("Features", "").split()))
        maker = entries.get("CPU implementer", "unknown")
        return (
            f"{platform.machine()} {maker}/{part} ({', '.join(features) or 'no int8 extension'})"
        )
    return entries.get("model name") or platform.processor() or platform.machine()


def read_cpuinfo(path: Path = Path("/proc/cpuinfo")) -> Mapping[str, str]:
    """Return the first core's entries; empty if there is no such file."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    first = text.partition("\n\n")[0]
    rows = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in rows}
