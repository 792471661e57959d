"""What both formats share for editing: recipes for copies, operators of a cut-out part.

A copy with further outputs computes what the file computes: only outputs are added. A recipe of a
few bytes turns the file into the copy; `contract.json` carries it, so that an app can do the same.
"""

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal, TypeAlias, TypeVar

from mobiledeploy.base.errors import ConversionError, CorruptFileError
from mobiledeploy.spec.contract import Patch, Tap

Thing = TypeVar("Thing")
Name = TypeVar("Name", int, str)

CodeType: TypeAlias = Literal["int8", "uint8"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How to make a copy with further outputs.

    Attributes:
        outputs: Names of the further outputs, in order; empty if the copy is the file itself.
        dtype: Type of the last output, if it holds codes.
        offset: Where to overwrite the file, in bytes from its start.
        replacement: The bytes to write there; may be empty.
        tail: The bytes to append to the file.
    """

    outputs: tuple[str, ...] = ()
    dtype: CodeType | None = None
    offset: int = 0
    replacement: bytes = b""
    tail: bytes = b""

    def apply(self, data: bytes) -> bytes:
        """Return the copy of a file that the recipe was made for."""
        after = self.offset + len(self.replacement)
        return data[: self.offset] + self.replacement + data[after:] + self.tail

    def tap(self, path: str) -> Tap:
        """Return the recipe as `contract.json` carries it.

        Raises:
            ConversionError: The recipe does not add exactly one tensor of codes.
        """
        if len(self.outputs) != 1 or self.dtype is None:
            raise ConversionError(
                f"{path}: expected one softmax of int8 or uint8 codes, "
                f"received {len(self.outputs)} of {self.dtype or 'other types'}"
            )
        patch = Patch(offset=self.offset, bytes=self.replacement.hex())
        return Tap(
            path=path,
            output=self.outputs[0],
            dtype=self.dtype,
            patch=patch if self.replacement else None,
            append=self.tail.hex(),
        )


def inner_tensor(things: Mapping[str, Thing], name: str) -> Thing:
    """Return the entry for the tensor of a name.

    Raises:
        ConversionError: The file has no such tensor.
    """
    if name not in things:
        raise ConversionError(f"the file has no inner tensor `{name}`")
    return things[name]


def operators_between(
    operators: Sequence[tuple[Sequence[Name], Sequence[Name]]],
    constants: Collection[Name],
    *,
    inputs: Sequence[Name],
    output: Name,
    called: Callable[[Name], str] = str,
) -> tuple[int, ...]:
    """Return the indices of the operators that compute a tensor from given ones, in file order.

    Args:
        operators: The tensors that each reads and writes, in running order.
        constants: Tensors whose values are in the file.
        inputs: The given tensors.
        output: The tensor to compute.
        called: Returns a tensor's name for messages.

    Raises:
        ConversionError: The tensor is an input itself, does not depend on one of the inputs, or
            depends on something else that is not computed from them.
        CorruptFileError: Two operators write one tensor.
    """
    writers: dict[Name, int] = {}
    for place, (_, written) in enumerate(operators):
        for name in written:
            if name in writers:
                raise CorruptFileError(f"two operators write `{called(name)}`")
            writers[name] = place
    if output in inputs:
        raise ConversionError(f"there is nothing between `{called(output)}` and itself")
    taken: set[int] = set()
    seen: set[Name] = set()
    waiting = [output]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in inputs or name in constants:
            continue
        if name not in writers:
            raise ConversionError(f"`{called(output)}` also depends on `{called(name)}`")
        taken.add(writers[name])
        waiting.extend(operators[writers[name]][0])
    idle = [name for name in inputs if name not in seen]
    if idle:
        raise ConversionError(f"`{called(output)}` does not depend on `{called(idle[0])}`")
    return tuple(sorted(taken))
