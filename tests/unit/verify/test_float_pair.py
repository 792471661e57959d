"""Pairs with a float file: two float files agree within rounding; float and int8 do not."""

import dataclasses
from pathlib import Path

import graphs
import numpy as np
import onnx
import pytest
from float_onnx import float_onnx, quantised_by_ort
from known import known
from onnx import TensorProto, helper, numpy_helper

from mobiledeploy import reading
from mobiledeploy.base.errors import ConversionError, ParityError
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.network.network import Network
from mobiledeploy.targets import tflite
from mobiledeploy.verify import pair
from mobiledeploy.verify.outputs.int8_files import Options

NETWORK, RANGES = graphs.random_network(graphs.assorted())


def saved(folder: Path, name: str, model: onnx.ModelProto) -> Path:
    path = folder / f"{name}.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def changed(share: float) -> Network:
    """The network with one weight of its first layer changed."""
    stem = NETWORK.weights["stem"]
    kernel = stem.kernel.copy()
    kernel[0, 0, 0, 0] *= 1 + share
    weights = {**NETWORK.weights, "stem": dataclasses.replace(stem, kernel=kernel)}
    return dataclasses.replace(NETWORK, weights=weights)


def test_float_files_of_the_same_weights_hold_within_rounding(tmp_path: Path) -> None:
    first = saved(tmp_path, "first", float_onnx(NETWORK))
    second = saved(tmp_path, "second", float_onnx(changed(1e-6)))
    report = pair.verify(first, second, options=Options(level="full"))
    assert report.holds
    assert report.verdict.startswith("holds: float outputs agree within")
    assert [file.name for file in report.files] == ["first.onnx", "second.onnx"]
    assert report.warnings == ("no certificate: it is for int8 files",)
    assert not report.proven
    comparison = report.float_comparisons[0]
    assert report.sampled[0] == (
        f"outputs within {comparison.max_difference:.1e} of the largest on {comparison.images} "
        f"natural-looking images, the same class on {comparison.same_top1}"
    )


def test_float_files_of_other_weights_do_not_hold(tmp_path: Path) -> None:
    first = saved(tmp_path, "first", float_onnx(NETWORK))
    second = saved(tmp_path, "second", float_onnx(changed(3.0)))
    report = pair.verify(first, second)
    assert not report.holds
    worst = max(comparison.max_difference for comparison in report.float_comparisons)
    assert f"outputs differ by {report.float_comparisons[0].max_difference:.1e}" in report.verdict
    assert worst > 1e-3


def test_files_that_keep_only_their_logits_in_floats_are_compared(tmp_path: Path) -> None:
    file = quantised_by_ort(NETWORK, tmp_path, op_types_to_quantize=["Conv"])
    first, second = tmp_path / "first.onnx", tmp_path / "second.onnx"
    first.write_bytes(file)
    second.write_bytes(file)
    assert pair.verify(first, second).holds
    report = pair.verify(first, saved(tmp_path, "float", float_onnx(NETWORK)))
    assert not report.holds
    assert "first.onnx has int8 codes between its layers, but not as logits" in report.failures


def test_a_float_file_with_a_constant_output_proves_nothing(tmp_path: Path) -> None:
    model = float_onnx(NETWORK)
    for constant in model.graph.initializer:
        values = numpy_helper.to_array(constant)
        if values.dtype == np.float32 and values.ndim > 1:
            constant.CopyFrom(numpy_helper.from_array(np.zeros_like(values), constant.name))
    paths = [saved(tmp_path, name, model) for name in ("first", "second")]
    with pytest.raises(ParityError, match="the same output for every image"):
        pair.verify(*paths)


@pytest.mark.parametrize("float_first", [False, True])
def test_a_float_file_beside_an_int8_one_is_reported_as_a_float_file(
    float_first: bool, tmp_path: Path
) -> None:
    theirs = saved(tmp_path, "float", float_onnx(NETWORK))
    ours = tmp_path / "int8.tflite"
    ours.write_bytes(tflite.write(quantise(NETWORK, RANGES)))
    report = pair.verify(*((theirs, ours) if float_first else (ours, theirs)))
    assert not report.holds
    which = "first" if float_first else "second"
    assert f"the {which} file keeps" in known(report.structure).cause
    assert "the cost of quantising" in known(report.structure).cause
    assert report.divergence is None
    # Their differences, also from the oracle, are in the matrix.
    assert report.matrix[0].same_top1 > report.matrix[0].images // 2


