"""An option that would change nothing is refused by name, before anything is done."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from mobiledeploy.base.errors import RequestError
from mobiledeploy.cli.main import app
from mobiledeploy.spec import defaults

OF_PHONES = (("--serial", "a"), ("--apk", "a.apk"), ("--benchmark", "a"))
OF_REPORTS = (("--data", "digits"), ("--level", "quick"), ("--level", "full"), ("--out", "report"))


def run(*arguments: str) -> None:
    CliRunner().invoke(app, arguments, catch_exceptions=False)


def refused(*arguments: str) -> RequestError:
    with pytest.raises(RequestError) as caught:
        run(*arguments)
    return caught.value


@pytest.mark.parametrize(
    ("mode", "option"),
    [
        *(("--device", option) for option in OF_REPORTS),
        ("--device", ("--samples", "4")),
        ("--device", ("--arm64",)),
        ("--device", ("--no-vnni",)),
        *((mode, option) for mode in ("--arm64", "--no-vnni") for option in OF_REPORTS),
        *((mode, ("--threads", "1")) for mode in ("--arm64", "--no-vnni")),
        *((mode, option) for mode in ("--arm64", "--no-vnni") for option in OF_PHONES),
    ],
)
def test_verify_refuses_options_that_its_mode_does_not_use(
    mode: str, option: tuple[str, ...]
) -> None:
    error = refused("verify", "no-such-build", mode, *option)
    assert f"`{option[0]}` cannot be used with `{mode}`" in str(error)
    assert option[0] in str(error.hint)


@pytest.mark.parametrize("option", [*OF_PHONES, ("--serial", "")])
def test_options_for_a_phone_need_the_option_device(option: tuple[str, str]) -> None:
    error = refused("verify", "no-such-build", *option)
    assert f"`{option[0]}` cannot be used with a run without `--device`" in str(error)


def test_all_unused_options_are_named_at_once() -> None:
    error = refused("verify", "--device", "--out", "report", "--data", "digits")
    assert "`--data`, `--out`" in str(error)


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("--device", ("--serial", "a", "--apk", "a", "--benchmark", "a", "--threads", "1")),
        ("--arm64", ("--samples", "4", "--json", "--quiet")),
    ],
)
def test_options_that_a_mode_uses_are_accepted(
    mode: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    with pytest.raises(Exception, match="manifest") as caught:
        run("verify", str(tmp_path), mode, *options)
    assert not isinstance(caught.value, RequestError)


@pytest.mark.parametrize(
    "options",
    [
        ("--float", "--io", "int8"),
        ("--float", "--io", "uint8"),
        ("--float", "--qat-engine", "folded"),
        ("--float", "--qat-steps", "4"),
        ("--qat-steps", "0", "--qat-engine", "tfmot"),
        ("--weights", "imagenet", "--epochs", "0", "--learning-rate", "0.1"),
        ("--weights", "imagenet", "--epochs", "0", "--batch-size", "8"),
    ],
)
def test_build_refuses_options_that_have_no_effect_beside_another(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    error = refused("build", *options, "--out", str(tmp_path / "build"))
    last = options[-2].removeprefix("--")
    assert last in str(error) or last.split("-")[0] in str(error)
    assert not (tmp_path / "build").exists()


def test_defaults_depend_on_the_other_options() -> None:
    assert defaults.decide().export.io == "int8"
    assert defaults.decide(int8=False).export.io == "float32"
    assert defaults.decide(int8=False, io="float32", qat_steps=0).export.io == "float32"
    assert defaults.decide(qat_steps=0).quantise.engine == "folded"


@pytest.mark.parametrize("options", [("--key-alias", ""), ("--keystore-password-file", "a")])
def test_options_for_a_key_need_a_keystore(options: tuple[str, str]) -> None:
    error = refused("bundle", "--apk", "a.apk", *options)
    assert error.hint == "add `--keystore FILE`"


def test_every_option_of_verify_belongs_to_some_mode() -> None:
    from mobiledeploy.cli import verify

    command = typer.main.get_command(app).commands["verify"]  # type: ignore[attr-defined]
    used = verify._HERE | verify._EMULATED | verify._ON_A_PHONE
    assert {parameter.name for parameter in command.params} - {"help"} == used
