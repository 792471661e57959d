"""What stands in an `.onnx`: the view that both formats share, and what only ONNX has."""

import dataclasses
from typing import Any

from mobiledeploy.formats.model import Model, Operator
from mobiledeploy.formats.onnx import schema
from mobiledeploy.formats.onnx.external_data import ExternalData


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OnnxOperator(Operator):
    """A node of an `.onnx`; `attributes` are its numbers, texts and lists of numbers."""

    @property
    def op(self) -> str:
        """Its kind, with the domain before it where that is not a known one's.

        Such a node may be a function that the file itself defines, whatever its name says.
        """
        plain = not self.domain or (
            self.domain == schema.MICROSOFT and self.kind in schema.MICROSOFT_OPERATORS
        )
        return self.kind if plain else f"{self.domain}.{self.kind}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OnnxModel(Model):
    """An `.onnx`, parsed: indices and sizes can be relied on, names are text.

    Types and shapes of inner tensors are those that the file states, and no tensor has a grid:
    ONNX gives grids by operators. `checker.complete` adds what can be inferred.

    Attributes:
        operators: Of the main graph, in the order in which they stand there.
        data: The file.
        proto: The file as `onnx.ModelProto`; not to be changed.
        external: Values that lie in other files.
    """

    operators: tuple[OnnxOperator, ...]
    data: bytes
    proto: Any
    external: ExternalData

    def whole(self) -> bytes:
        """Return the file with all values inside; its own bytes where they are already.

        Raises:
            ConversionError: What lies in other files is too large for that.
        """
        return self.external.whole(self.proto) if self.external.contents else self.data
