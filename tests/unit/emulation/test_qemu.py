"""An emulated run returns outputs, or an error that names the CPU and the fault."""

import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from mobiledeploy.base.errors import (
    CorruptFileError,
    MissingDependencyError,
    ParityError,
    RequestError,
)
from mobiledeploy.emulation import qemu
from mobiledeploy.emulation.qemu import Machine

IMAGES = np.zeros((2, 4, 4, 3), np.int8)
ANSWER = """
import json, sys
import numpy as np
images = np.load(sys.argv[4])
about = json.dumps({"runtime": sys.argv[2], "architecture": "aarch64"})
np.savez(sys.argv[5], about=np.array(about), **{"0": images[:, 0, 0] + 1})
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(
        name="a small CPU", architecture="aarch64", command=(str(tmp_path / "emulator"),)
    )


def emulator(machine: Machine, text: str) -> None:
    """Replace the machine's emulator by a Python program with this text."""
    program = Path(machine.command[0])
    program.write_text(f"#!{sys.executable}\n{text}")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def test_the_script_that_the_emulator_runs_exists() -> None:
    assert qemu.GUEST_SCRIPT.is_file()


def test_outputs_come_with_the_name_of_the_runtime(machine: Machine) -> None:
    emulator(machine, ANSWER)
    outputs = qemu.run(machine, "ort", b"model", IMAGES)
    assert outputs.runtime == "ort"
    assert outputs.arrays[0].tolist() == [[1, 1, 1]] * 2


def test_outputs_of_another_cpu_are_refused(machine: Machine) -> None:
    emulator(machine, ANSWER.replace("aarch64", "x86_64"))
    with pytest.raises(ParityError, match="ran on x86_64, expected aarch64"):
        qemu.run(machine, "ort", b"model", IMAGES)


def test_a_crash_names_the_cpu_and_the_runtime(machine: Machine) -> None:
    emulator(machine, "import os, signal; os.kill(os.getpid(), signal.SIGILL)")
    with pytest.raises(ParityError, match="litert on a small CPU failed") as refused:
        qemu.run(machine, "litert", b"model", IMAGES)
    assert "QEMU" in (refused.value.hint or "")


def test_a_program_that_hangs_is_stopped(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qemu, "SECONDS", 0.3)
    emulator(machine, "import time; time.sleep(20)")
    with pytest.raises(ParityError, match="litert on a small CPU: not done after"):
        qemu.run(machine, "litert", b"model", IMAGES)


@pytest.mark.parametrize("text", ["", "import sys; open(sys.argv[5], 'w').write('PK')"])
def test_missing_or_damaged_outputs_are_refused(machine: Machine, text: str) -> None:
    emulator(machine, text)
    with pytest.raises(CorruptFileError, match="gave no answers"):
        qemu.run(machine, "ort", b"model", IMAGES)


def test_without_qemu_the_hint_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependencyError) as refused:
        qemu.x86_without_vnni("x86_64")
    assert "apt-get install qemu-user-static" in (refused.value.hint or "")


def test_x86_is_emulated_on_x86_machines_only() -> None:
    with pytest.raises(RequestError, match="received aarch64"):
        qemu.x86_without_vnni("aarch64")
