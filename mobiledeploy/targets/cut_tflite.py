"""Cut a part out of a `.tflite`: a model of its own, with the file's operators and constants.

The part is what lies between given tensors and another one. Each operator keeps its version and
options, each tensor its type, shape, grid and name, so that a runtime chooses the kernels that it
chooses in the whole file.
"""

from collections.abc import Sequence
from typing import Final

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.formats.between import between
from mobiledeploy.integer.tflite_file import TfliteFile, TfliteTensor
from mobiledeploy.targets.tflite_model import TfliteModel

OLDEST: Final = "1.5.0"
"""What TensorFlow's converter writes where it knows of no newer operator."""
CUSTOM: Final = 32
"""Number in the schema's `BuiltinOperator` of operators that are none of TFLite's."""


def cut(file: TfliteFile, inputs: Sequence[str], output: str) -> bytes:
    """Return the part of a file that computes a tensor from other ones.

    Args:
        file: Parsed with `any_operator`: its indices can be relied on.
        inputs: Names of the tensors that become the inputs, in this order, each once.
        output: Name of the tensor that becomes the only output.

    Raises:
        ConversionError: There is no such tensor or more than one, the output does not follow
            from the inputs, or the part holds something that cannot be written.
        CorruptFileError: An operator's options are damaged.
    """
    starts, end = [named(file, name) for name in inputs], named(file, output)
    # -1 stands for an optional input that is absent.
    reads = [[index for index in operator.inputs if index >= 0] for operator in file.operators]
    constants = {index for index, tensor in enumerate(file.tensors) if tensor.data is not None}
    places = between(
        [(read, operator.outputs) for read, operator in zip(reads, file.operators, strict=True)],
        constants,
        inputs=starts,
        output=end,
        called=lambda index: file.tensors[index].name,
    )
    model = TfliteModel()
    copies = {-1: -1}
    for index in dict.fromkeys(
        (
            *starts,
            *(i for place in places for i in (*reads[place], *file.operators[place].outputs)),
        )
    ):
        copies[index] = _copy(model, file.tensors[index])
    for place in places:
        operator = file.operators[place]
        if operator.code == CUSTOM:
            raise ConversionError(f"`{output}` is computed by an operator that is not TFLite's")
        model.copy(
            operator,
            [copies[index] for index in operator.inputs],
            [copies[index] for index in operator.outputs],
        )
    return model.finish(
        description=f"{output}, cut out",
        min_runtime=OLDEST,
        inputs={f"input_{number}": copies[index] for number, index in enumerate(starts)},
        outputs={"output": copies[end]},
    )


def named(file: TfliteFile, name: str) -> int:
    """Return the index of the only tensor of a name.

    Raises:
        ConversionError: There is none, or there are several: the name names nothing.
    """
    found = [index for index, tensor in enumerate(file.tensors) if tensor.name == name]
    if len(found) != 1:
        raise ConversionError(f"expected one tensor `{name}`, received {len(found)}")
    return found[0]


def _copy(model: TfliteModel, tensor: TfliteTensor) -> int:
    if tensor.dtype is None:
        raise ConversionError(f"`{tensor.name}` is of a type that cannot be written")
    quantised = tensor.scale.size > 0
    if tensor.data is not None:
        return model.constant(
            tensor.name,
            tensor.data,
            scale=tensor.scale if quantised else None,
            zero_point=tensor.zero_point,
            axis=tensor.axis,
        )
    if tensor.scale.size > 1:
        raise ConversionError(f"`{tensor.name}` is computed, and has a scale for each channel")
    return model.activation(
        tensor.name,
        tensor.dtype,
        tensor.shape,
        scale=tensor.scale[0] if quantised else None,
        zero_point=int(tensor.zero_point[0]) if quantised else 0,
    )
