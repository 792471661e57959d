"""Inspect a file, or the two files of a build, without running them."""

import dataclasses
import hashlib
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.base.files import printable
from mobiledeploy.formats import file_kind, model_file, onnx, tflite
from mobiledeploy.formats.model import Model, Tensor
from mobiledeploy.formats.onnx.checker import Checks
from mobiledeploy.formats.tflite.metadata import classifier
from mobiledeploy.formats.tflite.model import TfliteModel
from mobiledeploy.lint import (
    graph_rules,
    inputs_outputs,
    mediapipe,
    metadata_rules,
    onnx_rules,
    range_rules,
    required_runtime,
    version_rules,
    weight_rules,
)
from mobiledeploy.lint.graph import Graph
from mobiledeploy.lint.inputs_outputs import InputOrOutput
from mobiledeploy.lint.report import ComparedFact, FileReport, Inspection, OperatorLine, TensorLine
from mobiledeploy.lint.rule import Finding, Rule

MOST_BYTES: Final = 2**31
"""Largest file in bytes: neither a flatbuffer nor a protobuf can be larger."""

RULES: Final[tuple[Rule, ...]] = (
    *graph_rules.RULES,
    *weight_rules.RULES,
    *range_rules.RULES,
    *version_rules.RULES,
    *onnx_rules.RULES,
    *metadata_rules.RULES,
)
"""All rules; docs/lint.md explains each."""

MOST_PLACES: Final = 100
"""Most places of one rule that a report names; the others are only counted."""

EXPECTED: Final = "a .tflite, .onnx, .keras or .h5"
"""The files that `inspect` takes, in words."""

_ORDER: Final = {"error": 0, "warning": 1, "note": 2}


def inspect(path: Path, *, checks: Checks | None = None) -> Inspection:
    """Return the contents and findings of a file, or of the two files of a build folder.

    Args:
        path: A `.tflite`, an `.onnx`, or a folder with `model.tflite` and `model.onnx`.
        checks: Runs ONNX's checker in a child process; None starts one for this call.

    Raises:
        RequestError: There is no such file, or it is an intact file of another kind.
        CorruptFileError: A file is damaged or of an unknown kind.
    """
    with checks or Checks() as running:
        if not path.is_dir():
            return Inspection(files=(_file(path, running),), across=())
        paths = [path / f"model.{ending}" for ending in ("tflite", "onnx")]
        files = tuple(_file(file, running) for file in paths if file.is_file())
    if not files:
        file_kind.require_file(
            path, hint="name the file itself; a build folder holds model.tflite and model.onnx"
        )
    return Inspection(files=files, across=_across(files))


def inspect_file(path: Path) -> FileReport:
    """Return the contents and findings of a file.

    Raises:
        RequestError: There is no such file, or it is an intact file of another kind.
        CorruptFileError: It is damaged or of an unknown kind.
    """
    with Checks() as running:
        return _file(path, running)


def check(graph: Graph) -> tuple[Finding, ...]:
    """Return the findings of all rules, errors first."""
    findings = []
    for rule in RULES:
        broken = iter(rule.find(graph))
        places = tuple(islice(broken, MOST_PLACES))
        if places:
            # A place states what was expected if the rule has no text for all places.
            named = tuple(
                dataclasses.replace(place, expected=place.expected or rule.expected)
                for place in places
            )
            findings.append(
                Finding(
                    rule=rule.id,
                    severity=rule.severity,
                    title=rule.title,
                    places=named,
                    count=len(places) + sum(1 for _ in broken),
                    hint=rule.hint,
                )
            )
    return tuple(sorted(findings, key=lambda finding: _ORDER[finding.severity]))


def _file(path: Path, checks: Checks) -> FileReport:
    file_kind.require_file(path, hint=f"name {EXPECTED}, or a build folder")
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise CorruptFileError(f"{path}: {size:,} bytes are more than either format can have")
    try:
        with np.errstate(all="ignore"):  # scales of damaged files may be anything
            data = path.read_bytes()
            file_kind.require_model(str(path), data, expected=EXPECTED)
            return _report(path, data, checks)
    except CorruptFileError as error:
        named = str(error) if str(path) in str(error) else f"{path}: {error}"
        raise CorruptFileError(named, hint=error.hint) from error


