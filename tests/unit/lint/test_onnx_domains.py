"""Operator sets that a file imports next to ONNX's affect its oldest runtime."""

from pathlib import Path

import pytest
from onnx import helper
from unit.lint.onnx_forms import convolution

from mobiledeploy.lint.inspection import inspect_file

pytestmark = pytest.mark.usefixtures("without_children")


@pytest.mark.parametrize(
    ("ml", "kind", "minimum", "unknown"),
    [
        (2, None, "1.12", ()),
        (4, None, "1.17", ()),
        (5, None, "1.18", ()),
        (99, None, None, ("ai.onnx.ml 99",)),
        (2, "QLinearSigmoid", "1.17", ()),
        (2, "NewestOfAll", None, ("com.microsoft.NewestOfAll",)),
    ],
)
def test_imports_and_operators_of_other_domains_affect_the_minimum_runtime(
    tmp_path: Path, ml: int, kind: str | None, minimum: str | None, unknown: tuple[str, ...]
) -> None:
    model = convolution()
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", ml))
    if kind is not None:
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
        grids = ["scale", "zero", "scale", "zero"]
        node = helper.make_node(kind, ["result", *grids], ["more"], domain="com.microsoft")
        model.graph.node.append(node)
        model.graph.output[0].name = "more"
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    needs = inspect_file(path).runtime
    assert (needs.minimum, needs.unknown) == (minimum, unknown)
