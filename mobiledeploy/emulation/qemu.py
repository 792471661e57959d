"""Run one model on a CPU that QEMU emulates."""

import dataclasses
import json
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.base import programs
from mobiledeploy.base.errors import CorruptFileError, MobileDeployError, ParityError, RequestError

EmulatedRuntime: TypeAlias = Literal["litert", "ort", "ort-precise"]
"""LiteRT, ONNX Runtime, or ONNX Runtime with the option by which its kernels do not saturate."""

CpuArchitecture: TypeAlias = Literal["aarch64", "x86_64"]

SECONDS: Final = 1800.0
"""Seconds after which an emulation is stopped: an image of 224 px may take half a minute."""

GUEST_SCRIPT: Final = Path(__file__).with_name("guest_script.py")
X86_MODEL: Final = "Haswell"
"""An x86 CPU with AVX2 and nothing newer, as QEMU calls it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """An emulated CPU with a Python interpreter.

    Attributes:
        name: For people, such as `arm64 Cortex-A76 (NEON, dot product)`.
        architecture: What `platform.machine()` returns there.
        command: The emulator, its options and the Python interpreter.
    """

    name: str
    architecture: CpuArchitecture
    command: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EmulatedOutputs:
    """A model's outputs on an emulated CPU.

    Attributes:
        runtime: Name and version of the runtime, as reported there.
        arrays: One per output, shape (images, ...).
    """

    runtime: str
    arrays: tuple[npt.NDArray[Any], ...]


def emulator(name: str) -> Path:
    """Return the path of QEMU's user-mode emulator for an architecture.

    Args:
        name: As QEMU calls it: `aarch64`, `x86_64`.

    Raises:
        MissingDependencyError: It is not installed.
    """
    return programs.find(
        f"qemu-{name}-static", purpose=f"emulates an {name} CPU", package="qemu-user-static"
    )


def x86_without_vnni(architecture: str) -> Machine:
    """Return an x86 CPU without VNNI, as many PCs and CI machines have, that runs this Python.

    Args:
        architecture: What `platform.machine()` returns on this machine.

    Raises:
        RequestError: This Python is not an x86 program.
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
        command=(str(emulator("x86_64")), "-cpu", X86_MODEL, sys.executable),
    )


def run(
    machine: Machine, runtime: EmulatedRuntime, model: bytes, images: npt.NDArray[Any]
) -> EmulatedOutputs:
    """Return a model's outputs for images on an emulated CPU.

    Args:
        machine: The CPU.
        runtime: The runtime.
        model: The bytes of a file that we wrote: it is not checked here.
        images: In the model's input type, shape (images, ...).

    Raises:
        ParityError: The emulated program crashed, took too long, or ran on another CPU.
        CorruptFileError: Its outputs cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="mobiledeploy-qemu-") as made:
        folder = Path(made)
        file, inputs, answers = folder / "model", folder / "inputs.npy", folder / "answers.npz"
        file.write_bytes(model)
        np.save(inputs, images, allow_pickle=False)
        what = f"{runtime} on {machine.name}"
        programs.run(
            *machine.command, GUEST_SCRIPT, runtime, file, inputs, answers,
            failed=_crashed, what=what, timeout=SECONDS,
        )  # fmt: skip
        try:
            with np.load(answers, allow_pickle=False) as archive:
                about = json.loads(str(archive["about"]))
                arrays = tuple(archive[str(i)] for i in range(len(archive.files) - 1))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise CorruptFileError(f"{what} gave no answers: {error}") from error
    if about["architecture"] != machine.architecture:
        raise ParityError(
            f"{what} ran on {about['architecture']}, expected {machine.architecture}"
        )
    return EmulatedOutputs(runtime=about["runtime"], arrays=arrays)


def _crashed(message: str) -> MobileDeployError:
    return ParityError(
        message,
        hint="QEMU 7.2 or later is needed; a newer one may know instructions that this one lacks",
    )
