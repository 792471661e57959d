"""ONNX Runtime with all optimisations, as apps run an `.onnx`.

It fuses quantise/dequantise pairs into integer kernels, or computes in float32 where the form of a
file prevents that. Its saved graph shows which.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mobiledeploy.runtimes import FileLayer, Runtime, Session, ort, saturation

_AS_UINT8: Final = "_s8_2_u8"
_FUSED: Final = {
    "add": "QLinearAdd",
    "mean": "QLinearGlobalAveragePool",
    "softmax": "QLinearSoftmax",
}
_PRODUCTS: Final = frozenset({"QLinearConv", "QGemm"})


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
    chosen = kernels(model)
    fused = {op: sum(kind == op for kind, _ in chosen) for op in _FUSED.values()}
    wanted = {op: sum(_FUSED.get(layer.kind) == op for layer in layers) for op in _FUSED.values()}

    def reasons(layer: FileLayer) -> tuple[str, ...]:
        if layer.weights:
            takers = {op for op, inputs in chosen if layer.weights in inputs}
            if not takers or not takers <= _PRODUCTS:
                return ("ONNX Runtime fuses it into no integer kernel: it computes in float32",)
        elif layer.kind in _FUSED:
            op = _FUSED[layer.kind]
            if fused[op] != wanted[op]:
                words = f"ONNX Runtime has {fused[op]} {op} for {wanted[op]} such layers"
                return (f"{words}: it computes the others in float32",)
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
