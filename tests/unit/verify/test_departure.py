"""Why a runtime departs from its file's integers: rounding, or sums that saturate on this CPU."""

import pytest

from mobiledeploy.verify import departure


def test_what_an_app_must_tell_its_runtime_is_noted() -> None:
    assert departure.told(["LiteRT 2.3.0 (XNNPACK)", "ONNX Runtime 1.32.0 (optimised)"]) == []
    option = "ONNX Runtime 1.32.0 (optimised, session.x64quantprecision=1)"
    (note,) = departure.told([option, option])
    assert "an app that does not tell it gets other answers here" in note


@pytest.mark.parametrize(
    ("blamed", "saturates", "precise", "error", "words"),
    [
        ("ORT optimised", False, False, 40, "it rounds otherwise"),
        ("ORT optimised", True, False, 1, "may saturate"),
        ("ORT optimised", True, True, 1, "it rounds otherwise"),
        ("ORT optimised", True, True, 40, "do not heed it"),
        ("LiteRT XNNPACK", True, False, 40, "it rounds otherwise"),
    ],
)
def test_saturation_is_blamed_only_where_it_can_be(
    blamed: str,
    saturates: bool,
    precise: bool,
    error: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(departure, "this_cpu_saturates", lambda: saturates)
    assert words in departure.words(blamed, error, precise=precise)
