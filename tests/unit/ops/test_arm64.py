"""Single layers on arm64, under QEMU: both runtimes give the codes that we compute."""

from pathlib import Path
from typing import Any

import arm64
import graphs
import numpy as np
import pytest

from mobiledeploy.integer import oracle
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.ops import add, mean, sums
from mobiledeploy.ops.certificate import Certificate
from mobiledeploy.ops.conv import Conv
from mobiledeploy.ops.dense import Dense
from mobiledeploy.ops.tensors import Int8, QTensor, Shape
from mobiledeploy.ops.weights import QWeights
from mobiledeploy.targets import onnx, tflite

pytestmark = pytest.mark.qemu


def products(count: int) -> list[tuple[IntegerGraph, Int8]]:
    """Convolutions, depthwise and dense layers whose codes cover the grid, many on halves."""
    random = np.random.default_rng(0)
    return [_product(random, number) for number in range(count)]


def _product(random: np.random.Generator, number: int) -> tuple[IntegerGraph, Int8]:
    kind = ("conv", "depthwise", "dense")[number % 3]
    height, width, ins, outs, window = (int(n) for n in random.integers(1, (9, 9, 40, 40, 4)))
    stride = int(random.integers(1, 3))
    scale, out_scale = (np.float32(2 ** random.uniform(-9, 2)) for _ in range(2))
    zero, out_zero = (int(code) for code in random.integers(-128, 128, 2))
    shape: Shape = (ins,)
    out_shape: Shape = (outs,)
    kernel: Shape = (outs, ins)
    if kind != "dense":
        outs = ins if kind == "depthwise" else outs
        shape = (height, width, ins)
        out_shape = (-(-height // stride), -(-width // stride), outs)
        kernel = (1 if kind == "depthwise" else outs, window, window, ins)
    multiplier: Any = 2.0 ** random.integers(-12, -3)
    if number % 2:
        multiplier *= random.uniform(0.5, 1, outs if number % 4 == 1 else 1)
    kernel_scale = np.atleast_1d(multiplier * out_scale / scale).astype(np.float32)
    source = QTensor(name="source", shape=shape, scale=scale, zero_point=zero)
    weights = QWeights(
        kernel=random.integers(-127, 128, kernel).astype(np.int8),
        kernel_scale=kernel_scale,
        bias=random.integers(-(2**12), 2**12, outs).astype(np.int32),
        bias_scale=scale * kernel_scale,
    )
    out = QTensor(name="out", shape=out_shape, scale=out_scale, zero_point=out_zero)
    node: Conv | Dense = Dense(input="source", output=out, weights=weights)
    if kind != "dense":
        node = Conv(
            input="source", output=out, weights=weights, depthwise=kind == "depthwise",
            strides=(stride, stride), padding="same", activation="none",
        )  # fmt: skip
    graph = IntegerGraph(name=kind, input=source, nodes=(node,))
    return graph, random.integers(-128, 128, (3, *shape)).astype(np.int8)


def additions(count: int) -> list[tuple[IntegerGraph, Int8]]:
    random = np.random.default_rng(1)
    found = []
    for _ in range(count):
        scale = np.float32(2 ** random.uniform(-8, 2))
        a, b = (np.float32(scale * 2 ** random.uniform(-6, 3)) for _ in range(2))
        x, y, zero = (int(code) for code in random.integers(-128, 128, 3))
        found.append((graphs.addition((a, b, scale), (x, y, zero)), graphs.all_pairs()))
    return found


def means(count: int) -> list[tuple[IntegerGraph, Int8]]:
    random = np.random.default_rng(2)
    # On this one x86 and arm64 differ: the compiler fuses there what it does not here.
    scales = np.float32(0.1), np.float32(0.03)
    found = [(graphs.mean((4, 4), scales, (5, -77)), graphs.all_sums((4, 4)))]
    for _ in range(count - 1):
        high, wide = (int(side) for side in random.integers(1, 9, 2))
        before, after = (np.float32(2 ** random.uniform(-6, -4)) for _ in range(2))
        zero, out_zero = (int(code) for code in random.integers(-128, 128, 2))
        graph = graphs.mean((high, wide), (before, after), (zero, out_zero))
        found.append((graph, graphs.all_sums((high, wide))))
    return found


def test_litert_gives_the_oracle_s_codes(tmp_path: Path) -> None:
    cases = [*products(240), *additions(12), *means(20)]
    files = [(tflite.write(graph, head="logits"), images) for graph, images in cases]
    spread = 0
    for (graph, images), codes in zip(
        cases, arm64.run(tmp_path, files, suffix="tflite"), strict=True
    ):
        expected = oracle.run(graph, images, kernels="arm64")[graph.output.name]
        np.testing.assert_array_equal(codes, expected)
        spread += len(np.unique(codes)) > 20
    assert spread > len(cases) // 3


def uncertified(graph: IntegerGraph) -> bytes:
    node, grids = graph.nodes[-1], graph.tensors()
    made_up = Certificate(
        name=node.output.name,
        scales=tuple(grids[name].scale for name in node.inputs),
        cases=0,
        differing_before=0,
        differing_after=0,
    )
    return onnx.write(graph, {node.output.name: made_up}, head="logits")


def test_onnx_runtime_adds_as_the_oracle_s_arm_kernel_does(tmp_path: Path) -> None:
    cases = additions(12)
    files = [(uncertified(graph), images) for graph, images in cases]
    apart = 0
    for (graph, images), codes in zip(
        cases, arm64.run(tmp_path, files, suffix="onnx"), strict=True
    ):
        a, b, out = (graph.tensors()[name] for name in ("a", "b", "sum"))
        operands = sums.Operands(
            a=images[..., 0].ravel().astype(np.int64),
            b=images[..., 1].ravel().astype(np.int64),
            zeros=(a.zero_point, b.zero_point, out.zero_point),
        )
        one = np.ones((1, 1), np.float32)
        known = add.ort_neon(operands, a.scale * one, b.scale * one, out.scale)[0]
        np.testing.assert_array_equal(codes.ravel(), known)
        apart += int((known != oracle.run(graph, images)["sum"].ravel()).sum())
    assert apart > 0


def test_onnx_runtime_computes_means_as_the_oracle_does(tmp_path: Path) -> None:
    cases = means(20)
    files = [(uncertified(graph), images) for graph, images in cases]
    for (graph, images), codes in zip(
        cases, arm64.run(tmp_path, files, suffix="onnx"), strict=True
    ):
        source, out = graph.input, graph.output
        sums = mean.Sums(
            codes=images.sum(axis=(1, 2), dtype=np.int64),
            positions=source.shape[0] * source.shape[1],
            zeros=(source.zero_point, out.zero_point),
        )
        known = mean.ort(sums, np.full((1, 1), source.scale), out.scale)
        np.testing.assert_array_equal(codes, known)


def test_onnx_runtime_multiplies_as_the_oracle_does(tmp_path: Path) -> None:
    cases = products(120)
    files = [(onnx.write(graph, {}, head="logits"), images) for graph, images in cases]
    for (graph, images), codes in zip(
        cases, arm64.run(tmp_path, files, suffix="onnx"), strict=True
    ):
        np.testing.assert_array_equal(codes, oracle.run(graph, images)["out"])
