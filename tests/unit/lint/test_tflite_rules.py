"""A `.tflite` that breaks one rule is reported with that rule's id, and with no other."""

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from graphs import assorted_graph
from tflite_editor import TfliteFile
from unit.formats.tflite.test_buffers import moved_out
from unit.lint.tflite_faults import ALSO, FAULTS, hybrid, lowest_code, scales, variable, versions

from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.lint.inspection import inspect_file
from mobiledeploy.targets import tflite


def test_the_clean_file_breaks_no_rule(clean_tflite: bytes, ids: Callable[..., set[str]]) -> None:
    assert ids(clean_tflite) == set()
    assert ids(TfliteFile(clean_tflite).bytes()) == set()


@pytest.mark.parametrize("rule", FAULTS)
def test_a_file_that_breaks_one_rule_is_reported_with_its_id(
    rule: str, clean_tflite: bytes, ids: Callable[..., set[str]]
) -> None:
    file = TfliteFile(clean_tflite)
    FAULTS[rule](file)
    assert ids(file.bytes()) == {rule} | ALSO.get(rule, set())


@pytest.mark.parametrize(
    ("scale", "zero", "usual"),
    [
        (1 / 128, 0, True),
        (2 / 255, -1, True),
        (1 / 127, 0, True),  # -1..1, or 0..1 without a zero point
        (1 / 255, -128, True),
        (0.985 / 255, -128, True),  # the brightest pixel of calibration was 251
        (1.0, -128, True),
        (1.0, 0, True),  # pixel - 128
        (0.0186584, -14, True),  # ImageNet's mean and std
        (2.64 / 127, 0, True),  # likewise without a zero point
        (1.0774, -13, True),  # Caffe's means
        (0.5 / 255, -128, False),
        (4 / 255, -1, False),
        (1 / 255, 0, False),
        (2.0, -128, False),
    ],
)
def test_an_input_range_is_reported_unless_a_usual_preprocessing_gives_it(
    scale: float, zero: int, usual: bool, clean_tflite: bytes, ids: Callable[..., set[str]]
) -> None:
    file = TfliteFile(clean_tflite)
    grid = file.grid("input")
    grid.scale, grid.zeroPoint = [scale], [zero]
    assert ("MD211" in ids(file.bytes())) != usual


def test_variables_that_the_file_assigns_are_no_finding(
    clean_tflite: bytes, ids: Callable[..., set[str]]
) -> None:
    file = TfliteFile(clean_tflite)
    variable(file)
    file.add_operator(1, "ASSIGN_VARIABLE", [file.index("handle"), file.index("stem/bias")], [])
    assert "MD015" not in ids(file.bytes())


def test_a_range_beyond_the_activation_has_dead_codes(ids: Callable[..., set[str]]) -> None:
    assert ids(tflite.write(assorted_graph())) == {"MD201"}


def test_a_dense_layer_per_channel_is_reported_unless_old_runtimes_refuse_it(
    clean_tflite: bytes, graph: IntegerGraph, ids: Callable[..., set[str]]
) -> None:
    file = TfliteFile(clean_tflite)
    for name in ("logits/kernel", "logits/bias"):
        scales(file.grid(name), np.full(5, file.grid(name).scale[0]))
    file.claim("2.10.0")
    assert ids(file.bytes()) == {"MD303"}
    (dense,) = (
        code
        for code in file.model.operatorCodes
        if code.builtinCode == schema.BuiltinOperator.FULLY_CONNECTED
    )
    dense.version = 12
    file.claim("2.17.0")
    assert ids(file.bytes()) == set()


def test_weights_behind_the_flatbuffer_are_read_and_named(
    clean_tflite: bytes, ids: Callable[..., set[str]]
) -> None:
    file = TfliteFile(clean_tflite)
    file.claim("2.14.0")
    lowest_code(file)
    assert ids(moved_out(file.bytes())) == {"MD013", "MD102"}
    file.claim("1.14.0")
    assert ids(moved_out(file.bytes())) == {"MD013", "MD102", "MD302"}


@pytest.mark.parametrize(
    ("weights", "dense", "minimum", "broken"),
    [
        (None, 1, "2.4", {"MD110", "MD302", "MD306"}),
        ("INT4", 3, None, {"MD109", "MD110", "MD302", "MD304", "MD306"}),
        ("INT2", 3, None, {"MD109", "MD110", "MD302", "MD304", "MD306"}),
    ],
)
def test_operator_versions_must_support_the_types_of_the_weights(
    tmp_path: Path,
    clean_tflite: bytes,
    weights: str | None,
    dense: int,
    minimum: str | None,
    broken: set[str],
) -> None:
    """As some quantisers write files: new weights under the versions of the float operators."""
    file = TfliteFile(clean_tflite)
    hybrid(file)
    versions(file, "1.6.0", CONV_2D=1, DEPTHWISE_CONV_2D=1, FULLY_CONNECTED=dense)
    if weights is not None:
        share = 8 // int(weights[-1])
        kernel = file.tensor("wide/kernel")
        kernel.type = getattr(schema.TensorType, weights)
        file.overwrite("wide/kernel", np.array(file.values("wide/kernel")[: -(-816 // share)]))
    path = tmp_path / "model.tflite"
    path.write_bytes(file.bytes())
    report = inspect_file(path)
    assert report.runtime.minimum == minimum
    assert {finding.rule for finding in report.findings} == broken
    if weights is not None:
        assert report.runtime.unknown == (
            f"CONV_2D with {weights.lower()} weights, float32 input",
        )


def test_block_scales_count_neither_as_unused_tensors_nor_as_weights(
    tmp_path: Path, clean_tflite: bytes
) -> None:
    file = TfliteFile(clean_tflite)
    hybrid(file)
    kernel = file.tensor("logits/kernel")
    scale = copy.deepcopy(kernel)
    scale.name, scale.type, scale.shape = b"scales", schema.TensorType.FLOAT16, [5, 1]
    scale.quantization = None
    file.store(scale, np.ones(5, np.float16))
    file.graph.tensors.append(scale)
    blocks = schema.BlockwiseQuantizationT()
    blocks.scales, blocks.zeroPoints, blocks.blockSize = len(file.graph.tensors) - 1, -1, 32
    kernel.quantization = schema.QuantizationParametersT()
    kernel.quantization.detailsType = schema.QuantizationDetails.BlockwiseQuantization
    kernel.quantization.details = blocks
    path = tmp_path / "model.tflite"
    path.write_bytes(file.bytes())
    report = inspect_file(path)
    assert report.kind == "float, quantised weights"
    assert report.runtime.unknown == (
        "FULLY_CONNECTED with int8 weights in blocks, float32 input",
    )
    assert {finding.rule for finding in report.findings} == {"MD110", "MD304"}
    (hybrids,) = (finding for finding in report.findings if finding.rule == "MD110")
    assert any("logits" in place.where for place in hybrids.places)
