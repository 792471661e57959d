"""The name of a CPU, and the softmax kernel that LiteRT uses on it."""

from pathlib import Path

import pytest

from mobiledeploy.runtimes import cpu


@pytest.mark.parametrize(
    ("machine", "kernel"),
    [("aarch64", "arm64"), ("arm64", "arm64"), ("ARM64", "arm64"), ("x86_64", "x86")],
)
def test_the_softmax_kernel_depends_on_the_architecture(machine: str, kernel: str) -> None:
    assert cpu.architecture(machine) == kernel


def test_only_the_first_core_is_read(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text("processor\t: 0\nmodel name\t: One\nflags\t\t: a b\n\nprocessor\t: 1\n")
    assert cpu.read_cpuinfo(path) == {"processor": "0", "model name": "One", "flags": "a b"}


def test_a_system_without_cpuinfo_has_no_flags(tmp_path: Path) -> None:
    assert cpu.read_cpuinfo(tmp_path / "none") == {}


def test_this_cpu_is_named() -> None:
    assert cpu.name()


def test_an_arm_cpu_is_named_by_part_number_and_int8_extensions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entries = {"CPU implementer": "0x41", "CPU part": "0xd0b", "Features": "fp asimddp crc32 i8mm"}
    monkeypatch.setattr(cpu, "read_cpuinfo", lambda: entries)
    assert cpu.name().endswith(" 0x41/0xd0b (asimddp, i8mm)")
    monkeypatch.setattr(cpu, "read_cpuinfo", lambda: entries | {"Features": "fp"})
    assert cpu.name().endswith(" 0x41/0xd0b (no int8 extension)")
