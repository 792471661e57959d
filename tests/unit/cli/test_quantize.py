"""`quantize` knows what its options say of the pixels, and refuses what says too little."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from mobiledeploy.base.errors import RequestError
from mobiledeploy.cli._options import scaling as scaling_of
from mobiledeploy.cli.main import app
from mobiledeploy.spec.channel_scaling import SCALINGS, ChannelScaling, named

TORCHVISION = SCALINGS["torchvision"]


@pytest.mark.parametrize(
    ("words", "scaling"),
    [
        ((None, None, None), None),
        (("-1..1", None, None), SCALINGS["-1..1"]),
        (("0..255", None, None), SCALINGS["0..255"]),
        ((None, "127.5", "127.5"), SCALINGS["-1..1"]),
        ((None, "123.675,116.28,103.53", "58.395, 57.12, 57.375"), TORCHVISION),
        (("0..1", "0.485,0.456,0.406", "0.229,0.224,0.225"), TORCHVISION),
        (("0..1", "0.5", "0.5"), SCALINGS["-1..1"]),
        (("0..255", "1,2,3", "4,5,6"), named((1, 2, 3), (4, 5, 6))),
    ],
)
def test_the_options_say_how_pixels_become_the_input(
    words: tuple[str | None, str | None, str | None], scaling: ChannelScaling | None
) -> None:
    assert scaling_of(*words) == scaling


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--mean", "1"), "received `--mean` only"),
        (("--std", "1"), "received `--std` only"),
        (("--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225"), "fractions"),
        (("--mean", "1,2", "--std", "3,4"), "1 or 3; received 2 and 2"),
        (("--mean", "1,2,3", "--std", "4"), "received 3 and 1"),
        (("--mean", "1", "--std", "0,1,1"), "received 1 and 3"),
        (("--mean", "1", "--std", "nan"), "expected standard deviations in"),
        (("--mean", "inf", "--std", "1"), "expected means in"),
        (("--mean", "a", "--std", "1"), "received a"),
        (("--mean", "1,", "--std", "1"), "received 1,"),
    ],
)
def test_what_says_too_little_of_the_pixels_is_refused(
    words: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    arguments = ("quantize", str(tmp_path / "model.onnx"), "--random", *words)
    with pytest.raises((RequestError, typer.BadParameter)) as caught:
        CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert isinstance(caught.value, RequestError)
    assert message in str(caught.value)
    assert caught.value.hint


def test_an_option_of_the_training_is_refused_without_it(tmp_path: Path) -> None:
    arguments = ("quantize", str(tmp_path / "m.onnx"), "--random", "--qat-steps=3", "--seed=1")
    with pytest.raises(RequestError, match="`--qat-steps`, `--seed` would change nothing"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_a_network_is_not_trained_on_synthetic_images(tmp_path: Path) -> None:
    arguments = ("quantize", str(tmp_path / "m.onnx"), "--random", "--qat")
    with pytest.raises(RequestError, match="received random ones"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)
