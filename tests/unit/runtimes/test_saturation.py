"""Whether products saturate is asked of ONNX Runtime, not of what a system says of its CPU."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from mobiledeploy.runtimes import saturation


def test_the_probe_multiplies_the_largest_codes() -> None:
    model = onnx.load_from_string(saturation.PROBE)
    onnx.checker.check_model(model, full_check=True)
    (node,) = model.graph.node
    assert (node.op_type, list(node.input)) == ("MatMulInteger", ["a", "b"])
    weights = numpy_helper.to_array(model.graph.initializer[0])
    assert weights.dtype == np.int8
    assert weights.ravel().tolist() == [127] * saturation.PRODUCTS


class Session:
    """A runtime with sums of its own."""

    total = 0

    def __init__(self, *_: object, **__: object) -> None:
        """Take any model."""

    def run(self, _: object, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        assert feeds["a"].dtype == np.uint8
        return [np.full((1, 1), self.total, np.int32)]


@pytest.mark.parametrize(("total", "expected"), [(129_540, False), (65_534, True)])
def test_a_sum_that_is_too_small_was_saturated(
    total: int, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    monkeypatch.setattr(Session, "total", total)
    assert saturation.this_cpu_saturates.__wrapped__() is expected