@pytest.mark.parametrize("float_first", [False, True])
def test_a_float_file_of_another_network_is_not_blamed_on_quantising(
    float_first: bool, tmp_path: Path
) -> None:
    stranger, ranges = graphs.random_network(graphs.assorted(), seed=1)
    floats = saved(tmp_path, "float", float_onnx(NETWORK))
    ours = tmp_path / "int8.tflite"
    ours.write_bytes(tflite.write(quantise(stranger, ranges)))
    report = pair.verify(*((floats, ours) if float_first else (ours, floats)), samples=2)
    cause = known(report.structure).cause
    count = len(NETWORK.weights)
    assert cause.startswith(
        "the files do not hold the same network: the weights of "
        f"{count} of {count} layers have nothing in common"
    )
    assert "cost of quantising" not in cause


def test_weights_between_two_steps_are_not_the_same_weights(tmp_path: Path) -> None:
    floats = saved(tmp_path, "float", float_onnx(changed(1.0)))
    ours = tmp_path / "int8.tflite"
    ours.write_bytes(tflite.write(quantise(NETWORK, RANGES)))
    cause = known(pair.verify(ours, floats, samples=2).structure).cause
    assert f"the weights of 1 of {len(NETWORK.weights)} layers are close, but no" in cause
    assert "cost of quantising" not in cause


def test_each_files_oracle_is_compared_with_that_file_only(tmp_path: Path) -> None:
    wider = {name: (low * 1.2, high * 1.2) for name, (low, high) in RANGES.items()}
    paths = [tmp_path / "first.tflite", tmp_path / "second.tflite"]
    for path, ranges in zip(paths, (RANGES, wider), strict=True):
        path.write_bytes(tflite.write(quantise(NETWORK, ranges)))
    report = pair.verify(*paths)
    assert not report.holds
    assert not [failure for failure in report.failures if "oracle" in failure]
    assert "the files were quantised separately" in known(report.divergence).cause


def sixteen_bits() -> onnx.ModelProto:
    """A dense layer between converters of int16 codes."""
    scale = numpy_helper.from_array(np.float32(1e-4), "scale")
    zero = numpy_helper.from_array(np.int16(0), "zero")
    kernel = numpy_helper.from_array(np.ones((3, 4), np.float32), "kernel")
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["vector"]),
        helper.make_node("QuantizeLinear", ["vector", "scale", "zero"], ["codes"]),
        helper.make_node("DequantizeLinear", ["codes", "scale", "zero"], ["reals"]),
        helper.make_node("MatMul", ["reals", "kernel"], ["logits"]),
    ]
    ends = [
        helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 8, 8]),
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 4]),
    ]
    graph = helper.make_graph(nodes, "wide", ends[:1], ends[1:], [scale, zero, kernel])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])


def test_activations_of_sixteen_bits_are_refused_with_a_hint(
    tmp_path: Path,
) -> None:
    path = saved(tmp_path, "wide", sixteen_bits())
    with pytest.raises(ConversionError, match="expected activations of 8 bits") as refused:
        pair.verify(path, path)
    assert "int8" in known(refused.value.hint)


def test_how_weights_are_packed_is_inferred_from_operators() -> None:
    model = float_onnx(NETWORK)
    layers = reading.read_onnx(parse_onnx(model.SerializeToString()))
    assert (reading.arithmetic(layers), reading.packing(layers)) == ("floats", None)
    model.graph.node.insert(
        0,
        helper.make_node(
            "DynamicQuantizeLinear", [model.graph.input[0].name], ["codes", "scale", "zero"]
        ),
    )
    model.graph.node.insert(1, helper.make_node("Cast", ["codes"], ["image"], to=1))
    model.graph.node[2].input[0] = "image"
    layers = reading.read_onnx(parse_onnx(model.SerializeToString()))
    assert reading.arithmetic(layers) == "floats"
    assert reading.packing(layers) == "dynamic range"
