"""Strict JSON for frozen dataclasses.

Unknown fields, missing fields and fields of another type are refused: the files may come from
anywhere.
"""

import dataclasses
import functools
import json
import math
from collections.abc import Mapping
from types import UnionType
from typing import Any, Final, TypeVar, Union, get_args, get_origin

from mobiledeploy.base.errors import CorruptFileError, MobileDeployError

T = TypeVar("T")

OMIT: Final = {"omitted": True}
"""Metadata of a field that is left out of the JSON where it has its default value."""
UNWRITTEN: Final = {"unwritten": True}
"""Metadata of a field that is never in the JSON: only the code that words reports uses it."""
MOST_SAID: Final = 1000
"""Most characters of an error about a file's contents, which it may quote."""


@functools.cache
def _converter() -> Any:
    import cattrs
    from cattrs.gen import make_dict_structure_fn, override

    converter = cattrs.Converter(forbid_extra_keys=True, detailed_validation=True)

    def read(kind: Any) -> Any:
        unwritten: Any = {name: override(omit=True) for name in _unwritten(kind)}
        return make_dict_structure_fn(kind, converter, **unwritten)

    def name_or_tuple(kind: Any) -> Any:
        name, row = sorted(
            get_args(kind), key=lambda choice: str(get_origin(choice)), reverse=True
        )
        return lambda value, _: converter.structure(value, name if isinstance(value, str) else row)

    converter.register_structure_hook_factory(lambda kind: bool(_unwritten(kind)), read)
    converter.register_structure_hook_factory(_is_name_or_tuple, name_or_tuple)
    for kind in (int, float, str, bool):
        converter.register_structure_hook(kind, _exactly)
    return converter


def _is_name_or_tuple(kind: Any) -> bool:
    """Whether a type is some names or a tuple: `Literal["same"] | tuple[int, int]`."""
    if get_origin(kind) not in (Union, UnionType):
        return False
    return sorted(str(get_origin(choice)) for choice in get_args(kind)) == [
        "<class 'tuple'>", "typing.Literal"
    ]  # fmt: skip


def _unwritten(kind: Any) -> list[str]:
    if not dataclasses.is_dataclass(kind):
        return []
    return [field.name for field in dataclasses.fields(kind) if _marked(field, UNWRITTEN)]


def _marked(field: "dataclasses.Field[Any]", mark: dict[str, bool]) -> bool:
    return field.metadata.keys() >= mark.keys()


def _exactly(value: object, kind: type) -> object:
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}, received {value!r}")
    # Python reads NaN, Infinity and 1e999, none of which is a number in JSON. NaN would pass every
    # check of the kind `value > limit`.
    if isinstance(value, float) and not math.isfinite(value):
        raise CorruptFileError(f"expected a finite number, received {value}")
    return value


def dump(value: object) -> Any:
    """Return `value` as dicts, lists or tuples, and scalars.

    Without cattrs, whose import and generated functions take longer than all that a build writes.

    Raises:
        TypeError: It holds something else.
    """
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, tuple | list):
        return type(value)(map(dump, value))
    if isinstance(value, Mapping):
        return {dump(key): dump(each) for key, each in value.items()}
    if not dataclasses.is_dataclass(value):
        raise TypeError(f"expected a dataclass, a collection or a scalar, received {value!r}")
    fields = {}
    for field in dataclasses.fields(value):
        own = getattr(value, field.name)
        if not _marked(field, UNWRITTEN) and not (_marked(field, OMIT) and own == _default(field)):
            fields[field.name] = dump(own)
    return fields


def _default(field: "dataclasses.Field[Any]") -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def load(kind: type[T], data: object, *, where: str) -> T:
    """Return `data` as a `kind`.

    Args:
        kind: A frozen dataclass.
        data: What `dump` returned, or the same read from JSON.
        where: The file it was read from, for the message.

    Raises:
        CorruptFileError: A field is unknown, missing or of another type, or the file has another
            version of its format.
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
    """Refuse a file of an older or newer format by its version, not by fields that differ."""
    types = {field.name: field.type for field in dataclasses.fields(kind)}
    expected = get_args(types.get("format"))
    received = data.get("format")
    if not expected or type(received) is not int or received in expected:
        return
    raise CorruptFileError(
        f"{where} is of format {received}, expected {expected[-1]}",
        hint="a newer mobiledeploy wrote it: update this one"
        if received > expected[-1]
        else "an earlier mobiledeploy wrote it: have this one write it again (`mobiledeploy "
        "build` makes only what has changed)",
    )


def _in_words(error: BaseException, kind: type | None) -> str:
    """Return the messages of our own checks unchanged, those of cattrs in its words."""
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
