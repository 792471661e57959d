"""A CPU that saturates loads what others load, gives the same numbers, and says how."""

from typing import Any

import graphs
import numpy as np
import pytest

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.formats.onnx import parse
from mobiledeploy.integer.certify import certify
from mobiledeploy.runtimes import ort, precision
from mobiledeploy.targets import onnx


@pytest.fixture
def model() -> bytes:
    graph = graphs.assorted_graph()
    return onnx.write(graph, certify(graph))


@pytest.fixture
def saturates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ort, "this_cpu_saturates", lambda: True)


def with_shared_zero_points(model: bytes) -> bytes:
    """The same file with one zero point for kernels of as many channels, as tf2onnx writes it."""
    proto = parse(model).proto
    sizes = {tensor.name: tuple(tensor.dims) for tensor in proto.graph.initializer}
    first: dict[tuple[int, ...], str] = {}
    for node in proto.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0].endswith("/kernel"):
            node.input[2] = first.setdefault(sizes[node.input[2]], node.input[2])
    return proto.SerializeToString()


def test_a_zero_point_that_kernels_share_is_taken_apart(model: bytes, saturates: None) -> None:
    shared = with_shared_zero_points(model)
    assert precision.with_own_zero_points(model) is None
    images = np.random.default_rng(0).integers(-128, 128, (4, 13, 10, 3)).astype(np.int8)
    own, apart = ort.load(model), ort.load(shared)
    assert own.runtime.endswith(f"(optimised, {precision.OPTION}=1)")
    assert apart.runtime.endswith(f"{precision.OPTION}=1, with a zero point for each kernel)")
    np.testing.assert_array_equal(apart.run(images)[0], own.run(images)[0])


def test_a_file_that_refuses_the_option_is_run_without_it_and_says_so(
    model: bytes, saturates: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = ort._create

    def refusing(data: bytes, options: Any) -> Any:
        try:
            options.get_session_config_entry(precision.OPTION)
        except RuntimeError:
            return create(data, options)
        raise CorruptFileError("no session with this option")

    monkeypatch.setattr(ort, "_create", refusing)
    assert ort.load(model).runtime.endswith(f"(optimised, {precision.OPTION} refused)")


@pytest.mark.parametrize("data", [b"", b"nothing", b"\x08\x08"])
def test_a_damaged_file_is_refused_on_such_a_cpu_too(data: bytes, saturates: None) -> None:
    with pytest.raises(CorruptFileError, match="ONNX Runtime cannot load the model"):
        ort.load(data)
