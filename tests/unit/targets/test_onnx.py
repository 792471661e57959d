"""An `.onnx` that ONNX Runtime turns into integer kernels, layer by layer."""

import collections
from pathlib import Path
from typing import Any

import graphs
import numpy as np
import pytest

from mobiledeploy.base.errors import RequestError
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.graph import IntegerGraph, digest, with_head
from mobiledeploy.runtimes import ort, saturation
from mobiledeploy.spec.config import Io
from mobiledeploy.targets import onnx


@pytest.fixture(scope="module")
def graph() -> IntegerGraph:
    return graphs.mobilenet("v2", alpha=0.35, image_size=32)


def written(graph: IntegerGraph, **options: Any) -> bytes:
    return onnx.write(graph, certify(graph), **options)


def parsed(data: bytes) -> Any:
    import onnx as library

    return library.load_model_from_string(data)


def fused(data: bytes, folder: Path) -> collections.Counter[str]:
    """The operators that ONNX Runtime makes of a file."""
    import onnx as library
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    options.log_severity_level = 4
    onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    nodes = library.load(options.optimized_model_filepath).graph.node
    return collections.Counter(node.op_type for node in nodes)


@pytest.mark.parametrize("io", ["int8", "uint8", "float32"])
@pytest.mark.parametrize("head", ["softmax", "logits"])
def test_onnx_checker_has_no_complaint(graph: IntegerGraph, io: Io, head: Any) -> None:
    import onnx as library

    model = parsed(written(graph, io=io, head=head))
    library.checker.check_model(model, full_check=True)
    assert model.ir_version == 8
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]


def test_every_layer_becomes_an_integer_kernel(graph: IntegerGraph, tmp_path: Path) -> None:
    assert fused(written(graph, io="uint8"), tmp_path) == {
        "Transpose": 1,
        "QLinearConv": 52,
        "QLinearAdd": 10,
        "QLinearGlobalAveragePool": 1,
        "Flatten": 1,
        "QGemm": 1,
        "QLinearSoftmax": 1,
    }


def test_a_stem_on_three_colours_is_computed_over_four_pixels_at_a_time(tmp_path: Path) -> None:
    graph = graphs.mobilenet("v1", alpha=0.25, image_size=64, stem_stride=2)
    data = written(graph, io="uint8")
    kernel = next(t for t in parsed(data).graph.initializer if t.name == "conv1/kernel")
    assert tuple(kernel.dims) == (2 * 8, 12, 3, 2)
    kernels = fused(data, tmp_path)
    # Reshapes copy nothing; of the transpositions none is left but the one before the pooling.
    assert (kernels["QLinearConv"], kernels["Reshape"], kernels["Transpose"]) == (27, 2, 1)


@pytest.mark.parametrize(("image_size", "stem_stride"), [(66, 2), (65, 2), (64, 1)])
def test_other_stems_are_written_as_plain_convolutions(image_size: int, stem_stride: int) -> None:
    graph = graphs.mobilenet("v1", alpha=0.25, image_size=image_size, stem_stride=stem_stride)
    kernel = next(t for t in parsed(written(graph)).graph.initializer if t.name == "conv1/kernel")
    assert tuple(kernel.dims) == (8, 3, 3, 3)


def test_a_clip_that_the_scale_does_not_imply_does_not_prevent_fusion(tmp_path: Path) -> None:
    kernels = fused(written(graphs.assorted_graph(), io="uint8"), tmp_path)
    assert kernels["Clip"] == 2
    assert kernels["QLinearConv"] == 5
    assert "Conv" not in kernels


@pytest.mark.parametrize(
    ("io", "dtype"), [("int8", np.int8), ("uint8", np.uint8), ("float32", np.float32)]
)
def test_input_and_output_have_the_requested_type(
    graph: IntegerGraph, io: Io, dtype: type
) -> None:
    session = ort.load(written(graph, io=io))
    assert session.input.dtype == session.outputs[0].dtype == np.dtype(dtype)
    assert (session.input.name, session.outputs[0].name) == ("input", "predictions")
    assert session.input.shape == (32, 32, 3)


def test_tensors_have_the_layers_names(graph: IntegerGraph) -> None:
    model = parsed(written(graph))
    outputs = {name for node in model.graph.node for name in node.output}
    border = {graph.input.name, graph.output.name}
    assert set(graph.tensors()) - border <= outputs
    assert {f"{name}_uint8" for name in border} <= outputs


def test_scales_of_activations_have_rank_0_and_kernels_their_own_zero_points(
    graph: IntegerGraph,
) -> None:
    model = parsed(written(graph))
    ranks = {tensor.name: len(tensor.dims) for tensor in model.graph.initializer}
    kernels = []
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            assert [ranks[name] for name in node.input[1:]] == [0, 0]
        if node.op_type == "DequantizeLinear" and node.input[0] in ranks:
            kernels += node.input[2:]
    assert len(kernels) == len(set(kernels)) == 53


def test_a_saturating_cpu_gives_the_same_codes(
    graph: IntegerGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = graphs.extremes(graph.input.shape)
    data = written(graph)
    expected = ort.load(data).run(images)[0]
    monkeypatch.setattr(saturation, "this_cpu_saturates", lambda: True)
    np.testing.assert_array_equal(ort.load(data).run(images)[0], expected)


def test_the_metadata_holds_the_graphs_digest(graph: IntegerGraph) -> None:
    for head in ("softmax", "logits"):
        props = {p.key: p.value for p in parsed(written(graph, head=head)).metadata_props}
        assert props == {"mobiledeploy.graph": digest(with_head(graph, head))}


def test_the_same_graph_gives_the_same_bytes(graph: IntegerGraph) -> None:
    again = graphs.mobilenet("v2", alpha=0.35, image_size=32)
    assert written(graph) == written(again)
    assert written(graph) != written(graphs.mobilenet("v2", alpha=0.35, image_size=32, seed=1))


def test_asking_for_a_missing_softmax_is_refused(graph: IntegerGraph) -> None:
    with pytest.raises(RequestError, match="ends in its logits"):
        written(with_head(graph, "logits"), head="softmax")


def test_the_file_is_little_larger_than_its_weights() -> None:
    graph = graphs.mobilenet("v2", alpha=0.35, image_size=96, stem_stride=2)
    for io in ("int8", "uint8", "float32"):
        assert len(written(graph, io=io)) <= 525_000
