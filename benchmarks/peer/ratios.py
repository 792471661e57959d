"""The latency of our files divided by that of the other tools' files, round by round."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from mobiledeploy.spec.config import Arch

Times = Mapping[str, Sequence[float]]

STATIC = ("ort_static.onnx", "ort_static_per_channel.onnx", "ort_static_per_channel_u8.onnx")
TF2ONNX = ("keras_ptq.onnx", "keras_qat.onnx")
TFLITE = (
    "keras_ptq.tflite",
    "keras_qat.tflite",
    "ai_edge_quantizer.tflite",
    "litert_quantizer.tflite",
)

PAIRS: tuple[tuple[str, tuple[str, ...], float | None], ...] = (
    # Our file, the files of which the fastest counts, and the largest ratio that we promise.
    ("ours.onnx", STATIC, 1.0),
    ("ours_float_io.onnx", STATIC, None),
    ("ours.onnx", TF2ONNX, None),
    ("ours.onnx", ("float.onnx",), None),
    ("ours.tflite", TFLITE, 1.0),
    *(("ours.tflite", (file,), None) for file in TFLITE),
    ("ours.tflite", ("float.tflite",), None),
    ("ours.onnx", ("ours.tflite",), 1.05),
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """Latency of one file / latency of another.

    Attributes:
        file: Ours.
        of: The other.
        best_of: Number of files of which it was the fastest.
        ratio: Median over rounds.
        low: First quartile.
        high: Third quartile.
        target: Largest ratio that is promised; None if none is.
    """

    file: str
    of: str
    best_of: int
    ratio: float
    low: float
    high: float
    target: float | None


def ratios(times: Times, arch: Arch | None) -> list[Ratio]:
    """Return the ratios of all pairs of which both files were made; targets are for V2."""
    pairs = []
    for file, others, target in PAIRS:
        present = [other for other in others if other in times]
        if file not in times or not present:
            continue
        fastest = min(present, key=lambda other: float(np.median(times[other])))
        low, middle, high = np.percentile(
            np.divide(times[file], times[fastest]), (25, 50, 75)
        ).tolist()
        pairs.append(
            Ratio(
                file=file,
                of=fastest,
                best_of=len(present),
                ratio=middle,
                low=low,
                high=high,
                target=target if arch == "v2" else None,
            )
        )
    return pairs
