"""A softmax is judged by the kernel of the CPU that ran it, and excused nothing more."""

import platform

import graphs
import numpy as np
import pytest

from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.formats.tflite import parse
from mobiledeploy.integer.certify import certify
from mobiledeploy.ops.operator import Kernel
from mobiledeploy.ops.softmax import softmax_codes
from mobiledeploy.ops.tensors import Int8
from mobiledeploy.reading import StoredLayer as Layer
from mobiledeploy.reading import read_onnx, read_tflite
from mobiledeploy.targets import onnx, tflite
from mobiledeploy.verify import proof_softmax, referee
from mobiledeploy.verify.layer_codes import Codes
from mobiledeploy.verify.proof import Finding

CLASSES = 1000
SCALE = np.float32(0.05)


@pytest.fixture(scope="module")
def layers() -> tuple[Layer, Layer]:
    graph = graphs.softmax(CLASSES, SCALE, 0)
    readings = (
        read_tflite(parse(tflite.write(graph))),
        read_onnx(parse_onnx(onnx.write(graph, certify(graph)))),
    )
    return readings[0].layers[0], readings[1].layers[0]


def sampled(
    layers: tuple[Layer, Layer],
    monkeypatch: pytest.MonkeyPatch,
    *,
    machine: str,
    kernel: Kernel,
    off: int = 0,
) -> Finding:
    """What is found where LiteRT has a kernel, `off` steps aside, and ONNX Runtime is exact."""

    def run(logits: Int8) -> tuple[Codes, Codes]:
        codes = softmax_codes(logits, SCALE, kernel=kernel).astype(np.int16) + np.int16(off)
        return np.clip(codes, -128, 127), proof_softmax.exact(logits, SCALE).astype(np.int16)

    monkeypatch.setattr(platform, "machine", lambda: machine)
    return proof_softmax.sample(*layers, run)


def test_arm64_s_kernel_may_be_two_steps_off_where_it_runs(
    layers: tuple[Layer, Layer], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = sampled(layers, monkeypatch, machine="aarch64", kernel="arm64")
    assert not found.reasons
    assert "LiteRT by at most 2 LSB" in found.statement
    assert "TFLite's kernel for x86, computed, by at most 1 LSB" in found.statement


@pytest.mark.parametrize(
    ("machine", "kernel", "off"), [("x86_64", "arm64", 0), ("aarch64", "arm64", 1)]
)
def test_no_more_than_the_cpu_s_own_kernel_is_allowed(
    layers: tuple[Layer, Layer],
    monkeypatch: pytest.MonkeyPatch,
    machine: str,
    kernel: Kernel,
    off: int,
) -> None:
    found = sampled(layers, monkeypatch, machine=machine, kernel=kernel, off=off)
    assert "LiteRT misses the exact softmax" in found.reasons[0]


def test_the_referee_knows_both_kernels_of_a_tflite(layers: tuple[Layer, Layer]) -> None:
    logits = proof_softmax.adversarial(CLASSES, SCALE)
    kernels: tuple[Kernel, ...] = ("x86", "arm64")
    for kernel in kernels:
        codes = softmax_codes(logits, SCALE, kernel=kernel).astype(np.int16)
        assert referee.error(layers[0], "tflite", [logits], codes) == 0
        assert referee.error(layers[0], "tflite", [logits], codes + np.int16(3)) == 3
    assert referee.error(layers[1], "onnx", [logits], codes) == 2
