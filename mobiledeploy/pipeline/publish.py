"""Write a build's files to the top of its folder, the manifest last."""

from pathlib import Path
from typing import Final

from mobiledeploy.base import codec, files
from mobiledeploy.data import test_card
from mobiledeploy.formats import onnx, tflite
from mobiledeploy.formats.onnx import edit as onnx_edit
from mobiledeploy.formats.tflite import edit as tflite_edit
from mobiledeploy.integer import tflite_reader
from mobiledeploy.ops.architecture import Architecture
from mobiledeploy.ops.tensors import QTensor
from mobiledeploy.spec import manifest
from mobiledeploy.spec.config import BuildConfig, ImportConfig, Io, Task
from mobiledeploy.spec.contract import (
    LABELS,
    MODELS,
    Contract,
    ContractTensor,
    Int8Grid,
    Tap,
    Tolerance,
)
from mobiledeploy.spec.manifest import Manifest
from mobiledeploy.spec.results import BuildReport, File

_COPIED: Final = {
    "model.tflite": "export",
    "model.onnx": "export",
    "golden.npz": "verify",
    "evaluation.npz": "verify",
}


def publish(
    root: Path,
    config: BuildConfig | ImportConfig,
    architecture: Architecture,
    class_names: tuple[str, ...],
    report: BuildReport,
    *,
    data_digest: str,
) -> None:
    """Write a build's files to the top of its folder.

    The old manifest is deleted first and the new one written last, so that a manifest never lists
    the files of two builds.

    Raises:
        StorageError: A file cannot be written.
    """
    withdraw(root)
    for name, stage in _COPIED.items():
        files.write_atomic(root / name, (root / stage / name).read_bytes())
    labels = "".join(f"{name}\n" for name in class_names)
    files.write_atomic(root / LABELS, labels.encode())
    contract = _contract(root, config, architecture)
    files.write_atomic(root / "contract.json", codec.to_json(contract))
    files.write_atomic(root / "report.json", codec.to_json(report))
    names = sorted([*_COPIED, LABELS, "contract.json", "report.json"])
    manifest.write(
        root,
        Manifest(
            versions=manifest.versions(),
            config=config,
            data_digest=data_digest,
            files=tuple(File.of(root, root / name) for name in names),
        ),
    )


def withdraw(root: Path) -> None:
    """Delete a build's manifest, without which a folder does not count as a build."""
    with files.storage_errors(root):
        (root / manifest.NAME).unlink(missing_ok=True)


def _contract(
    root: Path, config: BuildConfig | ImportConfig, architecture: Architecture
) -> Contract:
    export = config.export
    shapes = {"input": (1, *architecture.input_shape), "output": (1, architecture.classes)}
    task: Task = config.task if isinstance(config, ImportConfig) else "classification"
    photo = config.preprocessing
    dtype: Io = export.io if export.int8 else "float32"
    grids: dict[str, Int8Grid | None] = {"input": None, "output": None, "logits": None}
    taps: tuple[Tap, ...] = ()
    if export.int8:
        first, second = (root / name for name in MODELS)
        parsed = tflite.parse(first.read_bytes())
        graph = tflite_reader.read(parsed)
        if export.head == "softmax":
            recipe = onnx_edit.tap_recipe(onnx.parse(second.read_bytes()))
            taps = tflite_edit.tap_recipe(parsed).tap(first.name), recipe.tap(second.name)
        tensors = {"input": graph.input, "output": graph.output, "logits": graph.logits}
        grids = {name: _grid(tensor) for name, tensor in tensors.items()}
    return Contract(
        name=architecture.name,
        classes=2 if task == "binary" else architecture.classes,
        head=export.head,
        preprocessing=photo,
        resize=None if photo is None else "triangle-v1",
        resize_check=None if photo is None else test_card.resized_digest(photo),
        input=ContractTensor(dtype=dtype, shape=shapes["input"], grid=grids["input"]),
        output=ContractTensor(dtype=dtype, shape=shapes["output"], grid=grids["output"]),
        logits=grids["logits"],
        tolerance=Tolerance() if export.int8 else None,
        files=tuple(File.of(root, root / name) for name in MODELS),
        labels=File.of(root, root / LABELS),
        taps=taps,
        task=task,
    )


def _grid(tensor: QTensor) -> Int8Grid:
    return Int8Grid(scale=float(tensor.scale), zero_point=tensor.zero_point)
