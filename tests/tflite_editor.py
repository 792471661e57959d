"""Take a `.tflite` apart with LiteRT's own schema classes, change it, put it together again."""

import copy
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

Array = npt.NDArray[Any]


class TfliteFile:
    """A `.tflite` as objects of LiteRT's schema: fields have the schema's names.

    Attributes:
        model: The file.
        graph: Its main graph.
    """

    def __init__(self, data: bytes) -> None:
        self.model: Any = schema.ModelT.InitFromPackedBuf(bytearray(data))
        self.graph = self.model.subgraphs[0]
        for tensor in self.graph.tensors:
            grid = tensor.quantization
            if grid is not None and grid.scale is not None:  # tensors may share them in the file
                grid.scale, grid.zeroPoint = list(grid.scale), list(grid.zeroPoint)

    def bytes(self) -> bytes:
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    def index(self, name: str) -> int:
        return [_text(tensor.name) for tensor in self.graph.tensors].index(name)

    def tensor(self, name: str) -> Any:
        return self.graph.tensors[self.index(name)]

    def grid(self, name: str) -> Any:
        return self.tensor(name).quantization

    def builtin(self, operator: Any) -> str:
        """The name of an operator in the schema."""
        code = self.model.operatorCodes[operator.opcodeIndex]
        number = max(code.builtinCode, code.deprecatedBuiltinCode)
        names = vars(schema.BuiltinOperator).items()
        return str(next(name for name, value in names if value == number))

    def output(self, place: int) -> Any:
        """The tensor that the operator at a place writes."""
        return self.graph.tensors[self.graph.operators[place].outputs[0]]

    def writer(self, name: str) -> Any:
        """The operator that writes a tensor."""
        index = self.index(name)
        return next(op for op in self.graph.operators if index in list(op.outputs))

    def values(self, name: str) -> Any:
        """A constant's bytes."""
        return self.model.buffers[self.tensor(name).buffer].data

    def overwrite(self, name: str, values: Array) -> None:
        """Put other values where a constant's are; equal constants may lie in one place."""
        self.model.buffers[self.tensor(name).buffer].data = _bytes(values)

    def store(self, tensor: Any, values: Array) -> None:
        """Give a constant values in a place of its own."""
        tensor.buffer = self.add_buffer(values)

    def add_buffer(self, values: Array) -> int:
        buffer = schema.BufferT()
        buffer.data = _bytes(values)
        self.model.buffers.append(buffer)
        return len(self.model.buffers) - 1

    def add_tensor(self, like: str, name: str, shape: Any = None) -> int:
        """Add a copy of a tensor under another name; return its index."""
        tensor = copy.deepcopy(self.tensor(like))
        tensor.name = name.encode()
        if shape is not None:
            tensor.shape = np.array(shape, np.int32)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def add_constant(self, name: str, values: Array) -> int:
        """Add a constant without a grid; return its index."""
        tensor = schema.TensorT()
        tensor.name, tensor.shape = name.encode(), np.array(values.shape, np.int32)
        tensor.type = getattr(schema.TensorType, values.dtype.name.upper())
        self.store(tensor, values)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def add_code(self, kind: str, version: int = 1) -> int:
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), version
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1

    def add_operator(
        self, place: int, kind: str, inputs: list[int], outputs: list[int], *, version: int = 1
    ) -> Any:
        """Add an operator without options as the one at a place; return it."""
        operator = schema.OperatorT()
        operator.opcodeIndex = self.add_code(kind, version)
        operator.inputs = np.array(inputs, np.int32)
        operator.outputs = np.array(outputs, np.int32)
        self.graph.operators.insert(place, operator)
        return operator

    def insert(
        self, kind: str, behind: str, *more: int, version: int = 1, shape: Any = None
    ) -> Any:
        """Put an operator between a tensor and all that read it; return the tensor it writes."""
        source = self.index(behind)
        target = self.add_tensor(behind, f"{behind}/{kind}", shape)
        place = 0
        for number, other in enumerate(self.graph.operators):
            read = [target if index == source else index for index in other.inputs]
            other.inputs = np.array(read, np.int32)
            if source in list(other.outputs):
                place = number + 1
        self.add_operator(place, kind, [source, *more], [target], version=version)
        return self.graph.tensors[target]

    def claim(self, version: str) -> None:
        """Change the oldest runtime that the file claims to need."""
        (entry,) = self.model.metadata
        self.model.buffers[entry.buffer].data = list(version.encode().ljust(16, b"\0"))


def _bytes(values: Array) -> Array:
    return np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else name or ""
