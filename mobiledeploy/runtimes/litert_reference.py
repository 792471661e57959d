"""LiteRT's reference kernels: plain loops, slow, and rounded twice.

Their softmax aborts the process where exponentials add up to 512 or more, as those of a thousand
classes do that are all alike.
"""

from typing import Final

from mobiledeploy.runtimes import Budget, Runtime, Session, litert


def load(model: bytes, *, threads: int = 1, inner_threads: int = 1, inputs: int = 1) -> Session:
    """Return a session; see `runtimes.Load`."""
    return litert.load(
        model, kernels="reference", threads=threads, inner_threads=inner_threads, inputs=inputs
    )


RUNTIME: Final = Runtime(
    name="litert-reference",
    module=__name__,
    title="LiteRT reference",
    engine="LiteRT",
    kernels="LiteRT",
    format="tflite",
    budget=Budget(macs=1.5e9),
    load=load,
)
