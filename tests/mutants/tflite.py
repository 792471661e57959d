"""What a fault can change in a `.tflite`."""

from typing import Any

import numpy as np
from tflite_editor import TfliteFile

from mutants.editable import Array, NotApplicableError

KINDS = {
    "ADD": "add",
    "CONV_2D": "conv",
    "DEPTHWISE_CONV_2D": "depthwise",
    "FULLY_CONNECTED": "dense",
    "MEAN": "mean",
    "SOFTMAX": "softmax",
}


class TfliteEditable:
    """A `.tflite` of our form: int8 from the input to the output, no other operators."""

    def __init__(self, data: bytes) -> None:
        self._file = TfliteFile(data)
        self._graph = self._file.graph
        self.kinds = tuple(KINDS[self._file.builtin(op)] for op in self._graph.operators)

    def _op(self, layer: int) -> Any:
        return self._graph.operators[layer]

    def _tensor(self, layer: int) -> Any:
        index = self._graph.inputs[0] if layer < 0 else self._op(layer).outputs[0]
        return self._graph.tensors[index]

    def _constant(self, layer: int, place: int) -> Any:
        if self.kinds[layer] not in {"conv", "depthwise", "dense"}:
            raise NotApplicableError
        return self._graph.tensors[self._op(layer).inputs[place]]

    def _values(self, tensor: Any, dtype: Any) -> Array:
        data = self._file.model.buffers[tensor.buffer].data
        return np.frombuffer(bytes(data), dtype).reshape(tensor.shape).copy()

    def kernel(self, layer: int) -> Array:
        values = self._values(self._constant(layer, 1), np.int8)
        return values.transpose(3, 1, 2, 0) if self.kinds[layer] == "depthwise" else values

    def set_kernel(self, layer: int, kernel: Array) -> None:
        if self.kinds[layer] == "depthwise":
            kernel = kernel.transpose(3, 1, 2, 0)
        self._file.store(self._constant(layer, 1), kernel)

    def kernel_grid(self, layer: int) -> tuple[Array, Array]:
        grid = self._constant(layer, 1).quantization
        return np.array(grid.scale, np.float32), np.array(grid.zeroPoint, np.int64)

    def set_kernel_grid(self, layer: int, scale: Array, zero: Array) -> None:
        grid = self._constant(layer, 1).quantization
        grid.scale, grid.zeroPoint = scale.astype(np.float32), zero.astype(np.int64)

    def bias(self, layer: int) -> Array:
        return self._values(self._constant(layer, 2), np.int32)

    def set_bias(self, layer: int, bias: Array) -> None:
        self._file.store(self._constant(layer, 2), bias.astype(np.int32))

    def bias_scale(self, layer: int) -> Array:
        return np.array(self._constant(layer, 2).quantization.scale, np.float32)

    def set_bias_scale(self, layer: int, scale: Array) -> None:
        grid = self._constant(layer, 2).quantization
        grid.scale, grid.zeroPoint = scale.astype(np.float32), np.zeros(scale.size, np.int64)

    def scale_tensor(self, layer: int, change: Any) -> None:
        grid = self._tensor(layer).quantization
        grid.scale = np.array([change(np.float32(grid.scale[0]))], np.float32)

    def zero_point(self, layer: int) -> int:
        return int(self._tensor(layer).quantization.zeroPoint[0])

    def move_zero_point(self, layer: int, by: int) -> None:
        grid = self._tensor(layer).quantization
        grid.zeroPoint = np.array([int(grid.zeroPoint[0]) + by], np.int64)

    def _options(self, layer: int) -> Any:
        return self._op(layer).builtinOptions

    def strides(self, layer: int) -> tuple[int, int]:
        if self.kinds[layer] not in {"conv", "depthwise"}:
            raise NotApplicableError
        return self._options(layer).strideH, self._options(layer).strideW

    def set_strides(self, layer: int, strides: tuple[int, int]) -> None:
        self._options(layer).strideH, self._options(layer).strideW = strides

    def set_dilations(self, layer: int, dilations: tuple[int, int]) -> None:
        options = self._options(layer)
        options.dilationHFactor, options.dilationWFactor = dilations

    def move_padding(self, layer: int) -> None:
        self._options(layer).padding = 1 - self._options(layer).padding

    def drop_activation(self, layer: int) -> None:
        options = self._options(layer)
        if not getattr(options, "fusedActivationFunction", 0):
            raise NotApplicableError
        options.fusedActivationFunction = 0

    def cut_off(self, layer: int) -> None:
        options = self._options(layer)
        if getattr(options, "fusedActivationFunction", 1) or self.zero_point(layer) == -128:
            raise NotApplicableError
        options.fusedActivationFunction = 1

    def move_pixels(self, layer: int) -> None:
        target = int(self._op(layer).outputs[0])
        name, size = self._tensor(layer).name.decode(), self._tensor(layer).shape
        if len(size) != 4 or size[1] % 2:
            raise NotApplicableError
        # The stated shape stays, and the name goes with what the next layer reads.
        computed = self._file.add_tensor(name, f"{name}~")
        moved = np.array([1, size[1] // 2, size[2] * 2, size[3]], np.int32)
        inputs = [computed, self._file.add_constant("shape~", moved)]
        self._op(layer).outputs = np.array([computed], np.int32)
        self._file.add_operator(layer + 1, "RESHAPE", inputs, [target])

    def turn_operand(self, layer: int) -> None:
        raise NotApplicableError

    def negate(self, layer: int) -> None:
        raise NotApplicableError

    def shorten_kernel(self, layer: int) -> None:
        tensor = self._constant(layer, 1)
        self._file.store(tensor, self._values(tensor, np.int8).ravel()[:-3])

    def operands(self, layer: int) -> tuple[int, int]:
        if self.kinds[layer] != "add":
            raise NotApplicableError
        writers = {op.outputs[0]: number for number, op in enumerate(self._graph.operators)}
        first, second = (writers.get(index, -1) for index in self._op(layer).inputs)
        return first, second

    def swap_operands(self, layer: int) -> None:
        self._op(layer).inputs = np.array(self._op(layer).inputs[::-1], np.int32)

    def swap_operand_scales(self, layer: int) -> None:
        first, second = (self._tensor(source).quantization for source in self.operands(layer))
        first.scale, second.scale = second.scale, first.scale

    def bypass(self, layer: int) -> None:
        inputs, target = self._op(layer).inputs, self._op(layer).outputs[0]
        # The operand that was computed last, so that nothing else falls away.
        source = inputs[int(np.argmax(self.operands(layer)))]
        for op in self._graph.operators:
            op.inputs = np.array([source if i == target else i for i in op.inputs], np.int32)
        del self._graph.operators[layer]

    def set_beta(self, layer: int, beta: float) -> None:
        if self.kinds[layer] != "softmax":
            raise NotApplicableError
        self._options(layer).beta = beta

    def data(self) -> bytes:
        return self._file.bytes()
