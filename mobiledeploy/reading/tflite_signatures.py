"""Check that a `.tflite` gives apps that go by its signatures what it gives everyone else.

A signature names inputs and outputs by their tensors' numbers, which need not be the graph's.
Schema: `SignatureDef` in tensorflow/compiler/mlir/lite/schema/schema.fbs.
"""

from collections.abc import Mapping
from typing import Final

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.formats.tflite import TfliteModel
from mobiledeploy.reading.model import INPUT

_MOST: Final = 16
"""Signatures; converters write one."""


def check(model: TfliteModel, sources: Mapping[int, int], output: int) -> None:
    """Compare the signatures' ends with the graph's.

    Args:
        model: The file.
        sources: What tensors stand for, by number: the same for tensors with the same codes.
        output: Number of the tensor that the graph gives.

    Raises:
        CorruptFileError: A signature takes or gives something else, or there are too many.
    """
    if len(model.calls) > _MOST:
        raise CorruptFileError(f"expected at most {_MOST} signatures, received {len(model.calls)}")
    for call in model.calls:
        for entries, end, words in (
            (call.inputs, INPUT, "takes"),
            (call.outputs, sources[output], "gives"),
        ):
            numbers = {number for _, number in entries}
            # A tensor that nothing writes is left over from an operator that was taken out.
            named = {sources[number] for number in numbers if number in sources}
            if named and end not in named:
                raise CorruptFileError(
                    f"signature `{call.key}` {words} other tensors than the graph: "
                    f"{', '.join(map(str, sorted(numbers)))}",
                    hint="apps that run the file by its signature would get something else",
                )
