"""Each error has its own exit status."""

from mobiledeploy.base import errors


def deliberate() -> list[type[errors.MobileDeployError]]:
    return errors.MobileDeployError.__subclasses__()


def test_no_two_errors_share_an_exit_status() -> None:
    statuses = [kind.exit_status for kind in deliberate()]
    assert len(set(statuses)) == len(statuses) >= 9


def test_no_error_has_the_exit_status_of_success_a_bug_or_a_signal() -> None:
    assert all(2 <= kind.exit_status < 126 for kind in deliberate())


def test_every_error_keeps_its_hint() -> None:
    for kind in deliberate():
        assert kind("what", hint="do this").hint == "do this"
        assert str(kind("what", hint="do this")) == "what"


def test_an_error_for_a_damaged_file_always_has_a_hint() -> None:
    assert "get it again" in str(errors.CorruptFileError("what").hint)
    assert errors.CorruptFileError("what", hint="do this").hint == "do this"
