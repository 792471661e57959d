"""A softmax may be off by as much as the kernel of the CPU that ran it, and no more."""

import platform
from collections.abc import Mapping
from typing import cast, get_args

import graphs
import numpy as np
import pytest

from mobiledeploy.compare.judge import Judgement, judge
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.formats.tflite import parse
from mobiledeploy.integer.certify import certify
from mobiledeploy.ops import softmax
from mobiledeploy.ops.operator import Kernel
from mobiledeploy.ops.softmax import softmax_codes
from mobiledeploy.reading import INPUT, read_onnx, read_tflite
from mobiledeploy.targets import onnx, tflite
from mobiledeploy.verify.layers import recompute
from mobiledeploy.verify.layers.layer_outputs import LayerCodes
from mobiledeploy.verify.proof import layer_proofs
from mobiledeploy.verify.report import LayerProof

CLASSES = 1000
SCALE = np.float32(0.05)
GRAPH = graphs.softmax(CLASSES, SCALE, 0)
LOGITS, NODE = GRAPH.input, cast("softmax.Softmax", GRAPH.nodes[0])


@pytest.fixture(scope="module")
def judgement() -> Judgement:
    return judge(
        read_tflite(parse(tflite.write(GRAPH))),
        read_onnx(parse_onnx(onnx.write(GRAPH, certify(GRAPH)))),
    )


def sampled(
    judgement: Judgement,
    monkeypatch: pytest.MonkeyPatch,
    *,
    machine: str,
    kernel: Kernel,
    off: int = 0,
) -> LayerProof:
    """Return the proof if LiteRT runs `kernel`, `off` steps off, and ONNX Runtime is exact."""

    def run(_: tuple[int, int], given: Mapping[int, LayerCodes]) -> tuple[LayerCodes, LayerCodes]:
        logits = given[INPUT].astype(np.int8)
        codes = softmax_codes(logits, SCALE, kernel=kernel).astype(np.int16) + np.int16(off)
        exact = softmax.exact_codes(NODE, [LOGITS], logits).astype(np.int16)
        return np.clip(codes, -128, 127), exact

    monkeypatch.setattr(platform, "machine", lambda: machine)
    return layer_proofs.prove(judgement, [()], run)[0]


def test_the_arm64_kernel_may_be_two_steps_off_on_arm64(
    judgement: Judgement, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof = sampled(judgement, monkeypatch, machine="aarch64", kernel="arm64")
    assert not proof.reasons
    assert "LiteRT by at most 2 LSB" in proof.statement
    assert "TFLite's kernel for x86, computed, by at most 1 LSB" in proof.statement


@pytest.mark.parametrize(
    ("machine", "kernel", "off"), [("x86_64", "arm64", 0), ("aarch64", "arm64", 1)]
)
def test_the_allowed_error_is_that_of_this_cpu_s_own_kernel(
    judgement: Judgement,
    monkeypatch: pytest.MonkeyPatch,
    machine: str,
    kernel: Kernel,
    off: int,
) -> None:
    proof = sampled(judgement, monkeypatch, machine=machine, kernel=kernel, off=off)
    assert "LiteRT misses the exact softmax" in proof.reasons[0]


def test_both_kernels_of_a_tflite_are_recomputed(judgement: Judgement) -> None:
    layers = [reading.layers[0] for reading in judgement.readings]
    logits = softmax.samples(NODE, [LOGITS])
    x86, arm64 = (
        softmax_codes(logits, SCALE, kernel=kernel).astype(np.int16) for kernel in get_args(Kernel)
    )
    for codes in (x86, arm64):
        assert recompute.error(layers[0], "tflite", [logits], codes) == 0
        assert recompute.error(layers[0], "tflite", [logits], codes + np.int16(3)) == 3
    assert recompute.error(layers[1], "onnx", [logits], arm64) == 2
