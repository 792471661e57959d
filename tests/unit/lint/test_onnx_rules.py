"""An `.onnx` that breaks one rule is reported with that rule's id, and with no other."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from unit.lint.onnx_faults import ALSO, FAULTS, File
from unit.lint.onnx_forms import convolution, dynamic, on_codes

from mobiledeploy.lint.inspection import inspect_file

Ids = Callable[[bytes], set[str]]
CLEAN = {"MD410"}
"""A fact about every file of uint8 activations and int8 weights."""


def test_the_clean_file_breaks_no_rule(clean_onnx: bytes, ids: Ids) -> None:
    assert ids(clean_onnx) == CLEAN


@pytest.mark.parametrize("rule", FAULTS)
def test_a_file_that_breaks_one_rule_is_reported_with_its_id(
    rule: str, clean_onnx: bytes, ids: Ids
) -> None:
    file = File(clean_onnx)
    FAULTS[rule](file)
    assert ids(file.bytes()) == CLEAN | {rule} | ALSO.get(rule, set())


def test_a_dynamically_quantised_file_is_not_reported_as_float(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(dynamic().SerializeToString())
    report = inspect_file(path)
    assert report.kind == "float, quantised weights"
    assert report.macs == 6 * 6 * 6 * 5 * 3 * 3


def test_int16_zero_points_are_not_counted_as_weights(ids: Ids) -> None:
    model = convolution(activations=np.int16)
    model.opset_import[0].version = 21
    assert "MD109" not in ids(model.SerializeToString())


@pytest.mark.parametrize(
    ("model", "rules"),
    [
        (dynamic(), {"MD110"}),
        (convolution(), {"MD410"}),
        (convolution(activations=np.int8), {"MD404"}),
        (convolution(weights=np.uint8), {"MD405"}),
        (convolution(float_weights=True), {"MD408"}),
        (on_codes(), {"MD409", "MD410"}),
    ],
    ids=["dynamic", "clean", "int8 activations", "uint8 weights", "float weights", "on codes"],
)
def test_other_tools_forms_break_exactly_these_rules(
    model: Any, rules: set[str], ids: Ids
) -> None:
    assert ids(model.SerializeToString()) == rules
