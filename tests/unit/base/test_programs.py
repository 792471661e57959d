"""Failures of external programs become our errors, with the relevant output."""

import sys
from pathlib import Path

import pytest

from mobiledeploy.base import programs
from mobiledeploy.base.errors import BundleError, MissingDependencyError, StorageError
from mobiledeploy.deploy import jdk as jdks

JAVAC = "#!/bin/sh\necho {version}\n"


def script(text: str) -> str:
    return programs.run(sys.executable, "-c", text, failed=BundleError, what="the work")


def test_the_output_is_returned() -> None:
    said = script("import sys; print('out'); print('err', file=sys.stderr)")
    assert sorted(said.split()) == ["err", "out"]


def test_an_error_quotes_the_lines_marked_as_errors() -> None:
    text = "print('loading\\n' * 90 + 'a.kt:3: error: wrong\\n' + 'done\\n' * 90); exit(1)"
    with pytest.raises(BundleError) as caught:
        script(text)
    assert str(caught.value) == "the work failed:\na.kt:3: error: wrong"


def test_an_error_leaves_out_the_lines_that_follow_every_failure() -> None:
    with pytest.raises(BundleError) as caught:
        script(
            "print('[ERROR] no such artifact -> [Help 1]', '[ERROR] ', '[ERROR] Re-run Maven', "
            "'npm error code E404', 'npm error A complete log', sep='\\n'); exit(1)"
        )
    assert str(caught.value).splitlines()[1:] == [
        "[ERROR] no such artifact -> [Help 1]",
        "npm error code E404",
    ]


def test_without_marked_lines_an_error_quotes_the_last_ones_or_the_status() -> None:
    with pytest.raises(BundleError, match=r"line 98\nline 99$"):
        script("print(*(f'line {i}' for i in range(100)), sep='\\n'); exit(3)")
    with pytest.raises(BundleError, match="exit status 3"):
        script("exit(3)")


def test_a_full_disk_is_a_storage_error() -> None:
    with pytest.raises(StorageError, match="no space left") as caught:
        script("print('java.io.IOException: No space left on device'); exit(1)")
    assert "TMPDIR" in str(caught.value.hint)


def test_a_program_that_hangs_is_stopped() -> None:
    command = (sys.executable, "-c", "import time; time.sleep(60)")
    with pytest.raises(BundleError, match="not done after 0 s"):
        programs.run(*command, failed=BundleError, what="the work", timeout=0.2)


def test_a_program_for_another_machine_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "aapt2"
    program.write_bytes(b"\x7fELF of another machine")
    program.chmod(0o755)
    with pytest.raises(MissingDependencyError, match="cannot be started"):
        programs.run(program, failed=BundleError, what="the work")


def jdk_folder(tmp_path: Path, version: str) -> Path:
    folder = tmp_path / "jdk" / "bin"
    folder.mkdir(parents=True)
    for name in ("java", "javac", "keytool"):
        (folder / name).write_text(JAVAC.format(version=version))
        (folder / name).chmod(0o755)
    return folder


@pytest.mark.parametrize("version", ["javac 17.0.15", "javac 25"])
def test_java_home_or_the_path_names_the_jdk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    folder = jdk_folder(tmp_path, version)
    monkeypatch.setenv("JAVA_HOME", str(folder.parent))
    monkeypatch.setenv("PATH", "/bin")
    assert jdks.installed().home == folder.parent
    monkeypatch.delenv("JAVA_HOME")
    monkeypatch.setenv("PATH", f"{folder}:/bin")
    assert jdks.installed().java == folder / "java"


@pytest.mark.parametrize("version", ["javac 11.0.2", "javac 1.8.0_201", "nothing"])
def test_for_an_old_jdk_the_hint_says_how_to_install_a_newer_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(jdk_folder(tmp_path, version).parent))
    with pytest.raises(MissingDependencyError, match="expected a JDK of version 17") as caught:
        jdks.installed()
    assert "apt-get install openjdk-17-jdk-headless" in str(caught.value.hint)


def test_without_a_jdk_the_hint_says_how_to_install_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependencyError, match="`java` is not installed") as caught:
        jdks.installed()
    assert "apt-get install openjdk-17-jdk-headless" in str(caught.value.hint)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(MissingDependencyError, match=str(tmp_path / "bin")):
        jdks.installed()
