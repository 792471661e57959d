"""Errors: one exit status each, and none of them a plain failure."""

from mobiledeploy.base import errors


def deliberate() -> list[type[errors.MobileDeployError]]:
    return errors.MobileDeployError.__subclasses__()


def test_no_two_errors_share_an_exit_status() -> None:
    statuses = [kind.exit_status for kind in deliberate()]
    assert len(set(statuses)) == len(statuses) >= 9


def test_no_deliberate_error_exits_like_success_a_bug_or_a_signal() -> None:
    assert all(2 <= kind.exit_status < 126 for kind in deliberate())


def test_every_error_carries_its_hint() -> None:
    for kind in deliberate():
        assert kind("what", hint="do this").hint == "do this"
        assert str(kind("what", hint="do this")) == "what"


def test_a_damaged_file_never_comes_without_a_hint() -> None:
    assert "fetch it again" in str(errors.CorruptFileError("what").hint)
    assert errors.CorruptFileError("what", hint="do this").hint == "do this"
