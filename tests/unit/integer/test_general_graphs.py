"""Graphs of any shape: several readers, branches of their own widths, all ranks, all names."""

import dataclasses
from typing import Any

import graphs
import numpy as np
import numpy.typing as npt
import pytest

from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.integer import float_reference, oracle, tflite_reader
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.graph import IntegerGraph, digest, with_head
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.ops.add import Add
from mobiledeploy.ops.architecture import INPUT, Architecture, Layer
from mobiledeploy.ops.hard_swish import HardSwish
from mobiledeploy.ops.softmax import Softmax
from mobiledeploy.ops.tensors import QTensor
from mobiledeploy.report.int8_graph import graph_cost
from mobiledeploy.runtimes import litert, ort
from mobiledeploy.spec.config import Io
from mobiledeploy.targets import onnx, tflite

ODD_NAMES = ("t0", "c0", "model/gate:0", "input_uint8", "naïve: 1 x 1", "t0/kernel")
"""Those that writers make up themselves, and those of other tools."""
NAMES = ("wide", "slim", "gate", "gated", "swished", "joined")


def gated(names: tuple[str, ...] = NAMES) -> Architecture:
    """A squeeze-and-excite gate and a branch of another width; the stem is read three times."""
    wide, slim, gate, product, swished, joined = names

    def conv(name: str, source: str, ins: int, outs: int, **more: Any) -> Layer:
        return Layer(
            name=name, op="conv", inputs=(source,), in_channels=ins, out_channels=outs, **more
        )

    def plain(name: str, op: str, *inputs: str, ins: int, outs: int) -> Layer:
        return Layer(name=name, op=op, inputs=inputs, in_channels=ins, out_channels=outs)

    return Architecture(
        name="gated",
        input_shape=(8, 8, 3),
        layers=(
            conv(wide, INPUT, 3, 12, kernel=(3, 3), strides=(2, 2)),
            conv(slim, INPUT, 3, 5, kernel=(2, 2), strides=(2, 2)),
            conv(gate, wide, 12, 12, kernel=(4, 4), padding="valid", activation="relu6"),
            plain(product, "mul", wide, gate, ins=12, outs=12),
            plain(swished, "hard_swish", product, ins=12, outs=12),
            plain(joined, "add", swished, wide, ins=12, outs=12),
            conv("narrow", joined, 12, 5),
            plain("both", "add", "narrow", slim, ins=5, outs=5),
            plain("pool", "mean", "both", ins=5, outs=5),
            plain("logits", "dense", "pool", ins=5, outs=4),
            plain("scores", "softmax", "logits", ins=4, outs=4),
        ),
    )


def graph_of(architecture: Architecture) -> IntegerGraph:
    return quantise(*graphs.random_network(architecture))


@pytest.mark.parametrize("io", ["int8", "uint8", "float32"])
@pytest.mark.parametrize("names", [None, ODD_NAMES])
def test_both_runtimes_give_the_oracle_s_logits_of_a_branched_graph(
    io: Io, names: tuple[str, ...] | None
) -> None:
    graph = graph_of(gated(names) if names else gated())
    images = graphs.extremes(graph.input.shape)
    codes = oracle.run(graph, images)[graph.logits.name].astype(np.int64)
    grids = graph.input, graph.logits
    given: npt.NDArray[Any]
    expected: npt.NDArray[Any]
    match io:
        case "int8":
            given, expected = images, codes
        case "uint8":
            given, expected = (images.astype(np.int64) + 128).astype(np.uint8), codes + 128
        case _:
            source, logits = grids
            given = (images.astype(np.float32) - np.float32(source.zero_point)) * source.scale
            expected = (codes - logits.zero_point).astype(np.float32) * logits.scale
    certificates = certify(graph)
    for session in (
        litert.load(tflite.write(graph, io=io, head="logits")),
        ort.load(onnx.write(graph, certificates, io=io, head="logits")),
    ):
        np.testing.assert_array_equal(session.run(given)[0], expected)
        assert session.output_names == ("logits",)
    assert len(np.unique(codes, axis=0)) > 5


def test_tensor_names_may_hold_any_characters() -> None:
    graph = graph_of(gated(ODD_NAMES))
    back = tflite_reader.read_file(tflite.write(graph))
    assert list(back.tensors()) == list(graph.tensors())
    assert digest(back) == digest(graph) == digest(graph_of(gated()))


