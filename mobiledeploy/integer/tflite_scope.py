"""The tensors of a `.tflite` while its operators are read: what was written so far."""

from typing import Any

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.formats.tflite import TfliteOperator, TfliteTensor
from mobiledeploy.integer.graph import QTensor


def refusal(operator: TfliteOperator, why: str) -> ConversionError:
    """Return the error for an operator that no node of a graph can stand for."""
    return ConversionError(
        f"{operator.builtin} that writes tensor {', '.join(map(str, operator.outputs))}: {why}",
        hint="only int8 classifiers of the MobileNet kind can be read",
    )


class Scope:
    """Activations by the index of their tensor, under names of their own."""

    def __init__(self, tensors: tuple[TfliteTensor, ...], names: dict[int, str]) -> None:
        """Begin with nothing written.

        Args:
            tensors: Of the file.
            names: Tensors that go by another name than their own.
        """
        self.tensors = tensors
        self._names = names
        self._written: dict[int, QTensor] = {}
        self._taken: set[str] = set()

    def written(self, index: int) -> QTensor | None:
        """Return the activation in a tensor, or None if nothing wrote it yet."""
        return self._written.get(index)

    def read(self, index: int, operator: TfliteOperator) -> QTensor:
        """Return the activation that an operator reads.

        Raises:
            ConversionError: Nothing wrote it yet.
        """
        if index not in self._written:
            raise refusal(operator, f"reads tensor {index}, which nothing wrote")
        return self._written[index]

    def write(self, index: int, *, vector: bool = False) -> QTensor:
        """Return the activation that a tensor holds from now on.

        Args:
            index: Of the tensor.
            vector: Whether axes of size 1 before the channels do not count.

        Raises:
            ConversionError: It is no int8 activation of one image.
        """
        tensor, where = (
            self._tensor(index),
            f"tensor {index} (`{self.tensors[index].unique_name}`)",
        )
        if tensor.dtype != "int8" or tensor.scale.size != 1 or tensor.constant:
            raise ConversionError(
                f"{where}: expected an int8 activation with one scale, received "
                f"{tensor.dtype} with {tensor.scale.size} scales",
                hint="only full integer models can be read",
            )
        if tensor.fixed_shape[:1] != (1,):
            raise ConversionError(f"{where}: expected a batch of 1, received {tensor.fixed_shape}")
        shape = tensor.fixed_shape[1:]
        if vector and shape[:-1] == (1,) * (len(shape) - 1):
            shape = shape[-1:]
        self._written[index] = QTensor(
            name=self._unique(index),
            shape=shape,
            scale=np.float32(tensor.scale[0]),
            zero_point=int(tensor.zero_point[0]),
        )
        return self._written[index]

    def rename(self, index: int, activation: QTensor) -> None:
        """Let a tensor stand for an activation that was written under another index."""
        self._written[index] = activation

    def constant(
        self, index: int, operator: TfliteOperator, dtype: type[np.generic]
    ) -> tuple[TfliteTensor, npt.NDArray[Any]]:
        """Return a constant and its values.

        Raises:
            ConversionError: It has no data, or another type.
        """
        tensor = self._tensor(index)
        if tensor.data is None or tensor.data.dtype != dtype:
            raise refusal(
                operator,
                f"expected {np.dtype(dtype)} constants in tensor {index} "
                f"(`{tensor.unique_name}`), received {tensor.dtype}"
                f"{'' if tensor.constant else ' without data'}",
            )
        return tensor, tensor.data

    def _tensor(self, index: int) -> TfliteTensor:
        if index < 0:
            raise ConversionError("expected a tensor, received an input or output left out")
        return self.tensors[index]

    def _unique(self, index: int) -> str:
        """Return the tensor's name, or one with its index if that is empty or taken."""
        name = self._names.get(index, self.tensors[index].unique_name)
        if not name or name in self._taken:
            name = f"{name or 'tensor'}#{index}"
        self._taken.add(name)
        return name
