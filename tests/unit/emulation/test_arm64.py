"""The arm64 Python is set up once, completely or not at all."""

import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import filelock
import pytest

from mobiledeploy.base.errors import (
    CorruptFileError,
    DownloadError,
    MissingDependencyError,
    StorageError,
)
from mobiledeploy.emulation import arm64

PYTHON = sys.executable
APT = """
import pathlib, re, sys
config = pathlib.Path(sys.argv[2]).read_text()
assert 'APT::Architecture "arm64"' in config
assert 'APT::Update::Error-Mode "any"' in config, "offline, update would end well"
cache = pathlib.Path(re.search('Dir::Cache "(.*)";', config)[1])
log = pathlib.Path(__file__).with_name("apt.log")
log.write_text((log.read_text() if log.exists() else "") + sys.argv[4] + "\\n")
if "install" in sys.argv:
    (cache / "archives/python.deb").write_text("deb")
"""
DPKG = """
import pathlib, sys
bin = pathlib.Path(sys.argv[3]) / "usr/bin"
bin.mkdir(parents=True, exist_ok=True)
(bin / "python3.11").write_text("arm64")
"""
PIP = """
import pathlib, sys
assert sys.argv[1:3] == ["-m", "pip"]
site = pathlib.Path(sys.argv[sys.argv.index("--target") + 1])
site.mkdir()
(site / "runtime.so").write_bytes(bytes(1000))
"""


def program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!{PYTHON}\n{text}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with stand-ins for QEMU, apt-get, dpkg-deb and pip."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program(folder, "qemu-aarch64-static", "")
    program(folder, "apt-get", APT)
    program(folder, "dpkg-deb", DPKG)
    program(folder, "python", PIP)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    return folder


def test_each_cpu_has_a_cpuinfo_with_its_own_features(tools: Path, tmp_path: Path) -> None:
    machines = arm64.machines(cache=tmp_path)
    assert len(machines) == len(arm64.CPUS) >= 2
    for machine, cpu in zip(machines, arm64.CPUS, strict=True):
        root = Path(machine.command[machine.command.index("-L") + 1])
        cpuinfo = (root / "proc/cpuinfo").read_text()
        assert cpu.part in cpuinfo
        assert ("asimddp" in cpuinfo) == (cpu.model != "cortex-a53")
        assert (root / "usr/bin/python3.11").is_file()


def test_a_second_call_uses_the_first_set_up(tools: Path, tmp_path: Path) -> None:
    first, second = arm64.machines(cache=tmp_path), arm64.machines(cache=tmp_path)
    assert first == second
    assert (tools / "apt.log").read_text().split() == ["update", "install"]


@pytest.mark.parametrize(
    ("tool", "text", "words"),
    [
        ("apt-get", "import sys; sys.exit('E: no network')", "E: no network"),
        ("python", "import sys; sys.exit('no matching distribution')", "no matching"),
        ("dpkg-deb", "import sys; sys.exit('damaged archive')", "damaged archive"),
    ],
)
def test_a_failed_set_up_leaves_nothing_that_looks_complete(
    tools: Path, tmp_path: Path, tool: str, text: str, words: str
) -> None:
    whole = (tools / tool).read_text()
    program(tools, tool, text)
    with pytest.raises(DownloadError, match=words):
        arm64.machines(cache=tmp_path)
    (tools / tool).write_text(whole)
    assert arm64.machines(cache=tmp_path)


def test_without_pip_the_hint_says_how_to_install_it(tools: Path, tmp_path: Path) -> None:
    program(tools, "python", "import sys; sys.exit('x: No module named pip')")
    with pytest.raises(MissingDependencyError) as refused:
        arm64.machines(cache=tmp_path)
    assert "ensurepip" in (refused.value.hint or "")


@pytest.mark.parametrize("tool", ["qemu-aarch64-static", "apt-get", "dpkg-deb"])
def test_a_missing_tool_is_named(tools: Path, tmp_path: Path, tool: str) -> None:
    (tools / tool).unlink()
    with pytest.raises(MissingDependencyError, match=tool):
        arm64.machines(cache=tmp_path)


def test_the_staging_folder_of_a_killed_set_up_is_removed(tools: Path, tmp_path: Path) -> None:
    left = tmp_path / "arm64/.staging-killed/whole/site"
    left.mkdir(parents=True)
    arm64.machines(cache=tmp_path)
    assert [path.name for path in (tmp_path / "arm64").iterdir() if path.is_dir()] == [
        arm64._key()
    ]


def test_a_python_that_does_not_run_is_reported_at_set_up(tools: Path, tmp_path: Path) -> None:
    program(
        tools, "qemu-aarch64-static", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    )
    with pytest.raises(MissingDependencyError, match="the arm64 Python under QEMU failed"):
        arm64.machines(cache=tmp_path)
    assert not (tmp_path / "arm64" / arm64._key()).exists()


@pytest.mark.parametrize("damage", ["flipped", "shortened", "missing", "no list"])
def test_a_set_up_with_changed_files_is_refused(tools: Path, tmp_path: Path, damage: str) -> None:
    arm64.machines(cache=tmp_path)
    folder = tmp_path / "arm64" / arm64._key()
    path = folder / ("files.json" if damage == "no list" else "site/runtime.so")
    match damage:
        case "flipped":
            path.write_bytes(bytes(999) + b"\x01")
        case "shortened":
            path.write_bytes(bytes(999))
        case _:
            path.unlink()
    with pytest.raises(CorruptFileError, match=path.name) as refused:
        arm64.machines(cache=tmp_path)
    assert refused.value.hint == f"delete {folder} to set it up again"


def test_a_finished_set_up_is_not_locked(tools: Path, tmp_path: Path) -> None:
    first = arm64.machines(cache=tmp_path)
    (tmp_path / "arm64/.lock").unlink()
    (tmp_path / "arm64/.lock").mkdir()  # cannot be opened to write
    assert arm64.machines(cache=tmp_path) == first


def test_a_relative_cache_folder_is_accepted(
    tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    machine, *_ = arm64.machines(cache=Path("here"))
    root = machine.command[machine.command.index("-L") + 1]
    assert root.startswith(f"{tmp_path}/here/arm64/")


def test_two_concurrent_calls_set_up_once(tools: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: arm64.machines(cache=tmp_path), range(2))
    assert first == second
    assert (tools / "apt.log").read_text().split() == ["update", "install"]


def test_waiting_for_another_set_up_has_a_limit(
    tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arm64, "WAIT", 0.1)
    (tmp_path / "arm64").mkdir()
    with (
        filelock.FileLock(tmp_path / "arm64/.lock"),
        pytest.raises(StorageError, match="another process has held"),
    ):
        arm64.machines(cache=tmp_path)
