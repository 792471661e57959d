"""`quantize` knows what its options say of the pixels, and refuses what says too little."""

import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from mobiledeploy.base import child_process
from mobiledeploy.base.errors import CorruptFileError, RequestError
from mobiledeploy.cli._options import scaling as scaling_of
from mobiledeploy.cli.main import app
from mobiledeploy.cli.quantize import _image_size
from mobiledeploy.network import hdf5
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
        (("--mean", "1,2", "--std", "0,0,0"), "1 or 3; received 2 and 3"),
        (("--mean", "1,2,3", "--std", "0,0,0"), "expected standard deviations in"),
        (("--mean", "1,2", "--std", "3,4"), "1 or 3; received 2 and 2"),
        (("--mean", "1,2,3", "--std", "4"), "received 3 and 1"),
        (("--mean", "1", "--std", "0,1,1"), "received 1 and 3"),
        (("--mean", "1", "--std", "nan"), "expected standard deviations in"),
        (("--mean", "inf", "--std", "1"), "expected means in"),
        (("--mean", "a", "--std", "1"), "received a"),
        (("--input-range", "0..1", "--mean", "127.5", "--std", "127.5"), "means of 0 to 1"),
        (("--input-range", "-1..1", "--mean", "1,1,2", "--std", "1,1,1"), "means of -1 to 1"),
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


@pytest.mark.parametrize(("given", "size"), [("96", (96, 96)), ("192x256", (192, 256))])
def test_a_size_is_a_side_or_height_and_width(given: str, size: tuple[int, int]) -> None:
    assert _image_size(given) == size


@pytest.mark.parametrize("given", ["", "x", "96x", "x96", "-1", "1.5", "96x96x3", "96,96"])
def test_what_is_no_size_is_refused(given: str) -> None:
    with pytest.raises(RequestError, match="expected a size such as 224 or 192x256"):
        _image_size(given)


def test_a_keras_file_is_read_by_the_process_that_was_started_before_the_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes(hdf5.SIGNATURE)
    started: list[tuple[str, str, str]] = []
    start = child_process._started

    def count(module: str, function: str, argument: str, seconds: float) -> object:
        started.append((module, function, argument))
        return start(module, function, argument, seconds)

    monkeypatch.setattr(child_process, "_started", count)
    arguments = ("quantize", str(path), "--random", "--out", str(tmp_path / "out"))
    with pytest.raises(CorruptFileError, match="is damaged"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert len(started) == 1
    assert not child_process._EARLY


@pytest.mark.parametrize("keras", [True, False])
def test_runtimes_are_imported_while_a_keras_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keras: bool
) -> None:
    name = f"runtime_of_this_test_{keras}"
    (tmp_path / f"{name}.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("mobiledeploy.cli.quantize._RUNTIMES", ("not_installed_here", name))
    path = tmp_path / "model.h5"
    path.write_bytes(hdf5.SIGNATURE if keras else b"something else")
    arguments = ("quantize", str(path), "--random", "--out", str(tmp_path / "out"))
    with pytest.raises((CorruptFileError, RequestError)):
        CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert (sys.modules.pop(name, None) is not None) == keras
