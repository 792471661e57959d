"""Give an `.onnx` tables in place of unread nodes that compute each element alone.

Batch normalisation, a division by a constant for each channel, a PRelu, a softplus, the tail of a
GELU in several nodes: between two tensors of 8-bit codes they are a function of one code and its
channel. ONNX Runtime gives all of its results, and a Gather of these stands for the nodes.

Only the nodes between the two tensors run, with all codes: nothing else of the file.
"""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.formats import model_file
from mobiledeploy.formats.model_file import ModelFile
from mobiledeploy.ops.onnx import OFFSET
from mobiledeploy.reading import Reading, StoredLayer
from mobiledeploy.runtimes import ort
from mobiledeploy.verify.layers import tflite_tables
from mobiledeploy.verify.layers.functions_of_codes import Functions, Run, axis_of, kept

MOVED: Final = "/channels last for "
"""Between the name of a tensor and that of a table: a copy of it with its channels last."""

_CODES: Final = 2 * OFFSET
_QUANTISE, _DEQUANTISE = "QuantizeLinear", "DequantizeLinear"
_OF_CODES: Final = {"QLinearAdd": (0, 3), "QLinearMul": (0, 3), "QLinearSigmoid": (0,)} | {
    "QLinearLeakyRelu": (0,)
}
"""Nodes from codes to codes, and the places of their operands; the type of an operand's codes is
that of the zero point two places later."""
_REALS: Final = frozenset(
    {
        "Abs", "Add", "BatchNormalization", "Celu", "Ceil", "Clip", "Div", "Elu", "Erf", "Exp",
        "Floor", "Gelu", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Log", "Max", "Min",
        "Mish", "Mul", "Neg", "PRelu", "Pow", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid",
        "Sign", "Softplus", "Softsign", "Sqrt", "Sub", "Tanh", "ThresholdedRelu",
    }
)  # fmt: skip
"""Nodes on real values that compute each element alone."""
_CONSTANT: Final = frozenset({"Constant", _DEQUANTISE, _QUANTISE, "Identity", "Cast"})
"""Nodes that keep the shape of a constant."""
_KEEP_RANK: Final = frozenset(
    {
        "AveragePool", "Cast", "Concat", "Conv", "Dropout", "GlobalAveragePool", "GlobalMaxPool",
        "MaxPool", "Pad", "QLinearAveragePool", "QLinearConv", "QLinearGlobalAveragePool",
        "QLinearSoftmax", "Resize", "Slice", "Softmax", "Split", "Transpose",
    }
)  # fmt: skip
_VECTORS: Final = frozenset({"Flatten", "Gemm", "MatMul", "QGemm", "QLinearMatMul"})
_IMAGE, _VECTOR = 4, 2
_TYPES: Final = {2: np.dtype(np.uint8), 3: np.dtype(np.int8)}
"""Types of codes by their numbers in the format."""


