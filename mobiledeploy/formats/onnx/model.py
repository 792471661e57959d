"""`OnnxModel`: a parsed `.onnx`, which extends the `Model` that both formats share."""

import dataclasses
import math
from typing import Any, Final

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.formats.model import ONE_IMAGE, Model, Operator, Tensor
from mobiledeploy.formats.onnx import schema
from mobiledeploy.formats.onnx.external_data import ExternalData

MOST_NODES: Final = 16384
"""Most nodes that are read: many times those of a classifier."""
MOST_RANK: Final = 8
MOST_ELEMENTS: Final = 2**40


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OnnxOperator(Operator):
    """A node of an `.onnx`; `attributes` holds numbers, strings and lists of numbers."""

    @property
    def op(self) -> str:
        """Its kind, with the domain before it if the domain is not a known one.

        A node of an unknown domain may be a function that the file itself defines under any name.
        """
        plain = not self.domain or (
            self.domain == schema.MICROSOFT and self.kind in schema.MICROSOFT_OPERATORS
        )
        return self.kind if plain else f"{self.domain}.{self.kind}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OnnxModel(Model):
    """A parsed `.onnx`: indices and sizes were checked, names are valid text.

    Types and shapes of inner tensors are those that the file states, and no tensor has a grid,
    since ONNX states grids in operators. `Checks.complete` adds what can be inferred.

    Attributes:
        operators: Operators of the main graph, in file order.
        data: The file.
        proto: The file as `onnx.ModelProto`; not to be changed.
        external: Values that are in other files.
    """

    operators: tuple[OnnxOperator, ...]
    data: bytes = dataclasses.field(repr=False)
    proto: Any = dataclasses.field(repr=False)
    external: ExternalData

    def whole(self) -> bytes:
        """Return the file with all values inside; its own bytes if none are external.

        Raises:
            ConversionError: The external data is too large for one file.
        """
        return self.external.whole(self.proto) if self.external.contents else self.data


def require_supported(model: OnnxModel) -> None:
    """Refuse models that no reader here can read, without looking at their operators.

    Raises:
        ConversionError: There are several inputs, no output, too many nodes, or an input or
            output larger than any image.
    """
    if len(model.operators) > MOST_NODES:
        raise ConversionError(
            f"expected at most {MOST_NODES} nodes, received {len(model.operators)}",
            hint="no phone runs so large a graph: export the network without its training steps",
        )
    if len(model.inputs) != 1:
        raise ConversionError(f"expected one input, received {len(model.inputs)}", hint=ONE_IMAGE)
    if not model.outputs:
        raise ConversionError("expected an output, received none", hint=ONE_IMAGE)
    for index in (*model.inputs, *model.outputs):
        if index < 0:
            raise ConversionError(
                "expected inputs and outputs with names, received one without", hint=ONE_IMAGE
            )
        _require_possible(model.tensors[index])


def _require_possible(tensor: Tensor) -> None:
    shape = tensor.shape or ()
    sizes = [size for size in shape if isinstance(size, int) and size > 0]
    if len(shape) > MOST_RANK or math.prod(sizes) > MOST_ELEMENTS:
        raise ConversionError(
            f"tensor `{tensor.name}`: expected at most {MOST_RANK} dimensions and "
            f"{MOST_ELEMENTS:,} values, received the shape {shape}",
            hint="export the model with the size of the images that an app gives it",
        )