@pytest.mark.parametrize("shape", [(24,), (6, 8), (4, 5, 6), (2, 3, 4, 5)])
@pytest.mark.parametrize("io", ["int8", "uint8", "float32"])
def test_tensors_of_every_rank_survive_writing_and_reading(shape: tuple[int, ...], io: Io) -> None:
    def tensor(name: str, scale: float, zero: int) -> QTensor:
        return QTensor(name=name, shape=shape, scale=np.float32(scale), zero_point=zero)

    image, swished = tensor("image", 0.0617, -11), tensor("swished", 0.0293, -120)
    total = tensor("sum", 0.0831, -30)
    graph = IntegerGraph(
        name="ranks",
        input=image,
        nodes=(
            HardSwish(input="image", output=swished),
            Add(inputs=("swished", "image"), output=total),
        ),
    )
    images = np.random.default_rng(4).integers(-128, 128, (3, *shape)).astype(np.int8)
    codes = oracle.run(graph, images)["sum"]
    given, expected = {
        "int8": (images, codes),
        "uint8": (images.view(np.uint8) ^ 128, codes.view(np.uint8) ^ 128),
        "float32": (
            (images.astype(np.float32) + np.float32(11)) * image.scale,
            (codes.astype(np.float32) + np.float32(30)) * total.scale,
        ),
    }[io]
    for session in (
        litert.load(tflite.write(graph, io=io, head="logits")),
        ort.load(onnx.write(graph, certify(graph), io=io, head="logits")),
    ):
        np.testing.assert_array_equal(session.run(given)[0], expected)
    assert digest(tflite_reader.read_file(tflite.write(graph, io=io, head="logits"))) == digest(
        graph
    )


def test_removing_the_softmax_removes_nodes_that_only_it_needs() -> None:
    graph = graph_of(gated())
    *before, last = graph.nodes
    idle = dataclasses.replace(graph.tensors()["logits"], name="idle", scale=np.float32(1))
    assert isinstance(last, Softmax)
    odd = dataclasses.replace(graph, nodes=(*before, HardSwish(input="logits", output=idle), last))
    assert with_head(odd, "logits").output.name == "logits"
    assert digest(with_head(odd, "logits")) == digest(with_head(graph, "logits"))


def test_costs_count_every_layer_once() -> None:
    graph = graph_of(gated(ODD_NAMES))
    cost = graph_cost(graph)
    assert [line.layer for line in cost.layers] == [node.output.name for node in graph.nodes]
    lines = {line.layer: line for line in cost.layers}
    assert lines["model/gate:0"].macs == 4 * 4 * 12 * 12
    assert lines["input_uint8"].macs == lines["naïve: 1 x 1"].macs == 0
    # The image, the stem and the slim branch.
    assert lines["c0"].live_bytes == 8 * 8 * 3 + 4 * 4 * 12 + 4 * 4 * 5


def test_the_float_reference_follows_every_branch() -> None:
    network, ranges = graphs.random_network(gated())
    graph = quantise(network, ranges)
    image = np.random.default_rng(1).normal(0, 0.5, (1, 8, 8, 3)).astype(np.float32)
    values = float_reference.run(graph, image, float_reference.dequantised(graph))
    gate, wide = values["gate"], values["wide"]
    assert gate.shape == (1, 1, 1, 12)
    np.testing.assert_allclose(values["gated"], wide * gate, rtol=1e-6)


def test_inputs_of_unfitting_shapes_are_refused_by_name() -> None:
    with pytest.raises(RequestError, match="two layers are named `wide`"):
        gated(("wide", "wide", "gate", "gated", "swished", "joined"))
    layer = Layer(name="add", op="add", inputs=(INPUT,), in_channels=3, out_channels=3)
    for wrong, message in (
        ({"inputs": (INPUT, "nothing")}, "expects layers before it, received `nothing`"),
        ({"inputs": ()}, "received no input"),
        ({"in_channels": 4, "inputs": (INPUT, INPUT)}, "4 channels from `input`, received 3"),
        ({"out_channels": 4, "inputs": (INPUT, INPUT)}, "states 4 output channels, but gives 3"),
        ({"name": "", "inputs": (INPUT, INPUT)}, "has no name"),
        ({}, "expects 2 inputs, received 1"),
    ):  # fmt: skip
        with pytest.raises(RequestError, match=message):
            Architecture(
                name="odd", input_shape=(2, 2, 3), layers=(dataclasses.replace(layer, **wrong),)
            )
    with pytest.raises(RequestError, match="expected layers, received none"):
        Architecture(name="odd", input_shape=(2, 2, 3), layers=())
    with pytest.raises(RequestError, match="expected an input of 1 to 4 axes"):
        Architecture(name="odd", input_shape=(2, 2, 3, 4, 5), layers=(layer,))
    with pytest.raises(ConversionError, match="expected operators, received none"):
        dataclasses.replace(graph_of(gated()), nodes=())
