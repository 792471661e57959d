"""Write an integer graph as int8 QDQ `.onnx`: the same graph gives the same bytes.

ONNX Runtime turns the quantise/dequantise pairs into integer kernels that compute what XNNPACK
computes, if the graph has exactly the form written here; docs/decisions/ says what was tried.
"""

from collections.abc import Mapping
from typing import Final, assert_never

import numpy as np

from mobiledeploy._version import __version__
from mobiledeploy.formats.onnx.writer import OnnxWriter
from mobiledeploy.integer.graph import IntegerGraph, digest, with_head
from mobiledeploy.ops import divided_input, table
from mobiledeploy.ops.certificate import Certificate
from mobiledeploy.ops.lookup import Lookup
from mobiledeploy.ops.onnx import IMAGE_AXES, OnnxInput, zero_point
from mobiledeploy.ops.tensors import QTensor
from mobiledeploy.spec.config import Head, Io
from mobiledeploy.targets import onnx_stem
from mobiledeploy.targets.outer_tensor import outer_tensor

INNER: Final = "_uint8"
"""Suffix of the inner tensor that holds the codes of the input or output."""

PREFIX: Final = "mobiledeploy."
"""Prefix of the keys in the model's metadata."""


def write(
    graph: IntegerGraph,
    certificates: Mapping[str, Certificate],
    *,
    io: Io = "int8",
    out: Io | None = None,
    head: Head = "softmax",
    divided: bool = False,
) -> bytes:
    """Return the bytes of an `.onnx` for a batch of images of any size.

    Input and output are NHWC as in TFLite, of type `io`, and have the graph's names; the codes
    next to them are in tensors with the suffix `_uint8`. Inside, activations are uint8 NCHW; the
    tensor that holds a layer's codes plus 128 has the layer's name.

    Args:
        graph: The model.
        certificates: From `certify`: by name, for every operator that is `Certified`.
        io: Type of the input and output tensor.
        out: Type of the output, where it is another.
        head: Whether the file ends in the softmax or in the logits.
        divided: Whether a float32 input is quantised by a division; see `ops.divided_input`.

    Raises:
        ConversionError: A certificate is missing.
        RequestError: A softmax is asked for, but the graph has none.
    """
    graph, last = with_head(graph, head), io if out is None else out
    tensors = graph.tensors()
    model = OnnxWriter(names=tensors)
    image = _write_input(model, graph.input, io, divided=divided)
    if io != "int8" and all(
        isinstance(node, Lookup) for node in graph.nodes if graph.input.name in node.inputs
    ):
        # A table states no grid: without this pair nothing says which values the codes are.
        real = model.dequantise(image, graph.input.scale, zero_point(graph.input))
        image = model.quantise(real, graph.input.scale, zero_point(graph.input))
    stem = onnx_stem.find_stem(graph)
    if stem is None and _is_image(graph.input):
        image = model.node("Transpose", [image], perm=[0, 3, 1, 2])
    codes = {graph.input.name: image}
    for node in graph.nodes:
        name = node.output.name
        inner = node.output == graph.output and (last != "uint8" or _is_image(graph.output))
        codes[name] = model.free(f"{name}{INNER}") if inner else name
        if node is stem:
            onnx_stem.write_stem(model, stem, graph.input, image, codes[name])
        else:
            inputs = [OnnxInput(codes=codes[read], tensor=tensors[read]) for read in node.inputs]
            operator, certificate = table.of_node(node), certificates.get(name)
            operator.write_onnx(model, node, inputs, codes[name], certificate)
    _write_output(model, graph.output, codes[graph.output.name], last)
    return model.finish(
        graph.name,
        inputs=[(graph.input.name, outer_tensor(graph.input, io).dtype, graph.input.shape)],
        outputs=[(graph.output.name, outer_tensor(graph.output, last).dtype, graph.output.shape)],
        producer_version=__version__,
        metadata={f"{PREFIX}graph": digest(graph)},
    )


def _write_input(model: OnnxWriter, tensor: QTensor, io: Io, *, divided: bool) -> str:
    """Add the input; return the name of the tensor with its codes: uint8, NHWC."""
    name, scale = tensor.name, tensor.scale
    if io == "uint8":
        return name
    inner = model.free(f"{name}{INNER}")
    match io:
        case "int8":
            # A QDQ pair of equal scales adds 128 to codes exactly.
            real = model.dequantise(name, scale, np.int8(tensor.zero_point))
            return model.quantise(real, scale, zero_point(tensor), inner)
        case "float32":
            one = np.float32(1)
            if divided_input.is_needed(tensor) and not divided:
                # XNNPACK multiplies by the inverse where ONNX divides; for powers of two both
                # give the same result.
                name, scale = model.node("Mul", [name, model.scalar(one / scale)]), one
            return model.quantise(name, scale, zero_point(tensor), inner)
        case _:
            assert_never(io)


def _is_image(tensor: QTensor) -> bool:
    """Whether a tensor is an image, which is NCHW inside."""
    return len(tensor.shape) == IMAGE_AXES


def _write_output(model: OnnxWriter, tensor: QTensor, codes: str, io: Io) -> None:
    """Add the nodes from the output's codes inside to the output."""
    if _is_image(tensor):
        outer = tensor.name if io == "uint8" else None
        codes = model.node("Transpose", [codes], outer, perm=[0, 2, 3, 1])
    match io:
        case "uint8":
            pass  # the codes inside have the output's name and type
        case "float32":
            model.dequantise(codes, tensor.scale, zero_point(tensor), tensor.name)
        case "int8":
            real = model.dequantise(codes, tensor.scale, zero_point(tensor))
            model.quantise(real, tensor.scale, np.int8(tensor.zero_point), tensor.name)
        case _:
            assert_never(io)
