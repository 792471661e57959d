"""Every way in which a file can be run, by name."""

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from mobiledeploy.formats import onnx
from mobiledeploy.formats.onnx import edit
from mobiledeploy.runtimes import Session, litert, oracle, ort
from mobiledeploy.targets import tap

Format: TypeAlias = Literal["tflite", "onnx"]
Kind: TypeAlias = Literal[
    "xnnpack", "builtin", "reference", "oracle", "ort-optimised", "ort-unoptimised"
]

KINDS: Final[dict[Format, tuple[Kind, ...]]] = {
    "tflite": ("xnnpack", "oracle", "builtin", "reference"),
    "onnx": ("ort-optimised", "ort-unoptimised"),
}
"""What can run a file of each format; the first is what apps use."""

TITLES: Final[dict[Kind, str]] = {
    "xnnpack": "LiteRT XNNPACK",
    "builtin": "LiteRT builtin",
    "reference": "LiteRT reference",
    "oracle": "NumPy oracle",
    "ort-optimised": "ORT optimised",
    "ort-unoptimised": "ORT unoptimised",
}


def load(
    kind: Kind,
    model: bytes,
    *,
    taps: Sequence[str] | None = None,
    threads: int = 1,
    inputs: int = 1,
) -> Session:
    """Return a session in which a file also gives out what it computes on the way.

    Args:
        kind: How to run it.
        model: The file. A stranger's file belongs into `child.Child`, which has the same method.
        taps: Names of further outputs; None: the input of the softmax, if there is one. An empty
            list runs the file as it is. The oracle takes no other names than those of the
            graph's activations.
        threads: Images that run at a time.
        inputs: How many the file has; the oracle takes one.

    Raises:
        CorruptFileError: The file is damaged, or the runtime refuses it.
        ConversionError: There is no such tensor, or the oracle cannot read the file.
        RequestError: The file has another number of inputs.
    """
    match kind:
        case "ort-optimised" | "ort-unoptimised":
            tapped = edit.tap(onnx.parse(model), taps)
            optimised = kind == "ort-optimised"
            return ort.load(tapped, optimised=optimised, threads=threads, inputs=inputs)
        case "oracle":
            return oracle.load(model, taps=taps, threads=threads)
        case _:
            tapped = tap.tflite(model, taps)
            return litert.load(tapped, kernels=kind, threads=threads, inputs=inputs)
