"""Check that a `.tflite` gives apps that go by its signatures what it gives everyone else.

A signature names inputs and outputs by their tensors' numbers, which need not be the graph's.
Schema: `SignatureDef` in tensorflow/compiler/mlir/lite/schema/schema.fbs.
"""

from typing import Final

from mobiledeploy.errors import CorruptFileError
from mobiledeploy.integer import flatbuffer, tflite_file
from mobiledeploy.integer.tflite_file import TfliteFile

_SIGNATURES: Final = 7
"""Field of `Model`; in a signature, 0 are the inputs, 1 the outputs, 2 is the key."""
_MOST: Final = 16
"""Signatures; converters write one."""
_INDEX: Final = 1
"""Field of `TensorMap`."""


def check(data: bytes, file: TfliteFile) -> None:
    """Compare the signatures' ends with the graph's.

    Raises:
        CorruptFileError: A signature takes or gives a tensor that the graph does not, or there are
            too many.
    """
    signatures = flatbuffer.root(data, tflite_file.IDENTIFIER).tables(_SIGNATURES)
    if len(signatures) > _MOST:
        raise CorruptFileError(f"expected at most {_MOST} signatures, received {len(signatures)}")
    for signature in signatures:
        for slot, ends, words in ((0, file.inputs, "takes"), (1, file.outputs, "gives")):
            named = {end.scalar(_INDEX, "I", 0) for end in signature.tables(slot)}
            if not named <= set(ends):
                raise CorruptFileError(
                    f"signature `{signature.text(2)}`: {words} tensors {sorted(named)}, the graph "
                    f"{sorted(ends)}",
                    hint="apps that run the file by its signature would get something else",
                )
