"""Find the oldest runtime that runs a file correctly, with the reasons.

For TFLite: operator versions, and faults of old releases that no version guards against. For ONNX
Runtime: operator set and IR version.
"""

import dataclasses
from typing import Final, Literal, TypeAlias, assert_never

from mobiledeploy.base.codec import UNWRITTEN
from mobiledeploy.formats.model import NARROW, Model, Operator, Tensor
from mobiledeploy.lint.graph import Graph
from mobiledeploy.lint.layers import Layer
from mobiledeploy.lint.tflite_versions import (
    DEQUANTIZE_CHANNELS,
    OPERATOR_VERSIONS,
    TYPE_VERSIONS,
)
from mobiledeploy.ops import table
from mobiledeploy.ops.file_form import MisreadScales

Name: TypeAlias = Literal["TFLite", "ONNX Runtime"]
Version: TypeAlias = tuple[int, ...]

OUTER_BUFFERS: Final = "2.14"
"""The oldest tflite-runtime that is known to read weights behind the flatbuffer: older wheels
could not be tried."""

OPSETS: Final = (
    ("1.0", 11, 6),
    ("1.3", 12, 7),
    ("1.6", 13, 7),
    ("1.8", 14, 7),
    ("1.9", 15, 8),
    ("1.11", 16, 8),
    ("1.12", 17, 8),
    ("1.14", 18, 8),
    ("1.15", 19, 9),
    ("1.17", 20, 9),
    ("1.18", 21, 10),
    ("1.21", 22, 10),
    ("1.23", 23, 11),
    ("1.24", 25, 13),
    ("1.25", 26, 13),
    ("1.32", 26, 14),
)
"""Releases of ONNX Runtime with the highest operator set and IR version that each accepts. From
1.15 on they were tried with every release's wheel; before, they are from the compatibility table
of ONNX Runtime's documentation, with the IR version of the ONNX release that it names."""

ML: Final = "ai.onnx.ml"
ML_OPSETS: Final = (("1.0", 2), ("1.11", 3), ("1.17", 4), ("1.18", 5))
"""The same for the domain `ai.onnx.ml`, which tools import without using it."""

CONTRIB: Final = "com.microsoft"
CONTRIB_RELEASE: Final = "1.17"
CONTRIB_OPERATORS: Final = frozenset(
    {
        "DequantizeLinear", "DynamicQuantizeMatMul", "FusedConv", "FusedGemm", "FusedMatMul",
        "Gelu", "MatMulIntegerToFloat", "NhwcMaxPool", "QGemm", "QLinearAdd",
        "QLinearAveragePool", "QLinearConcat", "QLinearConv", "QLinearGlobalAveragePool",
        "QLinearLeakyRelu", "QLinearMul", "QLinearSigmoid", "QLinearSoftmax", "QLinearWhere",
        "QuantizeLinear", "QuickGelu",
    }
)  # fmt: skip
"""ONNX Runtime's own operators of classifiers for which 1.17.3, the oldest release tried, has
kernels. No table says since when."""

