"""An x86 CPU without VNNI: what many PCs and CI machines are."""

import sys
from typing import Final

from mobiledeploy.base.errors import RequestError
from mobiledeploy.emulation import qemu
from mobiledeploy.emulation.qemu import Machine

MODEL: Final = "Haswell"
"""AVX2 and nothing newer."""


def machine(architecture: str) -> Machine:
    """Return an x86 CPU without VNNI, with this Python.

    Args:
        architecture: Of this machine, as `platform.machine()` tells it.

    Raises:
        RequestError: This Python is no x86 program.
        MissingDependencyError: QEMU is not installed.
    """
    if architecture.lower() not in {"x86_64", "amd64"}:
        raise RequestError(
            f"expected an x86 machine, whose Python is run, received {architecture}",
            hint="CPUs of this architecture do not saturate",
        )
    return Machine(
        name="x86 Haswell (AVX2, no VNNI)",
        architecture="x86_64",
        command=(str(qemu.emulator("x86_64")), "-cpu", MODEL, sys.executable),
    )
