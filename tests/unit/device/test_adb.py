"""Output of adb and of the phone is read, or refused with a hint."""

from pathlib import Path

import pytest
from unit.device.fake_adb import ONE, FakeAdb

from mobiledeploy.base.errors import DeviceError, MissingDependencyError, RequestError
from mobiledeploy.device import adb
from mobiledeploy.device.adb import Phone


@pytest.fixture
def fake(tmp_path: Path) -> FakeAdb:
    return FakeAdb(tmp_path / "bin")


def listing(*rows: str) -> str:
    return "List of devices attached\n" + "\n".join(rows) + "\n\n"


def test_without_adb_the_message_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("ANDROID_HOME", raising=False)
    with pytest.raises(MissingDependencyError) as refused:
        adb.program()
    assert "apt-get install adb" in (refused.value.hint or "")


def test_the_adb_of_android_home_comes_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fake: FakeAdb
) -> None:
    mine = FakeAdb(tmp_path / "sdk/platform-tools")
    monkeypatch.setenv("PATH", str(fake.folder))
    monkeypatch.setenv("ANDROID_HOME", str(tmp_path / "sdk"))
    assert adb.program() == mine.program


def test_the_only_phone_is_chosen(fake: FakeAdb) -> None:
    fake.answers(("devices", "* daemon not running; starting now at tcp:5037\n" + ONE))
    assert adb.choose(fake.program).serial == "0A1B2C"


@pytest.mark.parametrize(
    ("rows", "said", "hint"),
    [
        ((), "no phone is connected", "USB debugging"),
        (("0A1B2C\tunauthorized",), "has not allowed", "unlock the phone"),
        (("0A1B2C\toffline",), "offline", "reconnect"),
        (("0A1B2C\tno permissions (user in plugdev group?); see [x]",), "this user", "plugdev"),
        (("0A1B2C\trecovery",), "recovery", "start Android"),
        (("0A1B2C\tauthorizing",), "has not answered yet", "unlock"),
    ],
)
def test_a_phone_that_is_not_ready_is_refused_with_a_hint(
    fake: FakeAdb, rows: tuple[str, ...], said: str, hint: str
) -> None:
    fake.answers(("devices", listing(*rows)))
    with pytest.raises(DeviceError, match=said) as refused:
        adb.choose(fake.program)
    assert hint in (refused.value.hint or "")


def test_with_two_phones_connected_one_must_be_named(fake: FakeAdb) -> None:
    fake.answers(("devices", listing("one\tdevice", "two\tdevice")))
    with pytest.raises(RequestError, match="received 2: one"):
        adb.choose(fake.program)
    assert adb.choose(fake.program, serial="two").serial == "two"
    with pytest.raises(RequestError, match="no phone `three`; connected: one"):
        adb.choose(fake.program, serial="three")


def test_the_ready_one_of_two_phones_is_chosen(fake: FakeAdb) -> None:
    fake.answers(("devices", listing("one\toffline", "two\tdevice")))
    assert adb.choose(fake.program).serial == "two"


def test_output_that_is_not_a_list_of_devices_is_refused(fake: FakeAdb) -> None:
    fake.answers(("devices", {"out": "adb: cannot connect to daemon\n", "status": 1}))
    with pytest.raises(DeviceError, match="cannot connect to daemon"):
        adb.choose(fake.program)


def test_arguments_reach_the_phones_shell_quoted(fake: FakeAdb) -> None:
    fake.answers(("shell", ""))
    adb.shell(Phone(adb=fake.program, serial="x"), "echo", "a b; reboot")
    assert fake.calls() == [["-s", "x", "shell", "echo 'a b; reboot'"]]


@pytest.mark.parametrize(
    "said",
    ["error: closed", "adb: device offline", "error: device '0A1B2C' not found",
     "adb: error: device unauthorized"],
)  # fmt: skip
def test_a_lost_connection_is_an_error_for_every_command(fake: FakeAdb, said: str) -> None:
    fake.answers(("shell", {"out": f"{said}\n", "status": 1}))
    with pytest.raises(DeviceError, match="was lost"):
        adb.shell(Phone(adb=fake.program, serial="0A1B2C"), "getprop")


def test_a_command_without_an_answer_ends_at_the_time_limit(fake: FakeAdb) -> None:
    fake.answers(("shell", {"out": "", "seconds": 20}))
    with pytest.raises(DeviceError, match=r"no answer to .* in 1 s"):
        adb.shell(Phone(adb=fake.program, serial="x"), "getprop", timeout=1)


@pytest.mark.parametrize(
    ("reason", "hint"),
    [
        ("INSTALL_FAILED_UPDATE_INCOMPATIBLE", "adb uninstall dev.x"),
        ("INSTALL_FAILED_NO_MATCHING_ABIS", "--abi"),
        ("INSTALL_FAILED_OLDER_SDK", "Android 7"),
        ("INSTALL_FAILED_INSUFFICIENT_STORAGE", "space"),
    ],
)
def test_a_refused_installation_says_why(fake: FakeAdb, reason: str, hint: str) -> None:
    fake.answers(
        ("install", {"out": f"adb: failed to install: Failure [{reason}: x]\n", "status": 1})
    )
    with pytest.raises(DeviceError, match=reason) as refused:
        adb.install(Phone(adb=fake.program, serial="x"), Path("a.apk"), package="dev.x")
    assert hint in (refused.value.hint or "")


def test_an_installation_without_the_word_success_has_failed(fake: FakeAdb) -> None:
    fake.answers(("install", "Performing Streamed Install\n"))
    with pytest.raises(DeviceError, match="could not be installed"):
        adb.install(Phone(adb=fake.program, serial="x"), Path("a.apk"), package="dev.x")


def test_control_characters_of_a_phone_do_not_reach_the_terminal() -> None:
    assert adb.one_line("FP5\x1b[2J\r\n") == "FP5 [2J"
