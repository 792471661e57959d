"""Every operator of the table is compared, proven and recomputed, without code for it here."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import graphs
import numpy as np
import pytest
from known import known

from mobiledeploy import reading
from mobiledeploy.compare.judge import judge
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.formats.tflite import parse
from mobiledeploy.integer.certify import certify
from mobiledeploy.ops import mul, table
from mobiledeploy.ops.capabilities import Sampled
from mobiledeploy.ops.each_pair import all_pairs
from mobiledeploy.ops.operator import Example, Operator
from mobiledeploy.reading import Reading, StoredLayer
from mobiledeploy.spec.config import Head
from mobiledeploy.targets import onnx, tflite
from mobiledeploy.verify.layers import recompute
from mobiledeploy.verify.proof import layer_proofs

EXAMPLES = [
    pytest.param(operator, example, id=f"{operator.LAYERS[0]}: {example.name}")
    for operator in table.OPERATORS
    for example in operator.examples()
]


def pair(example: Example) -> tuple[Reading, Reading]:
    """The example in a graph, as a `.tflite` and as an `.onnx`."""
    graph = graphs.around(example.node, example.inputs)
    head: Head = "softmax" if graph.logits != graph.output else "logits"
    return (
        reading.read_tflite(parse(tflite.write(graph, head=head))),
        reading.read_onnx(parse_onnx(onnx.write(graph, certify(graph), head=head))),
    )


def place(example: Example, layers: Sequence[StoredLayer]) -> int:
    """Return the proof of the example's layer."""
    return next(i for i, layer in enumerate(layers) if layer.name == example.node.output.name)


def nothing_is_run(*_: object) -> Any:
    raise AssertionError


@pytest.mark.parametrize(("operator", "example"), EXAMPLES)
def test_it_is_one_function_in_both_files_and_proven(
    operator: Operator[Any], example: Example
) -> None:
    judgement = judge(*pair(example))
    assert [(layer.first, layer.second) for layer in judgement.layers] == [
        (i, i) for i in range(len(judgement.layers))
    ]
    at = place(example, judgement.readings[0].layers)
    verdict = known(judgement.layers[at].verdict)
    assert verdict.equal, verdict
    if not isinstance(operator, Sampled):
        reasons = [()] * len(judgement.layers)
        proof = layer_proofs.prove(judgement, reasons, nothing_is_run)[at]
        assert proof.status == "proven", proof


@pytest.mark.parametrize(("operator", "example"), EXAMPLES)
def test_another_output_grid_is_another_function(
    operator: Operator[Any], example: Example
) -> None:
    first, second = pair(example)
    at = place(example, first.layers)
    layers = list(second.layers)
    if layers[at].table is None:
        scale = np.float32(0.97 * float(layers[at].output.scale or 0))
        grid = dataclasses.replace(layers[at].output, scale=scale)
        layers[at] = dataclasses.replace(layers[at], output=grid)
    else:
        layers[at] = dataclasses.replace(layers[at], table=known(layers[at].table)[..., ::-1])
    judgement = judge(first, dataclasses.replace(second, layers=tuple(layers)))
    assert not known(judgement.layers[at].verdict).equal
    if not isinstance(operator, Sampled):
        reasons = [()] * len(judgement.layers)
        proof = layer_proofs.prove(judgement, reasons, nothing_is_run)[at]
        assert proof.status == "not proven"
        assert proof.reasons


@pytest.mark.parametrize(("operator", "example"), EXAMPLES)
def test_its_codes_are_recomputed_for_both_files(
    operator: Operator[Any], example: Example
) -> None:
    random = np.random.default_rng(0)
    codes = [random.integers(-128, 128, (2, *one.shape)).astype(np.int8) for one in example.inputs]
    computed = operator.litert_codes(example.node, example.inputs, codes, kernel="x86")
    given = computed.astype(np.int16)
    allowed = operator.WITHIN if isinstance(operator, Sampled) else 0
    files = pair(example)
    at = place(example, files[0].layers)
    for file in files:
        layer = file.layers[at]
        inputs = [
            batch.reshape(len(batch), -1) if one.shape[:-1] == (1, 1) else batch
            for one, batch in zip(example.inputs, codes, strict=True)
        ]
        assert known(recompute.error(layer, file.format, inputs, given)) <= allowed
        off = given.copy()
        off.flat[0] += 3 if off.flat[0] < 0 else -3
        assert known(recompute.error(layer, file.format, inputs, off)) > allowed


def test_onnx_runtime_s_own_product_kernel_is_reproduced() -> None:
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    first, second = (codes + 128 for codes in all_pairs())
    names = ("a_scale", "a_zero", "b_scale", "b_zero", "scale", "zero")
    for trial in range(9):
        a, b = (np.float32(10**power) for power in random.uniform(-3, 0, 2))
        # Every third has products next to halves, and on them.
        scale = a * b * np.float32(2.0 ** (1 + trial % 3)) if trial % 3 else np.float32(0.011)
        zeros = [np.uint8(zero) for zero in random.integers(0, 256, 3)]
        values = (a, zeros[0], b, zeros[1], scale, zeros[2])
        node = helper.make_node(
            mul.QLINEAR, ["x", *names[:2], "y", *names[2:]], ["z"], domain="com.microsoft"
        )
        ends = {
            name: helper.make_tensor_value_info(name, TensorProto.UINT8, [first.size])
            for name in "xyz"
        }
        graph = helper.make_graph(
            [node],
            "product",
            [ends["x"], ends["y"]],
            [ends["z"]],
            [
                numpy_helper.from_array(np.asarray(v), n)
                for n, v in zip(names, values, strict=True)
            ],
        )
        opsets = [helper.make_opsetid("", 15), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        (received,) = ort_session(model.SerializeToString()).run(
            None, {"x": first.astype(np.uint8), "y": second.astype(np.uint8)}
        )
        products = (first - int(zeros[0])) * (second - int(zeros[1]))
        ratio = mul.multiplier(a, b, scale)
        by_kernel = [
            mul.ort_qlinear(products, ratio, int(zeros[2]) - 128, fused=fused)
            for fused in (False, True)
        ]
        assert any(np.array_equal(codes + 128, received) for codes in by_kernel)


def ort_session(model: bytes) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
