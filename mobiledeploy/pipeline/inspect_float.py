"""What a float file holds, and what `quantize` does with it, without calibrating or executing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mobiledeploy.base.errors import MobileDeployError
from mobiledeploy.base.files import printable, sha256
from mobiledeploy.lint.report import (
    Head,
    Inspection,
    KerasLayer,
    KerasReport,
    QuantizeReport,
    RefusedLayer,
)
from mobiledeploy.network.importers import sources
from mobiledeploy.network.importers.imported import Imported
from mobiledeploy.pipeline import input_range, tasks, value_inputs
from mobiledeploy.pipeline.prepare import refusals
from mobiledeploy.spec.config import Task

_HEADS: Final[Mapping[str, Head]] = {
    "softmax": "softmax", "logistic": "sigmoid", "log_softmax": "log_softmax",
}  # fmt: skip


def inspect_keras(path: Path) -> Inspection:
    """Return the layers of a whole Keras model, and what `quantize` does with it.

    Args:
        path: A `.keras` or `.h5`. It is read in a child process, without Keras.

    Raises:
        RequestError: It is no model with one input of a fixed size and one output.
        CorruptFileError: It is damaged.
        MissingDependencyError: h5py is not installed.
    """
    imported = sources.read(path)
    graph = imported.graph
    needed, shapes = graph.needed(), graph.known_shapes()
    report = KerasReport(
        file=printable(path),
        size=path.stat().st_size,
        sha256=sha256(path),
        producer=imported.producer,
        dtypes=imported.dtypes,
        input_shape=graph.input_shape,
        input_layout=imported.input_layout,
        output_shape=shapes.get(graph.output),
        layers=tuple(
            KerasLayer(
                name=node.name,
                kind=node.kind,
                operator=node.op,
                shape=shapes.get(node.name),
                weights=sum(array.size for array in node.arrays.values()),
                layer=imported.layers.get(node.name, node.name),
            )
            for node in graph.nodes
            if node.name in needed
        ),
    )
    return Inspection(files=(), across=(), keras=report, quantize=(_report(path, imported),))


def quantize_report(path: Path) -> QuantizeReport:
    """Return what `quantize` does with a float `.tflite` or `.onnx`, which must be intact."""
    try:
        imported = sources.read(path)
    except MobileDeployError as error:
        return QuantizeReport(
            file=printable(path), takes=False, reason=str(error), hint=error.hint or ""
        )
    return _report(path, imported)


def _report(path: Path, imported: Imported) -> QuantizeReport:
    refused: tuple[RefusedLayer, ...] = ()
    scaling, reason, hint = None, "", ""
    image = value_inputs.is_image(imported.graph.input_shape)
    head: Head = "unknown"
    task: Task | None = None
    try:
        head, task = _outputs(imported)
        scaling = imported.scaling if image else None
        refused = tuple(
            RefusedLayer(name=node.name, kind=node.kind or node.op, reason=why)
            for node, why in refusals(imported, path.name)
        )
    except MobileDeployError as error:
        reason, hint = str(error), error.hint or ""
    return QuantizeReport(
        file=printable(path),
        takes=not refused and not reason,
        refused=refused,
        reason=reason,
        hint=hint,
        image=image,
        scaling=scaling,
        needs_input_range=image and not input_range.is_stated(imported),
        head=head,
        task=task,
        classes=imported.classes,
        labels=imported.labels,
        notices=imported.notices,
    )


def _outputs(imported: Imported) -> tuple[Head, Task | None]:
    """Return the operator of the outputs, and what `quantize` takes them for."""
    if imported.unsupported or not imported.classes:
        return "unknown", None
    graph = imported.graph
    task = None
    if not tasks.may_be_input(graph, imported.classes):
        task = tasks.task_of(graph, imported.classes, None, graph.name)
    return _HEADS.get(tasks.last_operator(graph), "none"), task
