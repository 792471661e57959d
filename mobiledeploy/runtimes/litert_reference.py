"""LiteRT's reference kernels: plain, slow loops that round each sum twice.

Their softmax aborts the process if its exponentials add up to 512 or more, as with a thousand
classes of equal logits.
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