OLDEST_PHONE: Final = "1.17"
"""Oldest release of ONNX Runtime to expect on phones, since apps pin their runtime for years."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RequiredRuntime:
    """The runtime that a file needs.

    Attributes:
        name: `TFLite` or `ONNX Runtime`.
        minimum: The oldest release that runs it correctly; None if not known.
        reasons: Phrases that each name a release and what needs it.
        claimed: The release that the file itself states; None if it states none.
        unknown: Operators whose version is in no table.
        known: The oldest release by what is known, though a newer one may be needed; None if
            nothing is known. Not in JSON.
        needed_by: Phrases that each name something that needs `known`; not in JSON.
    """

    name: Name
    minimum: str | None
    reasons: tuple[str, ...]
    claimed: str | None
    unknown: tuple[str, ...]
    known: str | None = dataclasses.field(default=None, compare=False, metadata=UNWRITTEN)
    needed_by: tuple[str, ...] = dataclasses.field(default=(), compare=False, metadata=UNWRITTEN)


def of(graph: Graph) -> RequiredRuntime:
    """Return the oldest runtime that runs a file correctly."""
    match graph.model.format:
        case "tflite":
            return _tflite(graph)
        case "onnx":
            return _onnx(graph)
        case _:
            assert_never(graph.model.format)


def parse(version: str) -> Version:
    """Return a version as numbers for comparison; empty if it is not a version."""
    numbers = [int(part) for part in version.split(".")[:3] if part.isdecimal()]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def misread_layers(graph: Graph) -> tuple[tuple[Layer, MisreadScales], ...]:
    """Return layers that old runtimes compute wrongly without an error, each with the releases."""
    return tuple(
        (layer, layer.form.misread_scales)
        for layer in graph.layers
        if layer.form.misread_scales is not None
        and layer.integer
        and layer.output.tensor.dtype == "int8"
        and layer.kernel is not None
        and layer.kernel.grid is not None
        and layer.kernel.grid.scale.size > 1
        and layer.operator.version < layer.form.misread_scales.refused_from
    )


def too_low_versions(graph: Graph) -> tuple[tuple[Operator, int], ...]:
    """Return operators whose version is too low for their types, each with the right one."""
    too_low = []
    for operator in graph.model.operators if graph.model.format == "tflite" else ():
        needed = _needed_version(graph.model, operator)
        # A version below 1 does not exist: the table of versions reports it.
        if needed is not None and 0 < operator.version < needed:
            too_low.append((operator, needed))
    return tuple(too_low)


def unknown_types(graph: Graph) -> tuple[str, ...]:
    """Return operators whose weight type is covered by no version, each kind once."""
    names = []
    for operator in graph.model.operators if graph.model.format == "tflite" else ():
        if _needed_version(graph.model, operator) is None:
            source, weights = (graph.model.tensors[operator.input(place)] for place in (0, 1))
            blocks = " in blocks" if weights.block else ""
            name = f"{operator.kind} with {weights.dtype} weights{blocks}, {source.dtype} input"
            names.append(name)
    return tuple(dict.fromkeys(names))


def _needed_version(model: Model, operator: Operator) -> int | None:
    """Return the version that an operator of a `.tflite` must have for its types.

    Returns:
        0 if any version will do; None if no version is known to support its weights.
    """
    source = model.tensor(operator.input(0))
    if source is None or operator.domain:
        return 0
    module = table.of_file(operator.kind)
    if module is None:
        version = TYPE_VERSIONS.get(operator.kind, {}).get(source.dtype, 0)
        several = operator.kind == "DEQUANTIZE" and _several_scales(source)
        return max(version, DEQUANTIZE_CHANNELS) if several else version
    form = table.form_of(operator.kind)
    version = form.versions.get(source.dtype, 0)
    weights = None if form.kernel is None else model.tensor(operator.input(form.kernel))
    if weights is None:
        return version
    if weights.block:
        return None
    versions = form.weight_versions.get((source.dtype, weights.dtype))
    if versions is None:
        return None if weights.dtype in NARROW else version
    return versions[_several_scales(weights)]


def _several_scales(tensor: Tensor) -> bool:
    return tensor.grid is not None and tensor.grid.scale.size > 1


def _tflite(graph: Graph) -> RequiredRuntime:
    since: dict[str, list[str]] = {}
    unknown = []
    # All codes count: a runtime refuses a file with an unknown one even if nothing uses it.
    for code in graph.model.codes:
        name = f"{code.kind} version {code.version}"
        release = OPERATOR_VERSIONS.get(code.kind, {}).get(code.version)
        if code.domain or release is None:
            unknown.append(name)
        else:
            since.setdefault(release, []).append(name)
    misread: dict[str, str] = {}
    for layer, scales in misread_layers(graph):
        misread.setdefault(scales.right_from, f"{layer.where}, int8 with several weight scales")
    for release, reason in misread.items():
        since.setdefault(release, []).append(reason)
    too_low = {(operator.kind, version) for operator, version in too_low_versions(graph)}
    for kind, version in sorted(too_low):
        release = OPERATOR_VERSIONS[kind][version]
        since.setdefault(release, []).append(f"{kind} on types that need version {version}")
    if graph.model.outside:
        since.setdefault(OUTER_BUFFERS, []).append("weights behind the flatbuffer")
    unknown += unknown_types(graph)
    newest = max(since, key=parse, default=None)
    return _runtime(
        "TFLite",
        newest,
        () if newest is None else tuple(since[newest]),
        claimed=graph.model.min_runtime,
        unknown=tuple(unknown),
    )


def _onnx(graph: Graph) -> RequiredRuntime:
    model = graph.model
    opset = max((c.version for c in model.codes if not c.domain), default=0)
    needed = {
        f"operator set {opset}": next((row[0] for row in OPSETS if opset <= row[1]), None),
        f"IR version {model.ir_version}": next(
            (row[0] for row in OPSETS if model.ir_version <= row[2]), None
        ),
    }
    # A runtime refuses an unknown import even if nothing uses it.
    for code in model.codes:
        if code.domain == ML:
            needed[f"{ML} {code.version}"] = next(
                (release for release, top in ML_OPSETS if code.version <= top), None
            )
    for kind in sorted({op.kind for op in model.operators if op.domain == CONTRIB}):
        needed[f"{CONTRIB}.{kind}"] = CONTRIB_RELEASE if kind in CONTRIB_OPERATORS else None
    unknown = tuple(name for name, release in needed.items() if release is None)
    known = [release for release in needed.values() if release is not None]
    newest = max(known, key=parse, default=None)
    domains = sorted({op.domain for op in model.operators} - {"", CONTRIB, ML})
    return _runtime(
        "ONNX Runtime",
        newest,
        tuple(name for name, release in needed.items() if release and release == newest),
        claimed=None,
        unknown=(*unknown, *(f"domain {domain}" for domain in domains)),
    )


def _runtime(
    name: Name,
    known: str | None,
    needed_by: tuple[str, ...],
    *,
    claimed: str | None,
    unknown: tuple[str, ...],
) -> RequiredRuntime:
    return RequiredRuntime(
        name=name,
        minimum=None if unknown else known,
        reasons=tuple(f"{known}: {what}" for what in needed_by),
        claimed=claimed,
        unknown=unknown,
        known=known,
        needed_by=needed_by,
    )
