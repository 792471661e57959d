"""The softmax kernels that the oracle knows give the codes that TFLite gave on those CPUs."""

import json
from pathlib import Path

import arm64
import graphs
import numpy as np
import pytest

from mobiledeploy.ops.expf import expf
from mobiledeploy.ops.softmax import WIDEST, softmax_codes
from mobiledeploy.ops.tensors import Int8
from mobiledeploy.targets import tflite

VECTORS = Path(__file__).parents[2] / "golden" / "softmax_arm64.json"
"""Logits for which the two kernels differ, and the codes of LiteRT's aarch64 wheel 2.3.0 for
them (under QEMU, cortex-a76); made by `record`."""


def adversarial(classes: int, random: np.random.Generator) -> Int8:
    """All equal, one-hot, steps, ramps, and noise of every width."""
    rows = [
        np.full(classes, -128),
        np.full(classes, 127),
        np.where(np.arange(classes) == classes // 2, 127, -128),
        np.where(np.arange(classes) < classes // 2, 127, -128),
        np.arange(classes) % 256 - 128,
        *(np.where(random.random(classes) < 0.5, 127, 127 - gap) for gap in range(0, 256, 5)),
        *(np.rint(random.normal(-20, 2**width, classes)) for width in np.arange(0, 7, 0.1)),
        *random.integers(-128, 128, (100, classes)),
    ]
    logits: Int8 = np.clip(rows, -128, 127).astype(np.int8)
    return logits


def test_the_arm64_kernel_gives_what_litert_gave() -> None:
    vectors = json.loads(VECTORS.read_text())
    assert len(vectors) > 20
    for vector in vectors:
        logits = np.array([vector["logits"]], np.int8)
        scale = np.float32(vector["scale"])
        codes = softmax_codes(logits, scale, kernel="arm64")
        assert codes[0].tolist() == vector["codes"]
        difference = codes.astype(np.int64) - softmax_codes(logits, scale)
        assert np.abs(difference).max() == 1


@pytest.mark.qemu
def test_the_arm64_kernel_is_litert_s(tmp_path: Path) -> None:
    cases = sweep(tmp_path)
    assert sum(codes.size for _, _, codes in cases) > 500_000
    for scale, logits, codes in cases:
        np.testing.assert_array_equal(codes, softmax_codes(logits, scale, kernel="arm64"))


def sweep(folder: Path) -> list[tuple[np.float32, Int8, Int8]]:
    """Return scales, logits and what LiteRT on arm64 gives for them."""
    random = np.random.default_rng(0)
    cases, files = [], []
    for classes in (2, 3, 10, 15, 16, 17, 33, 100, 1000):
        for exponent in np.linspace(-10, 2, 9):
            scale = np.float32(2 ** (exponent + random.uniform(-0.5, 0.5)))
            logits = adversarial(classes, random)
            graph = graphs.softmax(classes, scale, int(random.integers(-128, 128)))
            cases.append((scale, logits))
            files.append((tflite.write(graph), logits))
    answers = arm64.run(folder, files, suffix="tflite")
    return [(scale, logits, codes) for (scale, logits), codes in zip(cases, answers, strict=True)]


def record(folder: Path) -> None:
    """Write `VECTORS` anew, from at most 40 classes."""
    vectors = []
    for scale, logits, codes in sweep(folder):
        differs = (codes != softmax_codes(logits, scale)).any(axis=1)
        if logits.shape[1] <= 40:
            vectors += [
                {"scale": float(scale), "logits": row.tolist(), "codes": out.tolist()}
                for row, out in list(zip(logits[differs], codes[differs], strict=True))[:3]
            ]
    lines = ",\n".join(json.dumps(vector) for vector in vectors)
    VECTORS.write_text(f"[\n{lines}\n]\n")


def test_exponentials_are_close_and_end_in_zero() -> None:
    values = np.concatenate([-np.geomspace(1e-30, 200, 5000), [0.0]]).astype(np.float32)
    exact = np.exp(values.astype(np.float64))
    normal = exact > np.finfo(np.float32).tiny
    error = np.abs(expf(values) - exact)
    assert (error[normal] <= 0.502 * np.spacing(exact.astype(np.float32)[normal])).all()
    assert (error[~normal] <= 0.502 * 2.0**-149).all()
    assert expf(np.array([0.0, -150.0], np.float32)).tolist() == [1.0, 0.0]


def test_one_exponential_in_thousands_is_not_the_nearest_float32() -> None:
    values = np.array([-12.19921875, -12.55859375, -13.87890625, -24.33984375], np.float32)
    nearest = np.exp(values.astype(np.float64)).astype(np.float32)
    assert (expf(values) != nearest).all()
    glibc = ["0x1.51da1ep-18", "0x1.d7b7aap-19", "0x1.f7e45cp-21", "0x1.d8c7eep-36"]
    assert expf(values).tolist() == [float.fromhex(bits) for bits in glibc]


def test_arm64_s_sum_holds_all_logits_at_the_top() -> None:
    codes = softmax_codes(np.full((1, WIDEST), 127, np.int8), np.float32(0.1), kernel="arm64")
    assert (codes == -128).all()
