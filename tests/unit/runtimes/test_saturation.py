"""Saturation is found by running ONNX Runtime, not by reading the CPU's flags.

A CPU that saturates loads what others load, gives the same numbers, and says how.
"""

from typing import Any

import graphs
import numpy as np
import pytest

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.formats.onnx import edit, protobuf
from mobiledeploy.integer.certify import certify
from mobiledeploy.runtimes import ort, saturation
from mobiledeploy.targets import onnx


def test_the_saturation_probe_multiplies_the_largest_codes() -> None:
    from onnx import checker, load_from_string, numpy_helper

    model = load_from_string(saturation.PROBE)
    checker.check_model(model, full_check=True)
    (node,) = model.graph.node
    assert (node.op_type, list(node.input)) == ("MatMulInteger", ["a", "b"])
    weights = numpy_helper.to_array(model.graph.initializer[0])
    assert weights.dtype == np.int8
    assert weights.ravel().tolist() == [127] * saturation.PRODUCTS


class Session:
    """A runtime that returns a given sum."""

    total = 0

    def __init__(self, *_: object, **__: object) -> None:
        """Take any model."""

    def run(self, _: object, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        assert feeds["a"].dtype == np.uint8
        return [np.full((1, 1), self.total, np.int32)]


@pytest.mark.parametrize(("total", "expected"), [(129_540, False), (65_534, True)])
def test_a_sum_that_is_too_small_counts_as_saturated(
    total: int, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    monkeypatch.setattr(Session, "total", total)
    assert saturation.this_cpu_saturates.__wrapped__() is expected


@pytest.fixture
def model() -> bytes:
    graph = graphs.assorted_graph()
    return onnx.write(graph, certify(graph))


@pytest.fixture
def saturates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saturation, "this_cpu_saturates", lambda: True)


def with_shared_zero_points(model: bytes) -> bytes:
    """The file with one zero point shared by kernels of equal size, as tf2onnx writes it."""
    proto = protobuf.message(model)
    sizes = {tensor.name: tuple(tensor.dims) for tensor in proto.graph.initializer}
    first: dict[tuple[int, ...], str] = {}
    for node in proto.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0].endswith("/kernel"):
            node.input[2] = first.setdefault(sizes[node.input[2]], node.input[2])
    data: bytes = proto.SerializeToString()
    return data


def test_kernels_that_share_a_zero_point_get_one_each(model: bytes, saturates: None) -> None:
    shared = with_shared_zero_points(model)
    assert edit.with_own_zero_points(model) is None
    images = np.random.default_rng(0).integers(-128, 128, (4, 13, 10, 3)).astype(np.int8)
    own, copied = ort.load(model), ort.load(shared)
    assert own.runtime.endswith(f"(optimised, {saturation.OPTION})")
    assert copied.runtime.endswith(f"{saturation.OPTION}, with a zero point for each kernel)")
    assert own.options == copied.options == (saturation.OPTION,)
    np.testing.assert_array_equal(copied.run(images)[0], own.run(images)[0])


def test_a_file_that_cannot_load_with_the_option_runs_without_it_and_says_so(
    model: bytes, saturates: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = ort._create

    def refusing(data: bytes, options: Any) -> Any:
        try:
            options.get_session_config_entry(saturation.KEY)
        except RuntimeError:
            return create(data, options)
        raise CorruptFileError("no session with this option")

    monkeypatch.setattr(ort, "_create", refusing)
    session = ort.load(model)
    assert session.runtime.endswith(f"(optimised, {saturation.KEY} refused)")
    assert session.options == ()


@pytest.mark.parametrize("data", [b"", b"nothing", b"\x08\x08"])
def test_a_damaged_file_is_refused_on_a_saturating_cpu(data: bytes, saturates: None) -> None:
    with pytest.raises(CorruptFileError, match="ONNX Runtime cannot load the model"):
        ort.load(data)
