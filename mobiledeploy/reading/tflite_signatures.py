"""Check that a `.tflite` gives apps that go by its signatures what it gives everyone else.

A signature names inputs and outputs by their tensors' numbers, which need not be the graph's.
Schema: `SignatureDef` in tensorflow/compiler/mlir/lite/schema/schema.fbs.
"""

from collections.abc import Mapping
from typing import Final

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.integer import flatbuffer, tflite_file
from mobiledeploy.reading.model import INPUT

_SIGNATURES: Final = 7
"""Field of `Model`; in a signature, 0 are the inputs, 1 the outputs, 2 is the key."""
_MOST: Final = 16
"""Signatures; converters write one."""
_INDEX: Final = 1
"""Field of `TensorMap`."""


def check(data: bytes, sources: Mapping[int, int], output: int) -> None:
    """Compare the signatures' ends with the graph's.

    Args:
        data: The file.
        sources: What tensors stand for, by number: the same for tensors with the same codes.
        output: Number of the tensor that the graph gives.

    Raises:
        CorruptFileError: A signature takes or gives something else, or there are too many.
    """
    signatures = flatbuffer.root(data, tflite_file.IDENTIFIER).tables(_SIGNATURES)
    if len(signatures) > _MOST:
        raise CorruptFileError(f"expected at most {_MOST} signatures, received {len(signatures)}")
    for signature in signatures:
        for slot, end, words in ((0, INPUT, "takes"), (1, sources[output], "gives")):
            numbers = {entry.scalar(_INDEX, "I", 0) for entry in signature.tables(slot)}
            # A tensor that nothing writes is left over from an operator that was taken out.
            named = {sources[number] for number in numbers if number in sources}
            if named and end not in named:
                raise CorruptFileError(
                    f"signature `{signature.text(2)}` {words} other tensors than the graph: "
                    f"{', '.join(map(str, sorted(numbers)))}",
                    hint="apps that run the file by its signature would get something else",
                )
