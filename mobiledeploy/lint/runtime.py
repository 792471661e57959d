"""The oldest runtime that runs a file and computes what the file means, and why.

TFLite: the versions of its operators, and traps that no version guards. ONNX Runtime: operator set
and IR version.
"""

import dataclasses
from typing import Final, Literal, TypeAlias

from mobiledeploy.formats.model import Operator
from mobiledeploy.lint import code_versions
from mobiledeploy.lint.graph import Graph
from mobiledeploy.lint.layer import Layer
from mobiledeploy.lint.op_versions import OPERATOR_VERSIONS

Version: TypeAlias = tuple[int, ...]

PER_CHANNEL_DENSE: Final = "2.10"
"""TFLite 2.7 to 2.9 compute an int8 FULLY_CONNECTED with several weight scales wrongly, without an
error: measured with tflite-runtime's wheels 2.7.0, 2.8.0, 2.9.1 and 2.10.0."""
GUARDED_DENSE: Final = 12
"""Version of FULLY_CONNECTED that runtimes refuse if they do not know several scales."""

OUTER_BUFFERS: Final = "2.14"
"""The oldest wheel of tflite-runtime that was found to read weights behind the flatbuffer; older
ones were not to be had."""

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
"""Releases of ONNX Runtime, and the highest operator set and IR version that each takes. From 1.15
on tried out with the wheels of every release; before, the compatibility table of ONNX Runtime's
documentation, with the IR version of the ONNX release that it names."""

ML: Final = "ai.onnx.ml"
ML_OPSETS: Final = (("1.0", 2), ("1.11", 3), ("1.17", 4), ("1.18", 5))
"""Likewise of the domain of classical machine learning, which tools import without using it."""

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
"""ONNX Runtime's own operators of classifiers that the oldest release that was tried with them,
1.17.3, has kernels for. No table says since when."""

OLDEST_PHONE: Final = "1.17"
"""Of ONNX Runtime: apps pin their runtime for years."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """What a file needs.

    Attributes:
        name: `TFLite` or `ONNX Runtime`.
        minimum: The oldest release that runs it rightly; None if not known.
        reasons: Why, a phrase each; the first ones decide.
        claimed: What the file itself says; None if nothing.
        unknown: Operators of which no table knows the version.
    """

    name: Literal["TFLite", "ONNX Runtime"]
    minimum: str | None
    reasons: tuple[str, ...]
    claimed: str | None
    unknown: tuple[str, ...]


def of(graph: Graph) -> Runtime:
    """Return what a file needs."""
    return _tflite(graph) if graph.model.format == "tflite" else _onnx(graph)


def parse(version: str) -> Version:
    """Return a version for comparing; empty if it is none."""
    numbers = [int(part) for part in version.split(".")[:3] if part.isdecimal()]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def trapped(graph: Graph) -> tuple[Layer, ...]:
    """Return dense layers that old runtimes take and compute wrongly."""
    return tuple(
        layer
        for layer in graph.layers
        if graph.model.format == "tflite"
        and layer.kind == "dense"
        and layer.integer
        and layer.output.tensor.dtype == "int8"
        and layer.kernel is not None
        and layer.kernel.grid is not None
        and layer.kernel.grid.scale.size > 1
        and layer.operator.version < GUARDED_DENSE
    )


def understated(graph: Graph) -> tuple[tuple[Operator, int], ...]:
    """Return operators whose version is too low for their types, and the right version."""
    found = []
    for operator in graph.model.operators if graph.model.format == "tflite" else ():
        needed = code_versions.needed(graph.model, operator)
        # A version below 1 is no version of anything: the table of versions speaks of it.
        if 0 < operator.version < needed:
            found.append((operator, needed))
    return tuple(found)


def untold(graph: Graph) -> tuple[str, ...]:
    """Return operators on weights of types that no version speaks of, each kind once."""
    found = []
    for operator in graph.model.operators if graph.model.format == "tflite" else ():
        if code_versions.needed(graph.model, operator) == code_versions.UNKNOWN:
            source, weights = (graph.model.tensors[operator.input(place)] for place in (0, 1))
            blocks = " in blocks" if weights.block else ""
            name = f"{operator.kind} with {weights.dtype} weights{blocks}, {source.dtype} input"
            found.append(name)
    return tuple(dict.fromkeys(found))


def _tflite(graph: Graph) -> Runtime:
    since: dict[str, list[str]] = {}
    unknown = []
    # All codes count: a runtime refuses a file for one that it does not know, used or not.
    for code in graph.model.codes:
        name = f"{code.kind} version {code.version}"
        release = OPERATOR_VERSIONS.get(code.kind, {}).get(code.version)
        if code.domain or release is None:
            unknown.append(name)
        else:
            since.setdefault(release, []).append(name)
    traps = trapped(graph)
    if traps:
        reason = f"{traps[0].where}, int8 with several weight scales"
        since.setdefault(PER_CHANNEL_DENSE, []).append(reason)
    low = {(operator.kind, version) for operator, version in understated(graph)}
    for kind, version in sorted(low):
        release = OPERATOR_VERSIONS[kind][version]
        since.setdefault(release, []).append(f"{kind} on types that version {version} takes")
    if graph.model.outside:
        since.setdefault(OUTER_BUFFERS, []).append("weights behind the flatbuffer")
    unknown += untold(graph)
    newest = max(since, key=parse, default=None)
    return Runtime(
        name="TFLite",
        minimum=newest if newest and not unknown else None,
        reasons=() if newest is None else tuple(f"{newest}: {name}" for name in since[newest]),
        claimed=graph.model.min_runtime,
        unknown=tuple(unknown),
    )


def _onnx(graph: Graph) -> Runtime:
    model = graph.model
    opset = max((c.version for c in model.codes if not c.domain), default=0)
    needed = {
        f"operator set {opset}": next((row[0] for row in OPSETS if opset <= row[1]), None),
        f"IR version {model.ir_version}": next(
            (row[0] for row in OPSETS if model.ir_version <= row[2]), None
        ),
    }
    # A runtime refuses an import that it does not know, used or not.
    for code in model.codes:
        if code.domain == ML:
            found = next((release for release, top in ML_OPSETS if code.version <= top), None)
            needed[f"{ML} {code.version}"] = found
    for kind in sorted({op.kind for op in model.operators if op.domain == CONTRIB}):
        needed[f"{CONTRIB}.{kind}"] = CONTRIB_RELEASE if kind in CONTRIB_OPERATORS else None
    unknown = tuple(name for name, release in needed.items() if release is None)
    known = [release for release in needed.values() if release is not None]
    newest = max(known, key=parse, default=None)
    domains = sorted({op.domain for op in model.operators} - {"", CONTRIB, ML})
    return Runtime(
        name="ONNX Runtime",
        minimum=newest if newest and not unknown and not domains else None,
        reasons=tuple(f"{rel}: {name}" for name, rel in needed.items() if rel == newest and rel),
        claimed=None,
        unknown=(*unknown, *(f"domain {domain}" for domain in domains)),
    )
