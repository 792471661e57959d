"""Sessions run batches of any size on any number of threads, and refuse unfitting ones."""

import platform
from typing import Any

import graphs
import numpy as np
import pytest

from mobiledeploy.base.errors import CorruptFileError, RequestError
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.ops.mean import Sums, xnnpack
from mobiledeploy.ops.operator import Kernel
from mobiledeploy.ops.softmax import softmax_codes
from mobiledeploy.runtimes import litert, numpy_oracle, ort, ort_optimised, saturation
from mobiledeploy.runtimes.child import Children
from mobiledeploy.targets import onnx, tflite


@pytest.fixture(scope="module")
def graph() -> IntegerGraph:
    return graphs.assorted_graph()


def loaders(graph: IntegerGraph) -> dict[str, tuple[Any, bytes]]:
    return {
        "litert": (litert.load, tflite.write(graph)),
        "ort": (ort.load, onnx.write(graph, certify(graph))),
    }


@pytest.mark.parametrize("name", ["litert", "ort"])
@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 33])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_outputs_do_not_depend_on_batch_size_or_threads(
    graph: IntegerGraph, name: str, count: int, threads: int
) -> None:
    load, data = loaders(graph)[name]
    images = np.random.default_rng(count).integers(-128, 128, (count, 13, 10, 3)).astype(np.int8)
    session = load(data)
    expected = np.concatenate([session.run(image[None])[0] for image in images])
    (outputs,) = load(data, threads=threads).run(images)
    np.testing.assert_array_equal(outputs, expected)
    assert outputs.shape == (count, 5)


@pytest.mark.parametrize("name", ["litert", "ort"])
@pytest.mark.parametrize(
    "batch",
    [
        np.zeros((1, 10, 13, 3), np.int8),
        np.zeros((13, 10, 3), np.int8),
        np.zeros((0, 13, 10, 3), np.int8),
        np.zeros((1, 13, 10, 3), np.uint8),
        np.zeros((1, 13, 10, 3), np.float64),
    ],
    ids=["turned", "no batch", "empty", "uint8", "float64"],
)
def test_a_batch_of_another_shape_or_type_is_refused(
    graph: IntegerGraph, name: str, batch: Any
) -> None:
    load, data = loaders(graph)[name]
    with pytest.raises(RequestError, match=r"int8 input of shape \(batch, 13, 10, 3\)"):
        load(data).run(batch)


@pytest.mark.parametrize("name", ["litert", "ort"])
@pytest.mark.parametrize("data", [b"", b"nonsense" * 9], ids=["empty", "nonsense"])
def test_a_file_that_cannot_be_loaded_is_refused(
    graph: IntegerGraph, name: str, data: bytes
) -> None:
    load, _ = loaders(graph)[name]
    with pytest.raises(CorruptFileError, match="cannot load"):
        load(data)


def test_a_refused_file_prints_nothing(
    graph: IntegerGraph, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = onnx.write(graph, certify(graph)).replace(b"Gemm", b"G\xffmm")
    with pytest.raises(CorruptFileError, match="cannot load"):
        ort.load(damaged)
    assert capsys.readouterr().out == ""


def two_inputs(batch: str | int = "batch") -> bytes:
    from onnx import helper

    ends = [helper.make_tensor_value_info(name, 1, [batch, 2]) for name in "abc"]
    node = helper.make_node("Add", ["a", "b"], ["c"])
    model = helper.make_model(
        helper.make_graph([node], "two", ends[:2], ends[2:]),
        ir_version=8,
        opset_imports=[helper.make_opsetid("", 17)],
    )
    return bytes(model.SerializeToString())


def test_a_model_with_two_inputs_is_refused() -> None:
    with pytest.raises(RequestError, match="one input, received 2"):
        ort.load(two_inputs())


def test_a_model_opened_with_two_inputs_takes_two_batches_of_one_size() -> None:
    session = ort.load(two_inputs(), inputs=2)
    assert [source.name for source in session.inputs] == ["a", "b"]
    batch = np.arange(20, dtype=np.float32).reshape(10, 2)
    np.testing.assert_array_equal(session.run(batch, batch[::-1])[0], [[18, 20]] * 10)
    fixed = ort.load(two_inputs(4), inputs=2)
    np.testing.assert_array_equal(fixed.run(batch, batch[::-1])[0], [[18, 20]] * 10)
    for wrong in ((batch,), (batch, batch[:9])):
        with pytest.raises(RequestError, match="2 batches of one size"):
            session.run(*wrong)
    with pytest.raises(RequestError, match="one input, received 2"):
        ort_optimised.load(two_inputs())
    with Children() as children:
        (outputs,) = children.once(ort_optimised.RUNTIME, two_inputs(), (batch, batch))
    np.testing.assert_array_equal(outputs, 2 * batch)


@pytest.mark.parametrize(
    ("saturates", "title"),
    [(False, "(optimised)"), (True, "(optimised, session.x64quantprecision=1)")],
)
def test_sessions_state_their_runtime_and_tensors(
    graph: IntegerGraph, saturates: bool, title: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saturation, "this_cpu_saturates", lambda: saturates)
    by_name = loaders(graph)
    names = {name: load(data).runtime for name, (load, data) in by_name.items()}
    assert names["litert"].startswith("LiteRT ")
    assert names["litert"].endswith("(XNNPACK)")
    assert names["ort"].startswith("ONNX Runtime ")
    assert names["ort"].endswith(title)


def test_litert_s_other_kernels_round_differently_from_xnnpack() -> None:
    graph = graphs.mobilenet("v2", alpha=0.35, image_size=32)
    data = tflite.write(graph, head="logits")
    images = graphs.extremes(graph.input.shape)
    xnnpack = litert.load(data).run(images)[0].astype(int)
    for kernels in ("builtin", "reference"):
        other = litert.load(data, kernels=kernels).run(images)[0].astype(int)
        assert 0 < np.abs(xnnpack - other).max() < 64


@pytest.mark.parametrize(("machine", "kernel"), [("aarch64", "arm64"), ("x86_64", "x86")])
def test_the_oracle_has_the_kernels_of_the_cpu_that_runs_it(
    machine: str, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    scale = np.float32(0.05)
    logits = np.random.default_rng(0).integers(-128, 128, (200, 10)).astype(np.int8)
    (codes,) = numpy_oracle.load(tflite.write(graphs.softmax(10, scale, 0))).run(logits)
    np.testing.assert_array_equal(codes, softmax_codes(logits, scale, kernel=kernel))
    assert (softmax_codes(logits, scale) != softmax_codes(logits, scale, kernel="arm64")).any()
    source, out = np.float32(0.1), np.float32(0.03)
    mean, images = graphs.mean((4, 4), (source, out), (5, -77)), graphs.all_sums((4, 4))
    (codes,) = numpy_oracle.load(tflite.write(mean, head="logits")).run(images)
    sums = Sums(codes=images.sum(axis=(1, 2), dtype=np.int64), positions=16, zeros=(5, -77))
    ways = {
        fused: xnnpack(sums, np.full((1, 1), source), out, fused=fused, fused_constant=fused)
        for fused in (False, True)
    }
    np.testing.assert_array_equal(codes, ways[kernel == "arm64"])
    assert (ways[False] != ways[True]).any()
