"""A certificate rests on the files' own integers: a wrong one leaves its layer unproven."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import graphs
import numpy as np
import pytest
from unit.verify.proofs import certificate_of, proofs

from mobiledeploy.base import codec
from mobiledeploy.base.errors import RequestError
from mobiledeploy.compare.judge import judge
from mobiledeploy.formats.tflite import parse
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.ops.add import Add
from mobiledeploy.ops.architecture import INPUT, Architecture, Layer
from mobiledeploy.ops.conv import Conv
from mobiledeploy.ops.dense import Dense
from mobiledeploy.ops.mean import Mean
from mobiledeploy.ops.node import Node
from mobiledeploy.ops.weights import QWeights
from mobiledeploy.reading import read_tflite
from mobiledeploy.runtimes import saturation
from mobiledeploy.targets import onnx, tflite
from mobiledeploy.verify.proof import layer_proofs
from mobiledeploy.verify.report import FilesCertificate

SCHEMA = Path(__file__).parents[3] / "docs" / "schemas" / "certificate.schema.json"


@pytest.fixture(scope="module")
def graph() -> IntegerGraph:
    return graphs.assorted_graph()


@pytest.fixture(scope="module")
def files(graph: IntegerGraph) -> tuple[bytes, bytes]:
    return tflite.write(graph), onnx.write(graph, certify(graph))


@pytest.fixture(scope="module")
def certified(files: tuple[bytes, bytes]) -> FilesCertificate:
    return certificate_of(*files, threads=2)


def unproven(first: bytes, second: bytes) -> set[str]:
    by_layer = proofs(first, second)
    assert all(proof.reasons for proof in by_layer.values() if proof.status == "not proven")
    return {name for name, proof in by_layer.items() if proof.status == "not proven"}


def test_files_of_one_graph_are_certified(
    graph: IntegerGraph, certified: FilesCertificate, files: tuple[bytes, bytes]
) -> None:
    assert certified.holds
    assert certified.verdict == (
        "8 layers are proven to be the same function in both files; the softmax is sampled"
    )
    assert [proof.layer for proof in certified.layers] == [n.output.name for n in graph.nodes]
    methods = {proof.layer: (proof.status, proof.method) for proof in certified.layers}
    for node in graph.nodes[:-1]:
        method = "enumeration" if isinstance(node, Add | Mean) else "structure"
        assert methods[node.output.name] == ("proven", method)
    assert methods["scores"] == ("sampled", "samples")
    cases = {proof.layer: proof.cases for proof in certified.layers}
    assert cases["sum"] == 65536
    height, width, _ = graph.tensors()["wide"].shape
    assert cases["pool"] == 255 * height * width + 1
    assert [file.size for file in certified.files] == [len(data) for data in files]
    assert [check.holds for check in certified.checks] == [True] * 8


def test_the_certificate_is_json_as_its_schema_says(certified: FilesCertificate) -> None:
    import jsonschema

    text = codec.to_json(certified)
    jsonschema.validate(json.loads(text), json.loads(SCHEMA.read_text()))
    assert codec.from_json(FilesCertificate, text, where="certificate.json") == certified


def test_the_report_s_schema_holds_the_certificate_s() -> None:
    own = json.loads(SCHEMA.read_text())
    report = json.loads(SCHEMA.with_name("verify.schema.json").read_text())
    del own["$schema"]
    assert report["$defs"]["certificate"] == own


def test_what_was_only_sampled_is_stated(certified: FilesCertificate) -> None:
    said = " ".join(certified.sampled)
    for part in ("`scores`", "8 tensors", "1, 2, 4 threads", "this CPU only"):
        assert part in said


def changed(graph: IntegerGraph, name: str, change: Callable[[Node], Node]) -> IntegerGraph:
    nodes = [change(node) if node.output.name == name else node for node in graph.nodes]
    return dataclasses.replace(graph, nodes=tuple(nodes))


def weights_changed(node: Node, **fields: Any) -> Node:
    assert isinstance(node, Conv | Dense)
    return dataclasses.replace(node, weights=dataclasses.replace(node.weights, **fields))


def one_weight(node: Any) -> Node:
    kernel = node.weights.kernel.copy()
    place = np.unravel_index(np.abs(kernel).argmin(), kernel.shape)
    kernel[place] += 1
    return weights_changed(node, kernel=kernel)


def one_bias(node: Any) -> Node:
    bias = node.weights.bias.copy()
    bias[-1] += 1
    return weights_changed(node, bias=bias)


def one_scale(node: Any) -> Node:
    quantised: QWeights = node.weights
    scale, bias_scale = quantised.kernel_scale.copy(), quantised.bias_scale.copy()
    scale[-1] *= np.float32(1.01)
    bias_scale[-1] *= np.float32(1.01)
    return weights_changed(node, kernel_scale=scale, bias_scale=bias_scale)


@pytest.mark.parametrize("fault", [one_weight, one_bias, one_scale])
@pytest.mark.parametrize("name", ["stem", "spread", "narrow", "shrink", "wide", "logits"])
def test_one_changed_number_of_a_tflite_s_weights_leaves_the_layer_unproven(
    graph: IntegerGraph, files: tuple[bytes, bytes], name: str, fault: Callable[[Node], Node]
) -> None:
    assert unproven(tflite.write(changed(graph, name, fault)), files[1]) == {name}


@pytest.mark.parametrize("name", ["stem", "spread", "narrow", "shrink", "wide", "sum", "pool"])
def test_a_changed_zero_point_leaves_writer_and_readers_unproven(
    graph: IntegerGraph, files: tuple[bytes, bytes], name: str
) -> None:
    def move(node: Any) -> Any:
        out = node.output
        zero = out.zero_point + (1 if out.zero_point < 0 else -1)
        return dataclasses.replace(node, output=dataclasses.replace(out, zero_point=zero))

    without_proof = unproven(tflite.write(changed(graph, name, move)), files[1])
    readers = {node.output.name for node in graph.nodes if name in node.inputs}
    assert without_proof == {name} | readers


def test_a_missing_activation_leaves_the_layer_unproven(
    graph: IntegerGraph, files: tuple[bytes, bytes]
) -> None:
    bare = changed(
        graph, "spread", lambda node: dataclasses.replace(as_conv(node), activation="none")
    )
    assert unproven(tflite.write(bare), files[1]) == {"spread"}


def as_conv(node: Node) -> Conv:
    assert isinstance(node, Conv)
    return node


def node_writing(model: Any, name: str) -> Any:
    return next(node for node in model.graph.node if name in node.output)


def with_input(data: bytes, name: str, place: int, change: Callable[[Any], Any]) -> bytes:
    """The file with one number changed that only one node reads."""
    from onnx import ModelProto, numpy_helper

    model = ModelProto.FromString(data)
    node = node_writing(model, name)
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    value = change(numpy_helper.to_array(constants[node.input[place]]))
    node.input[place] = "changed"
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), "changed"))
    data = model.SerializeToString()
    assert isinstance(data, bytes)
    return data


def source_of(data: bytes, name: str, steps: tuple[int, ...]) -> str:
    """The tensor that is reached from another one by going back this many inputs."""
    from onnx import ModelProto

    model = ModelProto.FromString(data)
    for step in steps:
        name = node_writing(model, name).input[step]
    return name


@pytest.mark.parametrize(("layer", "operand"), [("sum", 0), ("sum", 1)])
def test_one_per_cent_on_an_operand_s_scale_leaves_the_addition_unproven(
    files: tuple[bytes, bytes], layer: str, operand: int
) -> None:
    read = source_of(files[1], layer, (0, operand))
    assert unproven(files[0], with_input(files[1], read, 1, lambda s: s * np.float32(1.01))) == {
        layer
    }


def test_one_per_cent_on_the_scale_of_a_mean_leaves_it_unproven(
    graph: IntegerGraph, files: tuple[bytes, bytes]
) -> None:
    pooled = source_of(files[1], "pool", (0,))
    read = source_of(files[1], pooled, (0, 0))
    assert unproven(files[0], with_input(files[1], read, 1, lambda s: s * np.float32(1.01))) == {
        "pool"
    }


def test_one_per_cent_on_the_logits_scale_fails_the_softmax_samples(
    graph: IntegerGraph, files: tuple[bytes, bytes]
) -> None:
    from onnx import ModelProto

    model = ModelProto.FromString(files[1])
    soft = next(node for node in model.graph.node if node.op_type == "Softmax")
    broken = with_input(files[1], soft.input[0], 1, lambda s: s * np.float32(1.01))
    assert unproven(files[0], broken) == {"scores"}


def test_other_padding_leaves_the_layer_unproven(files: tuple[bytes, bytes]) -> None:
    from onnx import ModelProto

    model = ModelProto.FromString(files[1])
    conv = next(n for n in model.graph.node if n.op_type == "Conv")
    pads = next(a for a in conv.attribute if a.name == "pads")
    before = list(pads.ints)
    del pads.ints[:]
    pads.ints.extend([before[2], before[3], before[0], before[1]])
    assert before != list(pads.ints)
    assert unproven(files[0], model.SerializeToString()) == {"stem"}


def test_multipliers_that_differ_in_the_last_place_are_compared_on_every_sum(
    graph: IntegerGraph, files: tuple[bytes, bytes]
) -> None:
    def nudge(node: Any) -> Node:
        scale = node.weights.kernel_scale.copy()
        scale[0] = np.nextafter(scale[0], np.float32(1))
        return weights_changed(node, kernel_scale=scale)

    proof = proofs(tflite.write(changed(graph, "spread", nudge)), files[1])["spread"]
    assert proof.status == "proven"
    assert proof.method == "enumeration"
    assert "1 of 8 float32 multipliers differ" in proof.statement
    assert proof.cases > 10_000


def test_layers_of_one_file_only_are_not_proven(graph: IntegerGraph) -> None:
    first = tflite.write(graph)
    second = onnx.write(graph, certify(graph), head="logits")
    assert unproven(first, second) == {"scores"}


def test_operands_from_other_layers_are_not_proven(files: tuple[bytes, bytes]) -> None:
    from onnx import ModelProto

    model = ModelProto.FromString(files[1])
    name = source_of(files[1], "sum", (0, 0))
    node_writing(model, name).input[0] = "narrow"
    by_layer = proofs(files[0], model.SerializeToString())
    assert by_layer["sum"].status == "not proven"
    assert "it reads another layer" in by_layer["sum"].reasons


def test_kernels_that_a_runtime_does_not_take_are_not_proven(graph: IntegerGraph) -> None:
    """An addition on int8, around which ONNX Runtime fuses nothing: it computes in floats."""
    from onnx import ModelProto

    data = onnx.write(graph, certify(graph))
    model = ModelProto.FromString(data)
    name = source_of(data, "narrow", (0,))
    clip = node_writing(model, name)
    # A second reader of the real values keeps the pair from being fused.
    extra = model.graph.output.add()
    extra.name = clip.output[0]
    extra.type.tensor_type.elem_type = 1
    certificate = certificate_of(tflite.write(graph), model.SerializeToString())
    assert not certificate.holds
    reasons = {p.layer: p.reasons for p in certificate.layers if p.status == "not proven"}
    assert list(reasons) == ["narrow"]
    assert "ONNX Runtime fuses it into no integer kernel" in reasons["narrow"][0]


def test_only_a_tflite_and_an_onnx_can_be_certified(files: tuple[bytes, bytes]) -> None:
    with pytest.raises(RequestError, match=r"expected a \.tflite and an \.onnx"):
        certificate_of(files[1], files[0])


def nothing_is_run(*_: object) -> Any:
    raise AssertionError


def test_a_mean_that_arm64_rounds_differently_is_not_proven() -> None:
    # Found by search: one of 5,101 sums gets another code if multiply and add are fused.
    scales = np.float32(0.14580388), np.float32(0.061909873)
    graph = graphs.mean((4, 5), scales, (-85, -97))
    first = read_tflite(parse(tflite.write(graph, head="logits")))
    second = dataclasses.replace(
        first,
        format="onnx",
        layers=(dataclasses.replace(first.layers[0], op="GlobalAveragePool"),),
    )
    (proof,) = layer_proofs.prove(judge(first, second), [()], nothing_is_run)
    assert proof.reasons == ("1 of all 5,101 sums of codes are rounded otherwise by some kernel",)


def test_the_certificate_excludes_programs_whose_products_saturate(
    certified: FilesCertificate,
) -> None:
    assert any(f"without {saturation.OPTION}" in text for text in certified.sampled)


def test_the_softmax_s_distance_is_counted_on_both_runtimes(certified: FilesCertificate) -> None:
    (proof,) = [p for p in certified.layers if p.layer == "scores"]
    assert proof.cases > 1000
    assert "LiteRT by at most" in proof.statement


def test_a_first_layer_over_four_pixels_is_proven_unless_a_copy_of_its_weights_differs() -> None:
    from onnx import ModelProto, numpy_helper

    graph = graphs.mobilenet("v2", alpha=0.35, image_size=32, stem_stride=2)
    first, second = tflite.write(graph), onnx.write(graph, certify(graph))
    by_layer = proofs(first, second)
    assert {name for name, p in by_layer.items() if p.status != "proven"} == {graph.output.name}
    model = ModelProto.FromString(second)
    stem = graph.nodes[0].output.name
    kernel = next(t for t in model.graph.initializer if t.name == f"{stem}/kernel")
    values = numpy_helper.to_array(kernel).copy()
    assert len(values) == 2 * graph.nodes[0].output.shape[-1]
    values[-1, -4, 1, 0] ^= 1  # of the second copy of the last channel
    kernel.CopyFrom(numpy_helper.from_array(values, kernel.name))
    assert unproven(first, model.SerializeToString()) == {stem}


def gated() -> IntegerGraph:
    """Products of images, and of channels with an image, around a hard swish."""

    def layer(name: str, op: str, *inputs: str, channels: int = 8, **more: Any) -> Layer:
        given = {"in_channels": 8, **more}
        return Layer(name=name, op=op, inputs=inputs, out_channels=channels, **given)

    layers = (
        layer("left", "conv", INPUT, in_channels=3, kernel=(3, 3)),
        layer("right", "conv", INPUT, in_channels=3, kernel=(3, 3)),
        layer("product", "mul", "left", "right"),
        layer("swished", "hard_swish", "product"),
        layer("gate", "conv", "swished", kernel=(8, 6), padding="valid"),
        layer("gated", "mul", "swished", "gate"),
        layer("pool", "mean", "gated"),
        layer("logits", "dense", "pool", channels=4),
        layer("scores", "softmax", "logits", channels=4, in_channels=4),
    )
    network, ranges = graphs.random_network(
        Architecture(name="gated", input_shape=(8, 6, 3), layers=layers)
    )
    return quantise(network, ranges)


def test_files_with_products_and_hard_swishes_are_certified() -> None:
    graph = gated()
    first, second = tflite.write(graph), onnx.write(graph, certify(graph))
    certificate = certificate_of(first, second)
    assert certificate.holds, certificate.verdict
    assert certificate.verdict.startswith("8 layers are proven")
    methods = {proof.kind: proof.method for proof in certificate.layers}
    assert methods["mul"] == methods["hard_swish"] == "enumeration"
    tried = {check.name: check.cases for check in certificate.checks}
    assert tried["every multiplication, on its own"] == 2 * 2**16
    assert tried["every hard swish, on its own"] == 2**8
