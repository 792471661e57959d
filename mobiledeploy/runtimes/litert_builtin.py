"""LiteRT's builtin kernels, without a delegate: fast, but they round each sum twice."""

from typing import Final

from mobiledeploy.runtimes import Budget, Runtime, Session, litert


def load(model: bytes, *, threads: int = 1, inner_threads: int = 1, inputs: int = 1) -> Session:
    """Return a session; see `runtimes.Load`."""
    return litert.load(
        model, kernels="builtin", threads=threads, inner_threads=inner_threads, inputs=inputs
    )


RUNTIME: Final = Runtime(
    name="litert-builtin",
    module=__name__,
    title="LiteRT builtin",
    engine="LiteRT",
    kernels="LiteRT",
    format="tflite",
    budget=Budget(macs=1.5e10),
    load=load,
)
