"""Rules on the graph: superfluous operators, and parts of a file that nothing uses."""

import bisect
import hashlib
from collections.abc import Iterator
from typing import Final

from mobiledeploy.formats.model import FLOATS, Operator
from mobiledeploy.formats.tflite.model import CUSTOM
from mobiledeploy.lint.graph import Graph
from mobiledeploy.lint.layers import (
    ONNX_ACTIVATIONS,
    is_dynamic,
    on_whole_numbers,
    to_whole_numbers,
)
from mobiledeploy.lint.rule import Place, Rule

CONVERTERS: Final = ("QUANTIZE", "DEQUANTIZE", "CAST", "FAKE_QUANT", "Cast")
LOOK_UPS: Final = ("Gather", "GatherElements")
"""Operators that read a table; their inputs are the table, then the indices."""
ON_INDICES: Final = ("Add", "Reshape")
"""Operators between a Cast of codes to indices and the table: each channel may have its own."""
ACTIVATIONS: Final = ("RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "MINIMUM", "MAXIMUM")
SMALLEST_DUPLICATE: Final = 256
"""Bytes of a constant below which a second copy is not reported."""
DOMAINS: Final = ("", "com.microsoft")


def _float_tensors(graph: Graph) -> Iterator[Place]:
    if graph.model.format != "tflite" or not graph.quantised:
        return
    ends = graph.links.inputs | graph.links.outputs
    for index in graph.links.writer:
        tensor = graph.model.tensor(index)
        if tensor is not None and index not in ends and tensor.dtype in FLOATS:
            yield Place(where=f"tensor `{tensor.name}`", found=tensor.dtype)


def _converters(graph: Graph) -> Iterator[Place]:
    for operator in graph.model.operators:
        if operator.kind not in CONVERTERS or graph.links.at_border(operator):
            continue
        source = graph.model.tensor(operator.input(0))
        if source is not None and source.constant:
            continue  # weights stored in another type than they are computed in: MD109
        writer = graph.links.writer.get(operator.input(0))
        if writer is not None and is_dynamic(writer):
            continue  # part of the layer: MD110
        if _makes_places(graph, operator) or _sums_integers(graph, operator):
            continue
        yield Place(where=graph.model.named(operator), found="a converter between layers")
    if graph.model.format == "onnx":
        yield from _requantised(graph)


SUM: Final = 5
"""Most operators from codes that become integers to the sum of them that becomes codes again."""


def _sums_integers(graph: Graph, operator: Operator) -> bool:
    """Whether an operator is a step of a sum that is computed in integers, as by `ops.sums`."""
    return to_whole_numbers(operator) or on_whole_numbers(graph.links, operator, SUM)


def _makes_places(graph: Graph, operator: Operator) -> bool:
    """Whether an operator turns codes into indices of a table, as `ops.onnx.look_up` does."""
    index = operator.output(0)
    reader = graph.links.only_reader(index)
    while reader is not None and reader.kind in ON_INDICES:
        index = reader.output(0)
        reader = graph.links.only_reader(index)
    return reader is not None and reader.kind in LOOK_UPS and reader.input(1) == index


def _requantised(graph: Graph) -> Iterator[Place]:
    """Find codes that are requantised with no layer in between."""
    for operator in graph.model.operators:
        writer = graph.links.writer.get(operator.input(0))
        if operator.kind != "QuantizeLinear" or writer is None:
            continue
        pair = writer.kind == "DequantizeLinear" and not graph.links.at_border(operator)
        if pair and not graph.links.at_border(writer):
            yield Place(where=graph.model.named(operator), found="codes that are requantised")


def _activations(graph: Graph) -> Iterator[Place]:
    for operator in graph.model.operators:
        writer = graph.links.writer.get(operator.input(0))
        # In ONNX it may come between a layer and its codes (MD403), but not after them.
        behind = writer is not None and writer.kind == "DequantizeLinear"
        kinds = (*ACTIVATIONS, *(ONNX_ACTIVATIONS if behind else ()))
        others = [graph.model.tensor(index) for index in operator.inputs[1:]]
        if any(other is not None and not other.constant for other in others):
            continue  # the larger of two activations
        if operator.kind in kinds and not operator.domain:
            yield Place(where=graph.model.named(operator), found="a separate activation")


def _transposes(graph: Graph) -> Iterator[Place]:
    """Find transposes between layers, except those around the first one."""
    weighted = {id(layer.operator) for layer in graph.layers if layer.weighted}
    places = [n for n, op in enumerate(graph.model.operators) if id(op) in weighted]
    for number, operator in enumerate(graph.model.operators):
        source = graph.model.tensor(operator.input(0))
        if operator.kind not in {"TRANSPOSE", "Transpose"} or source is None or source.constant:
            continue
        before = bisect.bisect_left(places, number)
        if before > 1 and before < len(places):
            yield Place(where=graph.model.named(operator), found="a transpose between layers")


def _unused_codes(graph: Graph) -> Iterator[Place]:
    for code in graph.model.codes:
        if not code.uses:
            yield Place(where=f"{code.kind} version {code.version}", found="no operator uses it")


def _unused_tensors(graph: Graph) -> Iterator[Place]:
    ends = graph.links.inputs | graph.links.outputs | graph.model.scales
    for index, tensor in enumerate(graph.model.tensors):
        used = index in graph.links.readers or index in graph.links.writer or index in ends
        # An unused constant of an ONNX file is an unused buffer; TFLite has both.
        if not used and not (graph.model.format == "onnx" and tensor.constant):
            yield Place(where=f"tensor `{tensor.name}`", found="no operator reads or writes it")


def _unread_inputs(graph: Graph) -> Iterator[Place]:
    for index in graph.model.inputs:
        tensor = graph.model.tensor(index)
        if tensor is not None and index not in graph.links.readers:
            yield Place(where=f"input `{tensor.name}`", found="no operator reads it")


def _unused_buffers(graph: Graph) -> Iterator[Place]:
    for buffer in graph.model.buffers:
        if not buffer.users:
            yield Place(where=f"`{buffer.name}`", found=f"{buffer.content.size:,} unused bytes")


def _duplicates(graph: Graph) -> Iterator[Place]:
    first: dict[bytes, str] = {}
    places: set[tuple[int, int]] = set()
    for buffer in graph.model.buffers:
        content, key = buffer.content, (buffer.place, buffer.content.size)
        # Constants that repeat one value, such as zeros, are often equal.
        plain = content.size < SMALLEST_DUPLICATE or bool((content == content[0]).all())
        if plain or key in places:
            continue
        places.add(key)
        digest = hashlib.sha256(content.data).digest()
        if digest in first:
            yield Place(
                where=f"`{buffer.name}`",
                found=f"the same {content.size:,} bytes as `{first[digest]}`",
            )
        first.setdefault(digest, buffer.name)


def _open_dimensions(graph: Graph) -> Iterator[Place]:
    for tensor in graph.inputs_and_outputs():
        if tensor.shape is None:
            yield Place(where=f"`{tensor.name}`", found="no shape")
        elif any(not isinstance(size, int) or size < 0 for size in tensor.shape[1:]):
            shape = ", ".join(map(str, tensor.shape))
            yield Place(where=f"`{tensor.name}`", found=f"shape ({shape})")


def _custom(graph: Graph) -> Iterator[Place]:
    known = () if graph.model.format == "tflite" else DOMAINS
    seen = {(operator.kind, operator.domain) for operator in graph.model.operators}
    seen |= {(kind, domain) for kind, domain, _ in graph.model.other_operators}
    for kind, domain in sorted(seen):
        if domain and domain not in known:
            whose = "a custom operator" if domain == CUSTOM else f"of the domain {domain}"
            yield Place(where=kind, found=whose)


def _batch_norms(graph: Graph) -> Iterator[Place]:
    weighted = {id(layer.operator) for layer in graph.layers if layer.weighted}
    for operator in graph.model.operators:
        if operator.kind == "BatchNormalization":
            yield Place(where=graph.model.named(operator), found="a batch normalisation")
        elif operator.kind == "MUL" and _after(graph, operator, weighted):
            product = "a product with a constant for each channel, right after a convolution"
            yield Place(where=graph.model.named(operator), found=product)


def _after(graph: Graph, operator: Operator, weighted: set[int]) -> bool:
    """Whether an operator multiplies a convolution's output by one number per channel."""
    a, b = graph.model.tensor(operator.input(0)), graph.model.tensor(operator.input(1))
    writer = graph.links.writer.get(operator.input(0))
    return (
        a is not None
        and b is not None
        and b.constant
        and writer is not None
        and id(writer) in weighted
        and writer.activation == "none"
        and bool(a.sizes and b.sizes and b.sizes[-1] == a.sizes[-1] > 1)
    )


def _graphs(graph: Graph) -> Iterator[Place]:
    if graph.model.graphs > 1:
        graphs = f"{graph.model.graphs} graphs; only tensors of the main one are shown and checked"
        yield Place(where="the file", found=graphs)


def _outside(graph: Graph) -> Iterator[Place]:
    if graph.model.outside:
        place = "behind the flatbuffer" if graph.model.format == "tflite" else "in other files"
        yield Place(where="the file", found=f"{graph.model.outside:,} bytes of weights {place}")


RULES: Final = (
    Rule(
        id="MD001",
        severity="warning",
        title="float tensor inside an integer file",
        expected="floats only at the input and the output",
        hint="quantise the operators around it, or convert with TFLITE_BUILTINS_INT8 only",
        find=_float_tensors,
    ),
    Rule(
        id="MD002",
        severity="warning",
        title="converter in the middle of the graph",
        expected="conversions only at the input and the output",
        hint="give both sides the same scale, or quantise the operator that follows",
        find=_converters,
    ),
    Rule(
        id="MD003",
        severity="warning",
        title="activation that is not fused",
        expected="activations that are part of the layer before",
        hint="put the activation right behind its layer in the source model, then convert",
        find=_activations,
    ),
    Rule(
        id="MD004",
        severity="warning",
        title="transpose between layers",
        expected="one layout throughout, with transposes only at the input and output",
        hint="convert with a tool that transposes weights instead of activations",
        find=_transposes,
    ),
    Rule(
        id="MD005",
        severity="warning",
        title="operator code or operator set that nothing uses",
        expected="a use for each entry: TFLite refuses unknown entries even if nothing uses them",
        hint="rewrite the file without it",
        find=_unused_codes,
    ),
    Rule(
        id="MD006",
        severity="note",
        title="tensor that nothing uses",
        expected="a reader or writer for each tensor",
        hint="harmless; rewrite the file without it",
        find=_unused_tensors,
    ),
    Rule(
        id="MD007",
        severity="warning",
        title="stored values that nothing uses",
        expected="a user for all stored bytes",
        hint="rewrite the file without them: they are downloaded with every copy of the app",
        find=_unused_buffers,
    ),
    Rule(
        id="MD008",
        severity="warning",
        title="constant stored twice",
        expected="one copy that several tensors share",
        hint="rewrite the file with a tool that shares equal buffers",
        find=_duplicates,
    ),
    Rule(
        id="MD009",
        severity="warning",
        title="dynamic dimension other than the batch",
        expected="fixed height, width and channels: delegates refuse dynamic ones",
        hint="fix the shape in the source model before converting",
        find=_open_dimensions,
    ),
    Rule(
        id="MD010",
        severity="warning",
        title="operator that is not built in",
        expected="operators that every build of the runtime has",
        hint="replace it, or ship the library that registers it with the app",
        find=_custom,
    ),
    Rule(
        id="MD011",
        severity="warning",
        title="batch normalisation that is not folded",
        expected="its factor in the weights and its offset in the bias of the layer before",
        hint="fold it before quantising: `mobiledeploy build` and `quantize` do",
        find=_batch_norms,
    ),
    Rule(
        id="MD012",
        severity="note",
        title="several graphs",
        expected="one graph",
        hint="delegates do not support control flow; the rules check only the main graph",
        find=_graphs,
    ),
    Rule(
        id="MD013",
        severity="note",
        title="weights outside the graph's own bytes",
        expected="one self-contained file",
        hint="old runtimes and many tools do not find them; files below 2 GB do not need this",
        find=_outside,
    ),
    Rule(
        id="MD014",
        severity="error",
        title="input that nothing reads",
        expected="outputs that depend on every input",
        hint="the graph was cut in the wrong place: convert again",
        find=_unread_inputs,
    ),
)
