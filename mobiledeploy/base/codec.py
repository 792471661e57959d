"""Frozen dataclasses to JSON and back, strictly.

Unknown, missing and mistyped fields are refused: the files may come from anywhere.
"""

import dataclasses
import functools
import json
from typing import Any, Final, TypeVar, get_args

from mobiledeploy.base.errors import CorruptFileError, MobileDeployError

T = TypeVar("T")

MOST_SAID: Final = 1000
"""Characters of what is wrong with a file that are shown: its own text may be among them."""


@functools.cache
def _converter() -> Any:
    import cattrs

    converter = cattrs.Converter(forbid_extra_keys=True, detailed_validation=True)
    for kind in (int, float, str, bool):
        converter.register_structure_hook(kind, _exactly)
    return converter


def _exactly(value: object, kind: type) -> object:
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}, received {value!r}")
    return value


def dump(value: object) -> Any:
    """Return `value` as dicts, lists and scalars."""
    return _converter().unstructure(value)


def load(kind: type[T], data: object, *, where: str) -> T:
    """Return `data` as a `kind`.

    Args:
        kind: A frozen dataclass.
        data: What `dump` gave, after a trip through JSON.
        where: The file it was read from, for the message.

    Raises:
        CorruptFileError: A field is unknown, missing, or of another type; or the file is of
            another version of its format, where it has one.
    """
    import cattrs

    if not isinstance(data, dict):
        raise CorruptFileError(f"{where}: expected a JSON object, received {type(data).__name__}")
    _check_format(kind, data, where)
    try:
        loaded: T = _converter().structure(data, kind)
    except cattrs.BaseValidationError as error:
        details = "; ".join(cattrs.transform_error(error, format_exception=_in_words))[:MOST_SAID]
        raise CorruptFileError(f"{where} is not a valid {kind.__name__}: {details}") from error
    return loaded


def _check_format(kind: type, data: dict[str, Any], where: str) -> None:
    """Say that a file is older or newer, rather than which of its fields are then wrong."""
    types = {field.name: field.type for field in dataclasses.fields(kind)}
    expected = get_args(types.get("format"))
    found = data.get("format")
    if not expected or type(found) is not int or found in expected:
        return
    raise CorruptFileError(
        f"{where} is of format {found}, expected {expected[-1]}",
        hint="a newer mobiledeploy wrote it: update this one"
        if found > expected[-1]
        else "an earlier mobiledeploy wrote it: have this one write it again (`mobiledeploy "
        "build` makes only what has changed)",
    )


def _in_words(error: BaseException, kind: type | None) -> str:
    """Return what our own checks say as they say it."""
    from cattrs.v import format_exception

    return str(error) if isinstance(error, MobileDeployError) else format_exception(error, kind)


def to_json(value: object) -> bytes:
    """Return a dataclass as JSON text, the same bytes for the same value."""
    return (json.dumps(dump(value), indent=2, allow_nan=False) + "\n").encode()


def from_json(kind: type[T], text: bytes, *, where: str) -> T:
    """Return a `kind` from JSON text.

    Raises:
        CorruptFileError: The text is not JSON or not a `kind`.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:  # a number of thousands of digits is the former
        raise CorruptFileError(f"{where} is not JSON: {error}") from error
    return load(kind, data, where=where)
