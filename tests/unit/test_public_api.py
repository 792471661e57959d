"""What `import mobiledeploy` offers."""

import inspect
import os
import subprocess
import sys
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mobiledeploy
from mobiledeploy.base.errors import MobileDeployError


def kinds(annotation: Any) -> set[Any]:
    """Return the members of a union, or the type itself."""
    members = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else ()
    return {typing.get_origin(member) or member for member in members or (annotation,)}


def test_every_public_name_resolves_and_says_what_it_does() -> None:
    for name in mobiledeploy.__all__:
        value = getattr(mobiledeploy, name)
        assert name == "__version__" or len(value.__doc__) > 80


def test_the_homes_and_the_public_names_are_the_same() -> None:
    assert sorted(mobiledeploy.__all__) == ["__version__", *sorted(mobiledeploy._HOMES)]


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(mobiledeploy, "train_me_something")


def test_importing_the_package_imports_nothing_else() -> None:
    ours = "m for m in sys.modules if m.startswith('mobiledeploy')"
    code = f"import sys, mobiledeploy; print(*({ours}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(run.stdout.split()) == {"mobiledeploy", "mobiledeploy._version"}


def test_every_public_function_accepts_a_string_for_a_path() -> None:
    named = 0
    for name in mobiledeploy._HOMES:
        for parameter in inspect.signature(getattr(mobiledeploy, name)).parameters.values():
            accepted = kinds(parameter.annotation)
            assert Path not in accepted, f"{name}({parameter.name})"
            named += {str, os.PathLike} <= accepted
    assert named >= 8


def read_weights(path: Any) -> object:
    small = mobiledeploy.architecture("v1", alpha=0.25, image_size=32, classes=2)
    return mobiledeploy.read_weights(path, small)


CALLS: dict[str, Callable[[Any], object]] = {
    "data": lambda path: mobiledeploy.build(mobiledeploy.decide(data=path), f"{path}-build"),
    "weights": lambda path: mobiledeploy.build(mobiledeploy.decide(weights=path), path),
    "quantize": lambda path: mobiledeploy.quantize(path, path),
    "bundle": lambda path: mobiledeploy.bundle(path, path),
    "verify_build": lambda path: mobiledeploy.verify_build(path, data=path),
    "read_weights": read_weights,
}


@pytest.mark.parametrize("kind", [str, Path])
@pytest.mark.parametrize("call", CALLS)
def test_a_missing_file_is_named_in_the_error_for_a_string_and_for_a_path(
    tmp_path: Path, kind: type, call: str
) -> None:
    with pytest.raises(MobileDeployError, match="nowhere"):
        CALLS[call](kind(tmp_path / "nowhere"))
