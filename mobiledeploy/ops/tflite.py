"""What operators share when they are read from a `.tflite` or written to one."""

import dataclasses
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.formats.tflite import TfliteOperator, TfliteTensor
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.ops.activation import implied
from mobiledeploy.ops.architecture import Activation
from mobiledeploy.ops.tensors import QTensor
from mobiledeploy.ops.weights import QWeights


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """An operator's version: runtimes refuse versions that they do not know.

    Attributes:
        number: The version in the file.
        runtime: The oldest TensorFlow Lite that has it, by TensorFlow's table of operator
            versions.
    """

    number: int
    runtime: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TfliteInput:
    """An activation that an operator reads.

    Attributes:
        index: Index of its tensor in the file.
        tensor: Its shape and grid.
    """

    index: int
    tensor: QTensor


def second_version(node: object, inputs: Sequence[QTensor]) -> Version:
    """Return the version 2, the first of many operators that takes int8."""
    del node, inputs
    return Version(number=2, runtime="1.14.0")


def indices(inputs: Sequence[TfliteInput]) -> list[int]:
    """Return the indices of activations."""
    return [each.index for each in inputs]


def activation_of(operator: TfliteOperator) -> Activation | None:
    """Return the activation fused into an operator; None for one that no node supports."""
    match operator.activation:
        case "none" | "relu" | "relu6" as known:
            return known
        case _:
            return None


def refusal(operator: TfliteOperator, why: str) -> ConversionError:
    """Return the error for an operator that no node of a graph corresponds to."""
    return ConversionError(
        f"{operator.builtin} that writes tensor {', '.join(map(str, operator.outputs))}: {why}",
        hint="only int8 classifiers of the MobileNet kind can be read",
    )


class Scope:
    """The activations written so far, by the index of their tensor, with unique names."""

    def __init__(
        self,
        tensors: tuple[TfliteTensor, ...],
        names: dict[int, str],
        flattened: Collection[int] = (),
    ) -> None:
        """Begin with nothing written.

        Args:
            tensors: All tensors of the file.
            names: Names of tensors that get another one than their own.
            flattened: Indices of tensors whose axes of size 1 before the channels are dropped.
        """
        self.tensors = tensors
        self._names = names
        self._flattened = flattened
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
        """Add the activation in a tensor, and return it.

        Args:
            index: Index of the tensor.
            vector: Whether to drop axes of size 1 before the channels.

        Raises:
            ConversionError: It is not an int8 activation of one image.
        """
        tensor = self._tensor(index)
        where = f"tensor {index} (`{tensor.unique_name}`)"
        if tensor.dtype != "int8" or tensor.scale.size != 1 or tensor.constant:
            raise ConversionError(
                f"{where}: expected an int8 activation with one scale, received "
                f"{tensor.dtype} with {tensor.scale.size} scales",
                hint="only full integer models can be read",
            )
        if tensor.fixed_shape[:1] != (1,):
            raise ConversionError(f"{where}: expected a batch of 1, received {tensor.fixed_shape}")
        shape = tensor.fixed_shape[1:]
        if (vector or index in self._flattened) and shape[:-1] == (1,) * (len(shape) - 1):
            shape = shape[-1:]
        self._written[index] = QTensor(
            name=self._unique(index),
            shape=shape,
            scale=np.float32(tensor.scale[0]),
            zero_point=int(tensor.zero_point[0]),
        )
        return self._written[index]

    def rename(self, index: int, activation: QTensor) -> None:
        """Make a tensor an alias of an activation with another index."""
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


def ends(operator: TfliteOperator, *, inputs: int) -> tuple[int, ...]:
    """Return the indices of an operator's inputs and of its output.

    Raises:
        ConversionError: It has another number of inputs, or of outputs.
    """
    if len(operator.inputs) != inputs or len(operator.outputs) != 1:
        raise refusal(
            operator,
            f"expected {inputs} inputs and 1 output, received {len(operator.inputs)} and "
            f"{len(operator.outputs)}",
        )
    return *operator.inputs, *operator.outputs


def weighted_ends(operator: TfliteOperator) -> tuple[int, ...]:
    """Return the indices of input, kernel, bias (-1 if there is none) and output.

    Raises:
        ConversionError: It has another number of inputs, or of outputs.
    """
    if len(operator.inputs) == 2:
        source, kernel, target = ends(operator, inputs=2)
        return source, kernel, -1, target
    return ends(operator, inputs=3)


def refuse_activation(operator: TfliteOperator, output: QTensor) -> None:
    """Accept a fused activation only where the grid implies it.

    Args:
        operator: The operator.
        output: Its output.

    Raises:
        ConversionError: The activation would change codes.
    """
    activation = activation_of(operator)
    if activation is None or not implied(activation, output):
        raise refusal(operator, "expected no activation")


def read_operands(operator: TfliteOperator, scope: Scope) -> tuple[tuple[str, str], QTensor]:
    """Return the names of an operator's two operands, and its output.

    Raises:
        ConversionError: It has other inputs or outputs, or an activation would change codes.
    """
    a, b, target = ends(operator, inputs=2)
    sources = scope.read(a, operator).name, scope.read(b, operator).name
    output = scope.write(target)
    refuse_activation(operator, output)
    return sources, output


def read_weights(
    operator: TfliteOperator, scope: Scope, source: QTensor, kernel: int, bias: int, *, axis: int
) -> QWeights:
    """Return an operator's kernel and bias; a bias of zeros where it has none.

    Args:
        operator: The operator.
        scope: The activations of the file.
        source: Its input.
        kernel: Index of its kernel.
        bias: Index of its bias, -1 for none.
        axis: Axis of the output channels in the kernel.

    Raises:
        ConversionError: The kernel is not symmetric int8, or the bias not int32.
    """
    tensor, codes = scope.constant(kernel, operator, np.int8)
    if codes.ndim <= axis:
        raise refusal(operator, f"expected a kernel with an axis {axis}, received {codes.shape}")
    scale = tensor.scale
    if not scale.size or tensor.zero_point.any() or (scale.size > 1 and tensor.axis != axis):
        raise refusal(operator, f"expected symmetric weights, quantised along axis {axis}")
    if bias < 0:
        return QWeights(
            kernel=codes,
            kernel_scale=scale,
            bias=np.zeros(codes.shape[axis], np.int32),
            bias_scale=source.scale * scale,
        )
    bias_tensor, values = scope.constant(bias, operator, np.int32)
    if bias_tensor.zero_point.any() or bias_tensor.scale.size not in {1, scale.size}:
        raise refusal(operator, "expected a bias with the scales of the accumulator")
    return QWeights(
        kernel=codes,
        kernel_scale=scale,
        bias=values.ravel(),
        bias_scale=np.broadcast_to(bias_tensor.scale, scale.shape),
    )


def write_weights(
    model: TfliteWriter, name: str, weights: QWeights, *, axis: int
) -> tuple[int, int]:
    """Add kernel and bias; return their indices.

    Args:
        model: To add them to.
        name: Name of the node's output.
        weights: The integers.
        axis: Axis of the output channels in the kernel.

    Raises:
        ConversionError: The kernel has a zero point, which LiteRT refuses or ignores.
    """
    if weights.kernel_zero is not None:
        raise ConversionError(f"`{name}`: expected symmetric int8 weights in -127..127")
    return (
        model.constant(f"{name}/kernel", weights.kernel, scale=weights.kernel_scale, axis=axis),
        model.constant(f"{name}/bias", weights.bias, scale=weights.bias_scale),
    )
