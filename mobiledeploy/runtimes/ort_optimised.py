"""ONNX Runtime with all optimisations, as apps run an `.onnx`.

It fuses quantise/dequantise pairs into integer kernels, or computes in float32 where the form of a
file prevents that. Its saved graph shows which.
"""

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mobiledeploy.runtimes import IN_FLOATS, FileLayer, Runtime, Session, ort, saturation

_AS_UINT8: Final = "_s8_2_u8"


def load(model: bytes, *, threads: int = 1, inner_threads: int = 1, inputs: int = 1) -> Session:
    """Return a session; see `runtimes.Load`."""
    return ort.load(
        model, optimised=True, threads=threads, inner_threads=inner_threads, inputs=inputs
    )


def kernel_reasons(model: bytes, layers: Sequence[FileLayer]) -> list[tuple[str, ...]]:
    """Return why layers run in other kernels than the proven ones; see `runtimes.Runtime`.

    Raises:
        CorruptFileError: ONNX Runtime cannot load the file.
    """
    # Not needed to run files, and the children that do so start faster without.
    from mobiledeploy.ops import table

    products = {
        form.ort_kernel
        for operator in table.OPERATORS
        for form in operator.ONNX.values()
        if form.kernel is not None and form.ort_kernel
    }

    def kernel(layer: FileLayer) -> str:
        """Return the integer kernel that runs a layer without weights; empty if it needs none."""
        module = table.of_kind(layer.kind)
        form = None if module is None else module.ONNX.get(layer.operator)
        return "" if form is None or form.kernel is not None else form.ort_kernel

    chosen = kernels(model)
    fused = Counter(op for op, _ in chosen)
    wanted = Counter(kernel(layer) for layer in layers)

    def reasons(layer: FileLayer) -> tuple[str, ...]:
        if layer.weights:
            takers = {op for op, inputs in chosen if layer.weights in inputs}
            return () if takers and takers <= products else (IN_FLOATS,)
        op = kernel(layer)
        if op and not fused[op]:
            return (IN_FLOATS,)
        if op and fused[op] != wanted[op]:
            words = f"ONNX Runtime has {fused[op]} {op} for {wanted[op]} such layers"
            return (f"{words}: it computes the others in float32, and does not say which",)
        return ()

    return [reasons(layer) for layer in layers]


def kernels(model: bytes) -> tuple[tuple[str, frozenset[str]], ...]:
    """Return the kernels after optimisation, each with its operator and input names.

    Raises:
        CorruptFileError: ONNX Runtime cannot load the file.
    """
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimised.onnx"
        ort.load(model, save=path)
        nodes = onnx.load(path).graph.node
    own = {tensor.name for tensor in onnx.load_model_from_string(model).graph.initializer}
    return tuple(
        (node.op_type, frozenset(_original(name, own) for name in node.input)) for node in nodes
    )


def _original(name: str, own: set[str]) -> str:
    """Return a constant's name in the file, if ONNX Runtime has rewritten the constant.

    With `session.x64quantprecision` it turns int8 weights into uint8:
    onnxruntime/core/optimizer/qdq_transformer/s8_to_u8.cc.
    """
    before = name.removesuffix(_AS_UINT8)
    return before if before in own and name not in own else name


RUNTIME: Final = Runtime(
    name="ort-optimised",
    module=__name__,
    title="ORT optimised",
    engine="ONNX Runtime",
    kernels="ONNX Runtime",
    format="onnx",
    primary=True,
    exact=True,
    load=load,
    saturates=saturation.this_cpu_saturates,
    saturation_option=saturation.OPTION,
    kernel_reasons=kernel_reasons,
)
