"""The names that TFLite's schema gives to the numbers in a file."""

import functools

from mobiledeploy.errors import CorruptFileError


@functools.cache
def names(enumeration: str) -> dict[int, str]:
    """Return the names of an enumeration of the schema, such as `BuiltinOperator`, by number."""
    from ai_edge_litert import schema_py_generated as schema

    members = vars(getattr(schema, enumeration))
    return {number: name for name, number in members.items() if isinstance(number, int)}


def dtype(number: int, tensor: str) -> str:
    """Return the name of a tensor's type, such as `int8`.

    Raises:
        CorruptFileError: There is no such type.
    """
    known = names("TensorType")
    if number not in known:
        raise CorruptFileError(f"tensor `{tensor}`: there is no type {number}")
    return known[number].lower()
