"""Any sequence of paddings and pools behind a table is one function in both of our files."""

from typing import Any

import comparing
import onnx
import product_networks
import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from known import known
from onnx import numpy_helper
from unit.verify.proofs import proofs

from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.ops.architecture import INPUT, Architecture, Layer
from mobiledeploy.pipeline.integer_graph import graph_of
from mobiledeploy.targets import tflite as tflite_target

SIZE, CHANNELS = 9, 4
OPERATORS = ("leaky_relu", "pad", "valid", "same", "max_pool")


def layer(name: str, op: str, source: str, **more: Any) -> Layer:
    channels = 3 if source == INPUT else CHANNELS
    return Layer(
        name=name, op=op, inputs=(source,), in_channels=channels, out_channels=CHANNELS, **more
    )


def architecture(middle: list[str], *, ends_in: str) -> Architecture:
    """A convolution, a table, what is in the middle, and the classifier."""
    layers = [layer("stem", "conv", INPUT, kernel=(1, 1))]
    layers.append(layer("table", "leaky_relu", "stem", parameters={"alpha": 0.25}))
    for number, op in enumerate(middle):
        name, before = f"{op} {number}", layers[-1].name
        match op:
            case "leaky_relu":
                layers.append(layer(name, op, before, parameters={"alpha": 0.125}))
            case "pad":
                layers.append(layer(name, op, before, parameters={"pads": (1, 1, 1, 1)}))
            case "valid" | "same":
                layers.append(layer(name, "average_pool", before, kernel=(3, 3), padding=op))
            case "max_pool":
                layers.append(layer(name, op, before, kernel=(3, 3), padding="valid"))
            case _:
                raise ValueError(op)
    if ends_in == "conv":
        layers.append(layer("narrow", "conv", layers[-1].name, kernel=(1, 1)))
    layers.append(layer("mean", "mean", layers[-1].name))
    layers.append(layer("logits", "dense", "mean"))
    return Architecture(name="pools", input_shape=(SIZE, SIZE, 3), layers=tuple(layers))


def with_another_number(data: bytes, layer: str) -> bytes:
    """The `.onnx` whose padding has another border, or whose pool another kernel."""
    model = onnx.load_from_string(data)
    place = 2 if layer.startswith("pad") else 1
    writers = {output: node for node in model.graph.node for output in node.output}
    node = writers[layer]
    while node.op_type not in {"Pad", "Conv"}:
        node = writers[node.input[0]]
    if node.op_type == "Conv":
        node, place = writers[node.input[place]], 0
    (constant,) = (one for one in model.graph.initializer if one.name == node.input[place])
    values = numpy_helper.to_array(constant).copy()
    values.ravel()[:1] += 1
    # Another layer may have the same constant.
    model.graph.initializer.append(numpy_helper.from_array(values, "another number"))
    node.input[place] = "another number"
    changed: bytes = model.SerializeToString()
    return changed


def expect_one_function(files: tuple[bytes, bytes]) -> None:
    first, second = product_networks.readings(*files)
    for one, other in ((first, second), (second, first), (second, second)):
        report = comparing.compare(one, other)
        assert report.same, report.cause
    assert {proof.status for proof in proofs(*files).values()} == {"proven"}


MIDDLES = (
    ["pad", "valid"],
    ["pad", "valid", "leaky_relu"],
    ["same", "leaky_relu"],
    ["pad", "max_pool", "same"],
    ["max_pool", "pad", "pad", "valid", "same"],
)


@pytest.mark.parametrize("middle", MIDDLES, ids=" ".join)
def test_pools_of_a_table_that_only_a_mean_reads(middle: list[str]) -> None:
    files = product_networks.written(architecture(middle, ends_in="mean"))
    expect_one_function(files)
    _, second = product_networks.readings(*files)
    unstated = {one.kind for one in second.layers if one.output.unstated}
    assert {"table", "average_pool"} <= unstated
    # What `convert` makes of the `.onnx` has these pools, on the grid of what reads them.
    graph = known(graph_of(second).graph)
    back = tflite_target.write(graph, io="int8", head="logits")
    report = comparing.compare(*product_networks.readings(back, files[1]))
    assert report.same, report.cause


@pytest.mark.parametrize("name", ["pad 0", "valid 1"])
@pytest.mark.parametrize("ends_in", ["mean", "conv"])
def test_another_number_is_found(name: str, ends_in: str) -> None:
    first, second = product_networks.written(architecture(["pad", "valid"], ends_in=ends_in))
    broken = with_another_number(second, name)
    report = comparing.compare(*product_networks.readings(first, broken))
    # With other weights `valid 1` is no pool, but a convolution that states a grid for `pad 0`,
    # which it reads.
    assert known(report.first).layer == "pad 0", report.cause
    assert not report.same
    assert proofs(first, broken)[name].status == "not proven"


@settings(max_examples=15)
@given(
    st.lists(st.sampled_from(OPERATORS), min_size=1, max_size=5),
    st.sampled_from(["mean", "conv"]),
    st.integers(0, 2**16),
)
def test_any_pools_of_a_table_are_one_function(middle: list[str], ends_in: str, seed: int) -> None:
    try:
        files = product_networks.written(architecture(middle, ends_in=ends_in), seed=seed)
    except (ConversionError, RequestError):
        assume(False)
    event(f"average pools: {sum(op in {'valid', 'same'} for op in middle)}")
    expect_one_function(files)
