"""Inspect a file, or the two files of a build: everything that can be said without running it."""

import hashlib
from collections import Counter
from pathlib import Path
from typing import Final

import numpy as np

from mobiledeploy.base.errors import CorruptFileError, RequestError
from mobiledeploy.formats import model_file, onnx, other_kinds, tflite
from mobiledeploy.formats.model import Model, Tensor
from mobiledeploy.formats.onnx.checker import Checks
from mobiledeploy.lint import ends, rules, runtime
from mobiledeploy.lint.ends import End
from mobiledeploy.lint.graph import Graph
from mobiledeploy.lint.macs import macs
from mobiledeploy.lint.report import Across, FileReport, Inspection, OperatorLine, TensorLine

MOST_BYTES: Final = 2**31
"""Of a file: neither a flatbuffer nor a protobuf can be larger."""


def inspect(path: Path, *, checks: Checks | None = None) -> Inspection:
    """Return what is in a file, or in the two files of a build folder.

    Args:
        path: A `.tflite`, an `.onnx`, or a folder with `model.tflite` and `model.onnx`.
        checks: Where ONNX's checker runs; None begins and ends it here.

    Raises:
        RequestError: There is no such file, or it is a good one of another kind.
        CorruptFileError: A file is damaged, or of no kind that is known.
    """
    with checks or Checks() as running:
        if not path.is_dir():
            return Inspection(files=(_file(path, running),), across=())
        paths = [path / f"model.{ending}" for ending in ("tflite", "onnx")]
        found = tuple(_file(file, running) for file in paths if file.is_file())
    if not found and (path / "saved_model.pb").is_file():
        kind = other_kinds.SAVED_MODEL
        raise RequestError(f"{path} is {kind.name}, expected a build folder", hint=kind.hint)
    if not found:
        raise RequestError(
            f"{path}: expected a folder with model.tflite or model.onnx, received one without",
            hint="name the file itself",
        )
    return Inspection(files=found, across=_across(found))


def inspect_file(path: Path) -> FileReport:
    """Return what is in a file.

    Raises:
        RequestError: There is no such file, or it is a good one of another kind.
        CorruptFileError: It is damaged, or of no kind that is known.
    """
    with Checks() as running:
        return _file(path, running)


def _file(path: Path, checks: Checks) -> FileReport:
    if not path.is_file():
        raise RequestError(f"there is no file {path}", hint="name a .tflite or .onnx file")
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise CorruptFileError(f"{path}: {size:,} bytes are more than either format can have")
    try:
        with np.errstate(all="ignore"):  # scales of damaged files may be anything
            data = path.read_bytes()
            other_kinds.require_model(str(path), data)
            return _report(path, data, checks)
    except CorruptFileError as error:
        named = str(error) if str(path) in str(error) else f"{path}: {error}"
        raise CorruptFileError(named, hint=error.hint) from error


def _report(path: Path, data: bytes, checks: Checks) -> FileReport:
    model = _read(path, data, checks)
    graph = Graph.of(model)
    return FileReport(
        file=str(path),
        format=model.format,
        size=model.size,
        sha256=hashlib.sha256(data).hexdigest(),
        kind=graph.kind,
        description=model.description,
        producer=model.producer,
        ir_version=model.ir_version,
        opsets={c.kind: c.version for c in model.codes} if model.format == "onnx" else {},
        graphs=model.graphs,
        macs=macs(graph),
        weight_bytes=sum(buffer.content.size for buffer in model.buffers),
        runtime=runtime.of(graph),
        inputs=ends.inputs(graph),
        outputs=ends.outputs(graph),
        operators=_operators(model),
        tensors=tuple(_line(tensor) for tensor in model.tensors),
        metadata=model.metadata,
        signatures=model.signatures,
        findings=rules.check(graph),
    )


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


def _across(files: tuple[FileReport, ...]) -> tuple[Across, ...]:
    if len(files) == 1:
        return ()
    told = {
        "type of the layers": [_bits(file.kind) for file in files],
        "input": [", ".join(map(_told, file.inputs)) for file in files],
        "output": [", ".join(map(_told, file.outputs)) for file in files],
    }
    return tuple(
        Across(what=what, same=len(set(values)) == 1, values=tuple(values))
        for what, values in told.items()
    )


def _bits(kind: str) -> str:
    """Return a kind so that both ways to write eight bits are one."""
    return "8 bit integers" if kind in {"int8", "uint8"} else kind


def _told(end: End) -> str:
    """Return an end in words, without the batch."""
    shape = "?" if end.shape is None else "x".join(map(str, end.shape[1:]))
    grid = "" if end.scale is None else f" ({end.scale:.6g}, {end.zero_point})"
    return f"{end.name} {end.dtype} {shape}{grid}"
