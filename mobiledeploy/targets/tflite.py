"""Write an integer graph as `.tflite`: the same graph gives the same bytes."""

from typing import assert_never

import numpy as np

from mobiledeploy.formats.tflite import metadata_writer
from mobiledeploy.formats.tflite.metadata_writer import Attachment
from mobiledeploy.formats.tflite.writer import TfliteWriter
from mobiledeploy.integer.graph import IntegerGraph, with_head
from mobiledeploy.ops import divided_input, table
from mobiledeploy.ops.tensors import QTensor
from mobiledeploy.ops.tflite import TfliteInput
from mobiledeploy.spec.config import Head, Io
from mobiledeploy.targets.outer_tensor import outer_tensor


def write(
    graph: IntegerGraph,
    *,
    io: Io = "int8",
    out: Io | None = None,
    head: Head = "softmax",
    divided: bool = False,
    attached: Attachment | None = None,
) -> bytes:
    """Return the bytes of a `.tflite` for one image (resize the input for more).

    The tensors inside are int8 and have the names of the graph. If `io` is another type, the
    input and output have these names, and the int8 tensors next to them have the suffix `_int8`.
    The batch is a fixed 1 and not dynamic, since NNAPI and other delegates refuse dynamic sizes;
    `resize_tensor_input` works nevertheless.

    Args:
        graph: The model.
        io: Type of the input and output tensor.
        out: Type of the output, where it is another.
        head: Whether the file ends in the softmax or in the logits.
        divided: Whether a float32 input is quantised by a division, as in another tool's `.onnx`;
            see `ops.divided_input`.
        attached: What the file says to clients such as MediaPipe, with its labels; None: nothing.

    Raises:
        RequestError: A softmax is asked for, but the graph has none.
    """
    graph, outer = with_head(graph, head), io if out is None else out
    tensors = graph.tensors()
    model = TfliteWriter(names=tensors)
    indices: dict[str, int] = {}
    first = _outer(model, graph.input, io)
    indices[graph.input.name] = first
    if io != "int8":
        codes = _inner(model, graph.input, model.free(f"{graph.input.name}_int8"))
        real = first
        if divided and io == "float32" and divided_input.is_needed(graph.input):
            real = divided_input.write(model, first, graph.input)
        model.operator("QUANTIZE", 1, [real], codes, "QuantizeOptions")
        indices[graph.input.name] = codes
    for node in graph.nodes:
        name = node.output.name
        at_border = outer != "int8" and node.output == graph.output
        output = _inner(model, node.output, model.free(f"{name}_int8") if at_border else name)
        inputs = [TfliteInput(index=indices[read], tensor=tensors[read]) for read in node.inputs]
        table.of_node(node).write_tflite(model, node, inputs, output)
        indices[name] = output
    last = indices[graph.output.name]
    if outer != "int8":
        codes, last = last, _outer(model, graph.output, outer)
        match outer:
            case "float32":
                model.operator("DEQUANTIZE", 2, [codes], last, "DequantizeOptions")
            case "uint8":
                model.operator("QUANTIZE", 1, [codes], last, "QuantizeOptions")
            case _:
                assert_never(outer)
    written = model.finish(
        description=graph.name,
        min_runtime=_min_runtime(graph),
        inputs={"input": first},
        outputs={"output": last},
        metadata=b"" if attached is None else metadata_writer.entry(attached.metadata),
    )
    return written if attached is None else metadata_writer.with_files(written, attached.files)


def _inner(model: TfliteWriter, tensor: QTensor, name: str) -> int:
    return model.activation(
        name,
        np.int8,
        (1, *tensor.shape),
        scale=tensor.scale,
        zero_point=tensor.zero_point,
    )


def _outer(model: TfliteWriter, tensor: QTensor, io: Io) -> int:
    outside = outer_tensor(tensor, io)
    return model.activation(
        tensor.name,
        outside.dtype,
        (1, *tensor.shape),
        scale=None if outside.zero_point is None else tensor.scale,
        zero_point=outside.zero_point or 0,
    )


def _min_runtime(graph: IntegerGraph) -> str:
    """Return the oldest runtime that knows the versions of all operators."""
    tensors = graph.tensors()
    versions = [
        table.of_node(node).tflite_version(node, [tensors[name] for name in node.inputs]).runtime
        for node in graph.nodes
    ]
    return max(versions, key=lambda version: [int(part) for part in version.split(".")])
