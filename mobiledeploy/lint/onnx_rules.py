"""Rules on ONNX files: forms that ONNX Runtime cannot run in integer kernels, or runs slowly.

Measured with ONNX Runtime 1.32 on x86 with VNNI; speed factors are for a MobileNet V2.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from mobiledeploy.formats.model import CODES, FLOATS
from mobiledeploy.formats.onnx.quantisation import QLINEAR
from mobiledeploy.lint.graph import Graph
from mobiledeploy.lint.layers import Layer, is_dynamic
from mobiledeploy.lint.rule import Place, Rule


def _layers(graph: Graph) -> Iterator[Layer]:
    """Yield the layers of a quantised ONNX file whose operators read real values."""
    if graph.model.format == "onnx" and graph.quantised:
        for layer in graph.layers:
            if layer.operator.kind not in QLINEAR and not is_dynamic(layer.operator):
                yield layer


def _unclean(graph: Graph) -> Iterator[Place]:
    if graph.model.problem:
        yield Place(where="the file", found=graph.model.problem)


def _in_floats(graph: Graph) -> Iterator[Place]:
    for layer in _layers(graph):
        missing = [
            f"no DequantizeLinear before `{source.tensor.name}`"
            for source in layer.sources
            if source.grid is None
        ]
        kernel = layer.kernel
        if kernel is not None and kernel.grid is None and kernel.tensor.dtype in FLOATS:
            missing.append("float weights")
        if layer.output.grid is None:
            missing.append("no QuantizeLinear after it")
        if missing:
            yield Place(where=layer.where, found="; ".join(missing))


def _float_activation(graph: Graph) -> Iterator[Place]:
    for layer in _layers(graph):
        codes = layer.codes() if layer.separate_activation else None
        if codes is not None and codes != CODES[layer.output.tensor.dtype]:
            yield Place(
                where=layer.where,
                found=f"{layer.separate_activation} that keeps only codes {codes[0]}..{codes[1]}",
            )


def _signed(graph: Graph) -> Iterator[Place]:
    for layer in graph.layers if graph.model.format == "onnx" else ():
        source = layer.sources[0].tensor.dtype if layer.sources else ""
        if layer.weighted and layer.integer and source == "int8":
            yield Place(where=layer.where, found="int8 activations")


def _unsigned_weights(graph: Graph) -> Iterator[Place]:
    for layer in graph.layers if graph.model.format == "onnx" else ():
        kernel = layer.kernel
        if kernel is not None and layer.integer and kernel.tensor.dtype == "uint8":
            yield Place(where=layer.where, found="uint8 weights")


def _ranked_scales(graph: Graph) -> Iterator[Place]:
    for layer in _layers(graph):
        grids = [source.grid for source in layer.sources] + [layer.output.grid]
        single = [grid for grid in grids if grid is not None and grid.scale.size == 1]
        if layer.form.scalar_scales and any(grid.rank for grid in single):
            yield Place(where=layer.where, found="scales of rank 1")


def _shared_zero_points(graph: Graph) -> Iterator[Place]:
    users: dict[int, list[str]] = defaultdict(list)
    kernels = {id(layer.kernel.tensor) for layer in _layers(graph) if layer.kernel is not None}
    for operator in graph.model.operators:
        tensor = graph.model.tensor(operator.input(0))
        if operator.kind == "DequantizeLinear" and tensor is not None and id(tensor) in kernels:
            users[operator.input(2)].append(tensor.name)
    for index, names in users.items():
        if index >= 0 and len(names) > 1:
            zero = graph.model.tensors[index].name
            yield Place(where=f"`{zero}`", found=f"zero point of {len(names)} kernels")


def _float_weights(graph: Graph) -> Iterator[Place]:
    for operator in graph.model.operators:
        tensor = graph.model.tensor(operator.input(0))
        if operator.kind == "QuantizeLinear" and tensor is not None and tensor.constant:
            yield Place(
                where=f"`{tensor.name}`", found=f"{tensor.stored:,} bytes of {tensor.dtype}"
            )


def _operator_form(graph: Graph) -> Iterator[Place]:
    kinds = sorted({op.kind for op in graph.model.operators if op.kind in QLINEAR})
    if kinds:
        yield Place(where="the file", found=", ".join(kinds))


def _saturating(graph: Graph) -> Iterator[Place]:
    if graph.model.format != "onnx":
        return
    mixed = [
        layer
        for layer in graph.layers
        if layer.integer
        and layer.kernel is not None
        and layer.kernel.tensor.dtype == "int8"
        and layer.sources[0].tensor.dtype == "uint8"
    ]
    if mixed:
        yield Place(
            where="the file", found=f"{len(mixed)} layers of uint8 activations and int8 weights"
        )


RULES: Final = (
    Rule(
        id="MD401",
        severity="error",
        title="not a valid ONNX model",
        expected="no complaint from onnx.checker",
        hint="run `onnx.checker.check_model` where the file is made",
        find=_unclean,
    ),
    Rule(
        id="MD402",
        severity="warning",
        title="layer that runs in floats",
        expected="a DequantizeLinear before each input, a QuantizeLinear after the output",
        hint="quantise the tensors around it: ONNX Runtime fuses whole groups only",
        find=_in_floats,
    ),
    Rule(
        id="MD403",
        severity="warning",
        title="activation that keeps a layer from being fused",
        expected="a range that implies the activation, or a Clip on the codes",
        hint="clip the calibrated range to the activation's bounds: up to 5 times faster",
        find=_float_activation,
    ),
    Rule(
        id="MD404",
        severity="warning",
        title="int8 activations",
        expected="uint8 activations (codes and zero points plus 128): the same numbers",
        hint="1.5 to 1.8 times faster on x86; quantize_static: activation_type=QUInt8",
        find=_signed,
    ),
    Rule(
        id="MD405",
        severity="warning",
        title="uint8 weights",
        expected="int8 weights with zero point 0",
        hint="1.6 to 3 times faster; quantize_static: weight_type=QInt8",
        find=_unsigned_weights,
    ),
    Rule(
        id="MD406",
        severity="warning",
        title="addition whose scales are vectors",
        expected="scales and zero points of rank 0: ONNX Runtime does not fuse others",
        hint="store scalars, not arrays of one number",
        find=_ranked_scales,
    ),
    Rule(
        id="MD407",
        severity="warning",
        title="zero point that kernels share",
        expected="a zero point of its own for each kernel",
        hint="with session.x64quantprecision, which PCs without VNNI need, the session fails",
        find=_shared_zero_points,
    ),
    Rule(
        id="MD408",
        severity="warning",
        title="weights stored as floats",
        expected="int8 weights behind a DequantizeLinear",
        hint="they take four times the bytes, and ONNX Runtime quantises them again, per tensor",
        find=_float_weights,
    ),
    Rule(
        id="MD409",
        severity="note",
        title="operators on codes (QOperator form)",
        expected="pairs of QuantizeLinear and DequantizeLinear",
        hint="with int8 activations ONNX Runtime refuses session.x64quantprecision for it",
        find=_operator_form,
    ),
    Rule(
        id="MD410",
        severity="note",
        title="saturates on PCs without VNNI unless a session option is set",
        expected="session.x64quantprecision=1 on x86 without VNNI; phones need nothing",
        hint="`mobiledeploy` sets it; your own desktop program must set it too",
        find=_saturating,
    ),
)