def _run_here(model: bytes, codes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    (results,) = ort.load(model).run(codes)
    return results


def with_operators(layers: Reading, tables: Mapping[str, str]) -> Reading:
    """Return the layers of a copy with tables under their names in the file itself.

    Args:
        layers: Of the copy.
        tables: The operators that its tables stand for, which they are called by.
    """

    def named(layer: StoredLayer) -> StoredLayer:
        name, moved, _ = layer.name.partition(MOVED)
        output = dataclasses.replace(layer.output, name=name) if moved else layer.output
        operator = tables.get(name, layer.op)
        return dataclasses.replace(layer, name=name, op=operator, output=output)

    return dataclasses.replace(layers, layers=tuple(map(named, layers.layers)))


def not_read(layers: Reading) -> frozenset[str]:
    """Return what layers write that are not understood.

    Not those of a `.tflite` that have faults: they may give other codes on another CPU.
    """
    faulty = layers.format == "onnx"
    return frozenset(
        layer.name
        for layer in layers.layers
        if (faulty if layer.faults else layer.kind == "unknown")
    )


def with_tables(
    file: ModelFile, unread: Collection[str], *, run: Run | None = None
) -> tuple[ModelFile, Mapping[str, str]]:
    """Return a copy of a file with tables, and the operators that they stand for.

    Args:
        file: Any model file; of a `.tflite` the parsed model is another one.
        unread: Outputs of nodes that no reader knows; others stay.
        run: Returns the only output of a file of the same format for its only input; by default
            its runtime does.

    Returns:
        The copy, the file itself if it has no such nodes; and by the name of what a table writes
        the operator that no reader knows.
    """
    if file.format == "tflite":
        return tflite_tables.with_tables(file, unread, run)
    if not unread:
        return file, {}
    import onnx

    graph = _Graph(onnx.load_model_from_string(file.data), run or _run_here)
    tables = graph.replace(unread)
    if not tables:
        return file, {}
    return model_file.of_bytes(file.name, graph.model.SerializeToString()), tables


class _Graph:
    """The graph of a file, while nodes are replaced."""

    def __init__(self, model: Any, run: Run) -> None:
        self.model = model
        self._run = run
        self._nodes = list(model.graph.node)
        self._given = {tensor.name: tensor for tensor in model.graph.initializer}
        self._writers = {
            name: number for number, node in enumerate(self._nodes) for name in node.output if name
        }
        self._constants: dict[str, tuple[int, ...]] = {
            name: tuple(tensor.dims) for name, tensor in self._given.items()
        }
        self._types = {name: tensor.data_type for name, tensor in self._given.items()}
        self._ranks = {
            info.name: len(info.type.tensor_type.shape.dim)
            for info in model.graph.input
            if info.type.tensor_type.HasField("shape")
        }
        self._functions = Functions()
        for number, node in enumerate(self._nodes):
            self._follow(number, node)

    def replace(self, unread: Collection[str]) -> dict[str, str]:
        """Replace nodes by tables; return an operator by what its table writes."""
        tables, added = dict[str, str](), dict[int, list[Any]]()

        def table(name: str) -> str | None:
            made = self._table(name, unread)
            if made is None:
                return None
            root, of_node, nodes = made
            added[self._writers[name]], tables[name] = nodes, self._nodes[of_node].op_type
            return root

        outputs = [output.name for output in self.model.graph.output]
        needed = kept(outputs, self._writers, [node.input for node in self._nodes], table)
        if tables:
            del self.model.graph.node[:]
            for number, node in enumerate(self._nodes):
                self.model.graph.node.extend([node] if number in needed else added.get(number, []))
        return tables

    def _follow(self, number: int, node: Any) -> None:
        """Note what a node's first output is."""
        if not node.output:
            return
        name, kind = node.output[0], node.op_type
        if kind in _CONSTANT and all(each in self._constants for each in node.input):
            self._note_constant(name, node)
            return
        self._note_rank(name, node)
        operands = [each for each in node.input if each and each not in self._constants]
        codes = kind in _OF_CODES or (kind == _DEQUANTISE and len(operands) == 1)
        if codes or kind in _REALS or kind == _QUANTISE:
            self._functions.follow(number, name, operands, operands if codes else ())

    def _note_constant(self, name: str, node: Any) -> None:
        value = next((each.t for each in node.attribute if each.name == "value"), None)
        if value is not None:
            self._constants[name] = tuple(value.dims)
            self._types[name] = value.data_type
        else:
            self._constants[name] = self._constants[node.input[0]] if node.input else ()

    def _note_rank(self, name: str, node: Any) -> None:
        kind, rank = node.op_type, self._ranks.get(node.input[0] if node.input else "")
        if kind in _VECTORS:
            self._ranks[name] = _VECTOR
        elif kind == "Reshape" and node.input[1:]:
            shape = self._constants.get(node.input[1])
            if shape:
                self._ranks[name] = shape[0]
        elif kind in _REALS or kind in _OF_CODES:
            ranks = [self._ranks[each] for each in node.input if each in self._ranks]
            if ranks:
                self._ranks[name] = max(ranks)
        elif kind == "QLinearConcat":
            if node.input[2] in self._ranks:
                self._ranks[name] = self._ranks[node.input[2]]
        elif rank is not None and (kind in _KEEP_RANK or kind in {_QUANTISE, _DEQUANTISE}):
            self._ranks[name] = rank

    def _table(self, name: str, unread: Collection[str]) -> tuple[str, int, list[Any]] | None:
        """Return what a table reads, whose it is, and its nodes; None if there is to be none."""
        if self._nodes[self._writers[name]].op_type not in {_QUANTISE, *_OF_CODES}:
            return None
        part = self._functions.part(name, lambda nodes: self._unread(nodes, unread))
        axis = None if part is None else self._channel_axis(part.root, part.nodes)
        if part is None or axis is None:
            return None
        root = part.root
        results = self._results(root, name, part.nodes, axis=axis[0], channels=axis[1])
        if results is None:
            return None
        return root, part.node, self._written(root, name, results, first=axis[0] == 1)

    def _unread(self, nodes: Collection[int], unread: Collection[str]) -> int | None:
        """Return the first of some nodes that no reader knows; None if there is none."""
        for number in sorted(nodes):
            node = self._nodes[number]
            if any(each in unread for each in node.output):
                before = self._writers.get(node.input[0])
                return before if node.op_type == _QUANTISE and before is not None else number
        return None

    def _channel_axis(self, root: str, nodes: Collection[int]) -> tuple[int, int] | None:
        """Return the axis along which constants differ, 0 if none do, and how many they are.

        None where they differ along several, or along another axis than that of channels.
        """
        rank, shapes = self._ranks.get(root), list[tuple[int, ...]]()
        for number in nodes:
            node = self._nodes[number]
            for each in node.input:
                shape = self._constants.get(each, ())
                if node.op_type == "BatchNormalization":  # along axis 1, whatever the rank
                    shape = (*shape, *(1,) * ((rank or 0) - 2))
                shapes.append(shape)
        axis = axis_of(shapes, rank)
        allowed = {_IMAGE: {0, 1, _IMAGE - 1}, _VECTOR: {0, 1}}.get(rank or 0, {0})
        return axis if axis is not None and axis[0] in allowed else None

    def _results(
        self, root: str, name: str, nodes: Collection[int], *, axis: int, channels: int
    ) -> npt.NDArray[Any] | None:
        """Return all codes that a tensor has, shape (channels, 256); None if that is not known."""
        source = self._type(root)
        if source is None:
            return None
        codes: npt.NDArray[Any] = np.arange(_CODES, dtype=np.uint8)
        if source == np.int8:
            codes = (codes.astype(np.int16) - OFFSET).astype(np.int8)
        every = np.repeat(codes[np.newaxis], channels, axis=0)
        if self._ranks.get(root) != _IMAGE:
            order: tuple[int, ...] = (1, 0)
        elif axis == _IMAGE - 1:
            every, order = every[:, :, np.newaxis, np.newaxis], (2, 1, 3, 0)
        else:
            every, order = every[:, :, np.newaxis, np.newaxis], (2, 0, 1, 3)
        given = np.ascontiguousarray(every.transpose(order))
        try:
            results = self._run(self._part(root, name, nodes, given.shape), given)
        except CorruptFileError:
            return None
        if results.shape != given.shape or results.dtype not in (np.uint8, np.int8):
            return None
        back: npt.NDArray[Any] = results.transpose(np.argsort(order)).reshape(channels, _CODES)
        return back

    def _type(self, codes: str) -> np.dtype[Any] | None:
        """Return the type of codes, from the zero point of a node that reads them."""
        for node in self._nodes:
            places = _OF_CODES.get(node.op_type, (0,) if node.op_type == _DEQUANTISE else ())
            for place in places:
                if node.input[place] != codes:
                    continue
                zero = node.input[place + 2] if node.input[place + 2 :] else ""
                return _TYPES.get(self._types.get(zero, 2)) if zero else np.dtype(np.uint8)
        return None

    def _part(self, root: str, name: str, nodes: Collection[int], shape: Sequence[int]) -> bytes:
        """Return a file of the nodes between two tensors of codes, and their constants."""
        from onnx import helper

        inner, waiting = set(nodes), [each for n in nodes for each in self._nodes[n].input]
        while waiting:
            number = self._writers.get(waiting.pop())
            if number is not None and number not in inner:
                constant = self._nodes[number].output[0] in self._constants
                if constant:
                    inner.add(number)
                    waiting.extend(self._nodes[number].input)
        read = {each for number in inner for each in self._nodes[number].input}
        types = {kind: number for number, kind in _TYPES.items()}
        source = types[self._type(root) or np.dtype(np.uint8)]
        graph = helper.make_graph(
            [self._nodes[number] for number in sorted(inner)],
            "all codes",
            [helper.make_tensor_value_info(root, source, ["batch", *shape[1:]])],
            [helper.make_empty_tensor_value_info(name)],
            [tensor for each, tensor in self._given.items() if each in read],
        )
        model = helper.make_model(graph, opset_imports=self.model.opset_import)
        model.ir_version = self.model.ir_version
        data: bytes = model.SerializeToString()
        return data

    def _written(self, root: str, name: str, codes: npt.NDArray[Any], *, first: bool) -> list[Any]:
        """Return the nodes of a table of codes, whose channels may come first."""
        from onnx import TensorProto, helper, numpy_helper

        if (codes == codes[0]).all():
            codes = codes[:1]
        channels = len(codes)
        source = self._type(root)
        # Indices below 0 count from the end.
        entries = np.roll(codes.ravel(), -OFFSET if source == np.int8 else 0)
        constants = {"table": entries, "starts": _CODES * np.arange(channels, dtype=np.int32)}
        for what, values in constants.items():
            tensor = numpy_helper.from_array(np.ascontiguousarray(values), f"{name}/{what}")
            self.model.graph.initializer.append(tensor)
        moved = channels > 1 and first and self._ranks.get(root) == _IMAGE
        nodes, before, after = list[Any](), root, f"{name}/looked up" if moved else name
        if moved:
            nodes.append(
                helper.make_node(
                    "Transpose", [before], [f"{root}{MOVED}{name}"], perm=[0, 2, 3, 1]
                )
            )
            before = f"{root}{MOVED}{name}"
        nodes.append(helper.make_node("Cast", [before], [f"{name}/places"], to=TensorProto.INT32))
        before = f"{name}/places"
        if channels > 1:
            inputs = [before, f"{name}/starts"]
            nodes.append(helper.make_node("Add", inputs, [f"{name}/of channel"]))
            before = f"{name}/of channel"
        nodes.append(helper.make_node("Gather", [f"{name}/table", before], [after], axis=0))
        if moved:
            nodes.append(helper.make_node("Transpose", [after], [name], perm=[0, 3, 1, 2]))
        return nodes
