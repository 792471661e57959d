"""What `am instrument` prints is read, and everything but a finished self-test is an error."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobiledeploy.base.errors import DeviceError
from mobiledeploy.device import self_test

APP = "dev.x/.SelfTest"


def read(printed: str) -> self_test.InstrumentationOutcome:
    return self_test.read_outcome(printed, component=APP)


def test_results_and_code_are_read() -> None:
    outcome = read('INSTRUMENTATION_RESULT: a={"b": "c=d"}\nINSTRUMENTATION_CODE: -1\n')
    assert (outcome.code, outcome.results) == (-1, {"a": '{"b": "c=d"}'})


def test_a_result_may_span_several_lines() -> None:
    outcome = read("INSTRUMENTATION_RESULT: a=one\r\ntwo\r\nINSTRUMENTATION_CODE: 0\r\n")
    assert (outcome.code, outcome.results) == (0, {"a": "one\ntwo"})


def test_a_crash_is_reported_in_androids_words() -> None:
    printed = (
        "INSTRUMENTATION_RESULT: shortMsg=Process crashed.\n"
        "INSTRUMENTATION_RESULT: longMsg=java.lang.UnsatisfiedLinkError: x\n"
        "INSTRUMENTATION_CODE: 0\n"
    )
    with pytest.raises(DeviceError, match=r"Process crashed\. java\.lang\.UnsatisfiedLinkError"):
        read(printed)


@pytest.mark.parametrize(
    "printed",
    [
        (
            "INSTRUMENTATION_STATUS: id=ActivityManagerService\n"
            "INSTRUMENTATION_STATUS: Error=Unable to find instrumentation info for: "
            "ComponentInfo{dev.x/dev.x.SelfTest}\nINSTRUMENTATION_STATUS_CODE: -1\n"
            "android.util.AndroidException: INSTRUMENTATION_FAILED: dev.x/.SelfTest\n"
        ),
        "INSTRUMENTATION_FAILED: dev.x/.SelfTest\nUnable to find instrumentation info",
    ],
)
def test_a_missing_app_is_reported_with_how_to_install_it(printed: str) -> None:
    with pytest.raises(DeviceError, match="has no self-test") as refused:
        read(printed)
    assert "bundle --apk" in (refused.value.hint or "")


def test_an_instrumentation_that_cannot_start_is_reported() -> None:
    with pytest.raises(DeviceError, match="could not start: Permission denied"):
        read("INSTRUMENTATION_FAILED: Permission denied\n")


@pytest.mark.parametrize("printed", ["", "INSTRUMENTATION_RESULT: a=b\n", "Killed\n"])
def test_output_without_a_final_exit_code_is_refused(printed: str) -> None:
    with pytest.raises(DeviceError, match="INSTRUMENTATION_CODE is missing"):
        read(printed)


@given(st.text(alphabet=st.sampled_from("INSTRUMENTATION_RESULT: CODE=-1\n\rx"), max_size=200))
def test_any_text_is_read_or_refused(printed: str) -> None:
    with contextlib.suppress(DeviceError):
        assert read(printed).code is not None
