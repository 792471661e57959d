"""Sample a softmax of two files in both runtimes, on logits chosen to divide them.

A softmax depends on all logits at once and cannot be enumerated; its kernels add exponentials in
float32 or 16 bits and may round to another code than the exact softmax. The layer is run cut out
of both files, on logits given as integers. See `ops.softmax` for TFLite's kernels; ONNX
Runtime's is onnxruntime/contrib_ops/cpu/quantization/qlinear_softmax.cc.
"""

from collections.abc import Callable, Iterator
from typing import Final, get_args

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ConversionError, CorruptFileError, RuntimeDiedError
from mobiledeploy.ops.operator import Kernel
from mobiledeploy.ops.softmax import SOFTMAX_SCALE, SOFTMAX_ZERO_POINT, softmax_codes
from mobiledeploy.ops.tensors import QMAX, QMIN, Int8
from mobiledeploy.reading import StoredLayer as Layer
from mobiledeploy.runtimes import cpu, table
from mobiledeploy.verify.layer_codes import Codes
from mobiledeploy.verify.proof import Finding

WITHIN: Final = 1
"""Steps of 1/256 by which a score may miss the exact softmax, correctly rounded; LiteRT's by as
many as its kernel for this CPU is known to: on arm64 that is more for many hundreds of classes."""

NOISE: Final = 256
NEAR_TIES: Final = 256
CANDIDATES: Final = 4096
MOST_CODES: Final = 4_000_000
"""Logits in all; it bounds the time for files with many classes."""


def sample(first: Layer, second: Layer, run: Callable[[Int8], tuple[Codes, Codes]]) -> Finding:
    """Return how far both files' softmax is from the exact one.

    Args:
        first: Of the `.tflite`.
        second: Of the `.onnx`.
        run: From logits, shape (vectors, classes), to the codes that apps' runtimes give for the
            layer, cut out of each file.
    """
    reasons = list(_reasons(first, second))
    if reasons:
        return Finding(method="samples", reasons=tuple(reasons))
    read = first.reads[0]
    scale, (classes,) = np.float32(read.scale), first.output.shape
    logits = adversarial(classes, scale)
    try:
        both = run(logits)
    except (ConversionError, CorruptFileError, RuntimeDiedError) as error:
        return Finding(method="samples", reasons=(f"it could not be run: {error}",))
    one, two = table.primary("tflite").engine, table.primary("onnx").engine
    answers = {one: both[0], two: both[1]}
    expected = exact(logits, scale)
    for name, codes in answers.items():
        if codes.shape != expected.shape:
            reasons.append(f"{name} gives scores of shape {codes.shape[1:]}")
    if reasons:
        return Finding(method="samples", reasons=tuple(reasons))
    off = {name: _apart(codes, expected) for name, codes in answers.items()}
    apart = _apart(*both)
    computed = {
        kernel: _apart(softmax_codes(logits, scale, kernel=kernel), expected)
        for kernel in get_args(Kernel)
    }
    here = cpu.this_architecture()
    allowed = {one: max(WITHIN, computed[here]), two: WITHIN}
    reasons += [
        f"{name} misses the exact softmax by {worst} LSB, expected at most {allowed[name]}"
        for name, worst in off.items()
        if worst > allowed[name]
    ]
    worst = ", ".join(f"{name} by at most {value} LSB" for name, value in off.items())
    others = ", ".join(
        f"TFLite's kernel for {kernel}, computed, by at most {value} LSB"
        for kernel, value in computed.items()
        if kernel != here
    )
    return Finding(
        method="samples",
        cases=len(logits),
        statement=f"on {len(logits)} adversarial and random vectors of logits {worst} from the "
        f"exact softmax, {apart} LSB from each other; {others}",
        reasons=tuple(reasons),
    )


def exact(logits: Int8, scale: np.float32) -> Int8:
    """Return the codes of the softmax, correctly rounded (halves up)."""
    steps = _steps(logits, scale)
    rounded = np.floor(steps + 0.5).astype(np.int64) + SOFTMAX_ZERO_POINT
    codes: Int8 = np.clip(rounded, QMIN, QMAX).astype(np.int8)
    return codes


def adversarial(classes: int, scale: np.float32) -> Int8:
    """Return logits on which kernels tend to differ, shape (vectors, classes).

    All equal, each end alone, steps of every height and several widths (where many small
    exponentials add up to something), noise of every width, and of many vectors those for
    which some score lies next to a half.
    """
    random = np.random.default_rng(classes)
    rows = [np.full(classes, code) for code in (QMIN, 0, QMAX)]
    widths = sorted({1, 2, max(1, classes // 2), max(1, classes - 1)} & set(range(1, classes + 1)))
    places = np.arange(classes)
    for width in widths:
        rows += [np.where(places < width, QMAX, QMAX - gap) for gap in range(1, 256)]
    rows += list(_noise(classes, NOISE, random))
    most = max(1, MOST_CODES // classes)
    candidates = _noise(classes, min(CANDIDATES, most), random)
    steps = _steps(candidates, scale)
    from_half = np.abs(np.mod(steps, 1) - 0.5).min(axis=1)
    nearest = candidates[np.argsort(from_half, kind="stable")[:NEAR_TIES]]
    return np.concatenate([np.array(rows[:most], np.int8), nearest])


def _noise(classes: int, count: int, random: np.random.Generator) -> Int8:
    deviations = 2.0 ** random.uniform(0, 7, (count, 1))
    noise = random.normal(random.uniform(-60, 60, (count, 1)), deviations, (count, classes))
    codes: Int8 = np.clip(np.rint(noise), QMIN, QMAX).astype(np.int8)
    return codes


def _steps(logits: Int8, scale: np.float32) -> npt.NDArray[np.float64]:
    """Return the softmax in steps of its grid, right to about 1e-13."""
    below = logits.max(axis=1, keepdims=True).astype(np.int64) - logits
    powers = np.exp(-below * float(scale))
    steps: npt.NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return steps / float(SOFTMAX_SCALE)


def _apart(a: Codes | Int8, b: Codes | Int8) -> int:
    return int(np.abs(a.astype(np.int64) - b).max())


def _reasons(first: Layer, second: Layer) -> Iterator[str]:
    a, b = first.reads[0], second.reads[0]
    if (a.scale, a.zero_point) != (b.scale, b.zero_point):
        yield f"grids of the logits: {a.scale}, {a.zero_point} and {b.scale}, {b.zero_point}"
    if a.scale is None or not a.scale >= np.finfo(np.float32).tiny or not np.isfinite(a.scale):
        yield "the scale of the logits is no positive number"
    for layer in (first, second):
        if (layer.output.scale, layer.output.zero_point) != (SOFTMAX_SCALE, SOFTMAX_ZERO_POINT):
            yield f"`{layer.name}` has another grid than 1/256 and -128"
        if layer.beta != 1:
            yield f"`{layer.name}` has beta {layer.beta}"
    if first.output.shape != second.output.shape or len(first.output.shape) != 1:
        yield f"output shape: {first.output.shape} and {second.output.shape}"
