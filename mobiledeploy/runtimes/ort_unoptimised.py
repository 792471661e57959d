"""ONNX Runtime without optimisation, which computes in float32 between QDQ pairs.

This follows the ONNX specification; a file whose form prevents integer kernels runs like this.
"""

from typing import Final

from mobiledeploy.runtimes import Budget, Runtime, Session, ort


def load(model: bytes, *, threads: int = 1, inner_threads: int = 1, inputs: int = 1) -> Session:
    """Return a session; see `runtimes.Load`."""
    return ort.load(
        model, optimised=False, threads=threads, inner_threads=inner_threads, inputs=inputs
    )


RUNTIME: Final = Runtime(
    name="ort-unoptimised",
    module=__name__,
    title="ORT unoptimised",
    engine="ONNX Runtime",
    kernels="ONNX Runtime",
    format="onnx",
    budget=Budget(macs=6e9),
    load=load,
)