def _report(path: Path, data: bytes, checks: Checks) -> FileReport:
    model = _read(path, data, checks)
    graph = Graph.of(model)
    return FileReport(
        file=printable(path),
        format=model.format,
        size=model.size,
        sha256=hashlib.sha256(data).hexdigest(),
        kind=graph.kind,
        description=model.description,
        producer=model.producer,
        ir_version=model.ir_version,
        opsets={c.kind: c.version for c in model.codes} if model.format == "onnx" else {},
        graphs=model.graphs,
        macs=graph.macs(),
        weight_bytes=sum(buffer.content.size for buffer in model.buffers),
        runtime=required_runtime.of(graph),
        inputs=inputs_outputs.inputs(graph),
        outputs=inputs_outputs.outputs(graph),
        operators=_operators(model),
        tensors=tuple(_line(tensor) for tensor in model.tensors),
        metadata=model.metadata,
        signatures=model.signatures,
        findings=check(graph),
        described=model.described if isinstance(model, TfliteModel) else None,
        archived=model.archived if isinstance(model, TfliteModel) else (),
        labels=classifier(data).labels if isinstance(model, TfliteModel) else (),
        mediapipe=mediapipe.refusals(graph) if _takes_images(model) else None,
    )


def _takes_images(model: Model) -> bool:
    """Whether a model is a `.tflite` with one input, which is an image."""
    inputs = [model.tensors[index] for index in model.inputs if index >= 0]
    shape = inputs[0].shape if len(inputs) == 1 else None
    image = shape is not None and len(shape) == inputs_outputs.IMAGE_RANK
    return isinstance(model, TfliteModel) and image


def _read(path: Path, data: bytes, checks: Checks) -> Model:
    if model_file.format_of(data) == "tflite" or path.suffix == ".tflite":
        return tflite.parse(data)
    checks.begin(path)
    return checks.complete(path, onnx.parse(data, folder=path.parent))


def _operators(model: Model) -> tuple[OperatorLine, ...]:
    counts = Counter((op.kind, op.domain, op.version) for op in model.operators)
    counts.update(model.other_operators)
    return tuple(
        OperatorLine(kind=kind, domain=domain, version=version, count=count)
        for (kind, domain, version), count in counts.most_common()
    )


def _line(tensor: Tensor) -> TensorLine:
    grid = tensor.grid
    scale = zero_point = axis = None
    if grid is not None:
        # Damaged files may hold what JSON cannot.
        known = np.nan_to_num(grid.scale.astype(np.float64))
        scale = float(known.min()), float(known.max())
        zero_point = int(grid.zero_point.min()), int(grid.zero_point.max())
        axis = grid.axis if grid.scale.size > 1 else None
    return TensorLine(
        name=tensor.name,
        dtype=tensor.dtype,
        shape=tensor.shape,
        scales=0 if grid is None else grid.scale.size,
        scale=scale,
        zero_point=zero_point,
        axis=axis,
        stored=tensor.stored,
    )


def _across(files: tuple[FileReport, ...]) -> tuple[ComparedFact, ...]:
    if len(files) == 1:
        return ()
    facts = {
        "type of the layers": [_bits(file.kind) for file in files],
        "input": [", ".join(map(_described, file.inputs)) for file in files],
        "output": [", ".join(map(_described, file.outputs)) for file in files],
    }
    return tuple(
        ComparedFact(what=what, same=len(set(values)) == 1, values=tuple(values))
        for what, values in facts.items()
    )


def _bits(kind: str) -> str:
    """Return a kind in words; int8 and uint8 count as the same."""
    return "8 bit integers" if kind in {"int8", "uint8"} else kind


def _described(end: InputOrOutput) -> str:
    """Return an input or output in words, without the batch."""
    shape = "?" if end.shape is None else "x".join(map(str, end.shape[1:]))
    grid = "" if end.scale is None else f" ({end.scale:.6g}, {end.zero_point})"
    return f"{end.name} {end.dtype} {shape}{grid}"
