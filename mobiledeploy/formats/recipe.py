"""How to make a copy of a model file with further outputs, in a few bytes.

A copy computes what the file computes: nothing is added but outputs. An app can make it as well:
`contract.json` carries the recipes.
"""

import dataclasses
from collections.abc import Mapping
from typing import Literal, TypeAlias, TypeVar

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.spec.contract import Patch, Tap

Thing = TypeVar("Thing")

Codes: TypeAlias = Literal["int8", "uint8"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How to make a copy with further outputs.

    Attributes:
        outputs: Names of the further outputs, in order; empty if the copy is the file itself.
        dtype: Type of the last one, if those are codes.
        offset: Where to write over the file's own bytes.
        replacement: What to write there; may be empty.
        tail: What to put behind the end.
    """

    outputs: tuple[str, ...] = ()
    dtype: Codes | None = None
    offset: int = 0
    replacement: bytes = b""
    tail: bytes = b""

    def apply(self, data: bytes) -> bytes:
        """Return the copy."""
        after = self.offset + len(self.replacement)
        return data[: self.offset] + self.replacement + data[after:] + self.tail

    def tap(self, path: str) -> Tap:
        """Return the recipe as `contract.json` carries it.

        Raises:
            ConversionError: It is not for one tensor of codes.
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


def known(things: Mapping[str, Thing], name: str) -> Thing:
    """Return what stands under a tensor's name.

    Raises:
        ConversionError: The file has no such tensor.
    """
    if name not in things:
        raise ConversionError(f"the file has no inner tensor `{name}`")
    return things[name]
