"""Look inside a `.tflite`: a copy in memory that also gives out tensors it computes on the way."""

import struct
from collections.abc import Sequence
from typing import Final

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.formats import recipe
from mobiledeploy.formats.recipe import Codes, Recipe
from mobiledeploy.integer import flatbuffer, tflite_file

_TFLITE_CODES: Final[dict[str, Codes]] = {"int8": "int8", "uint8": "uint8"}


def tflite(data: bytes, tensors: Sequence[str] | None = None) -> bytes:
    """Return a `.tflite` with further outputs: `tflite_recipe`, applied."""
    return tflite_recipe(data, tensors).apply(data)


def tflite_recipe(data: bytes, tensors: Sequence[str] | None = None) -> Recipe:
    """Return how to make a copy of a `.tflite` with further outputs: int8 codes.

    The flatbuffer is kept byte for byte but for one offset: that of the list of outputs, which
    points to a new list behind the old end.

    Args:
        data: The file.
        tensors: Names of tensors to give out after the file's own outputs. None: the input of
            the softmax if the file has one, else nothing, and the copy is the file as it is.

    Raises:
        CorruptFileError: The bytes are no `.tflite`, or damaged.
        ConversionError: There is no tensor of such a name.
    """
    file = tflite_file.parse(data, any_operator=True)
    if tensors is None:
        added = [op.inputs[0] for op in file.operators if op.name == "SOFTMAX" and op.inputs]
    else:
        indices = {tensor.name: index for index, tensor in enumerate(file.tensors)}
        added = [recipe.known(indices, name) for name in tensors]
    if not added:
        return Recipe()
    field = flatbuffer.root(data, tflite_file.IDENTIFIER).tables(2)[0].place(2)
    if field is None:
        raise CorruptFileError("the graph has no list of outputs")
    outputs = [*file.outputs, *added]
    padding = b"\0" * (-len(data) % 4)
    return Recipe(
        outputs=tuple(file.tensors[index].name for index in added),
        dtype=_TFLITE_CODES.get(str(file.tensors[added[-1]].dtype)),
        offset=field,
        replacement=struct.pack("<I", len(data) + len(padding) - field),
        tail=padding + struct.pack(f"<I{len(outputs)}i", len(outputs), *outputs),
    )
