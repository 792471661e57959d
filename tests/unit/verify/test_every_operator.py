"""Every operator of the table is compared, proven and recomputed, with no line of its own here."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from known import known

from mobiledeploy.compare.judge import judge
from mobiledeploy.ops import conv, mul, table
from mobiledeploy.ops.activation import clamp
from mobiledeploy.ops.certificate import all_codes, all_pairs
from mobiledeploy.ops.operator import Certified, Example, Operator, Sampled
from mobiledeploy.ops.tensors import QTensor
from mobiledeploy.reading import (
    INPUT,
    Format,
    LayerInput,
    Reading,
    StoredLayer,
    StoredTensor,
    StoredWeights,
)
from mobiledeploy.verify.layers import recompute
from mobiledeploy.verify.proof import layer_proofs

EXAMPLES = [
    pytest.param(operator, example, id=f"{operator.LAYERS[0]}: {example.name}")
    for operator in table.OPERATORS
    for example in operator.examples()
]


def tensor(of: QTensor) -> StoredTensor:
    return StoredTensor(
        name=of.name, shape=of.shape, dtype="int8", scale=of.scale, zero_point=of.zero_point
    )


def layer_of(
    operator: Operator[Any], example: Example, scales: Sequence[np.float32], op: str
) -> StoredLayer:
    """What a reader makes of an example."""
    node: Any = example.node
    described = operator.float_layer(node, example.inputs)
    options: dict[str, Any] = {}
    if operator is conv:
        around = conv.pads(node, example.inputs[0].shape[:2])
        options = {"strides": node.strides, "pads": (*around[0], *around[1])}
    if described.op == "mean":
        options = {"window": example.inputs[0].shape[:2]}
    if hasattr(node, "weights"):
        weights = node.weights
        options["weights"] = StoredWeights(
            **dataclasses.asdict(weights),
            kernel_zero=np.zeros_like(weights.kernel_scale, np.int32),
            name="kernel",
        )
    if hasattr(node, "activation"):
        options["clamp"] = clamp(node.activation, node.output)
    return StoredLayer(
        kind=described.op,
        op=op,
        name=node.output.name,
        reads=tuple(
            LayerInput(source=number - 1, scale=scale, zero_point=one.zero_point)
            for number, (one, scale) in enumerate(zip(example.inputs, scales, strict=True))
        ),
        output=tensor(node.output),
        **options,
    )


def reading_of(example: Example, layer: StoredLayer, file: Format) -> Reading:
    """A file of the layer, and before it one that gives each input but the first."""
    before = tuple(
        StoredLayer(kind="clamp", op="Clip", name=one.name, reads=(), output=tensor(one))
        for one in example.inputs[1:]
    )
    image = LayerInput(source=INPUT, scale=example.inputs[0].scale, zero_point=0)
    before = tuple(dataclasses.replace(one, reads=(image,)) for one in before)
    return Reading(
        format=file,
        producer="",
        input=tensor(example.inputs[0]),
        output=layer.output,
        output_of=len(before),
        layers=(*before, layer),
    )


def pair(operator: Operator[Any], example: Example) -> tuple[Reading, Reading]:
    """The example as a `.tflite` and as an `.onnx`, as this project writes them."""
    own = [one.scale for one in example.inputs]
    first = layer_of(operator, example, own, operator.TFLITE[0])
    second = dataclasses.replace(first, op=next(iter(operator.ONNX)))
    if isinstance(operator, Certified):
        certificate = operator.certify(example.node, example.inputs)
        second = layer_of(operator, example, certificate.scales, next(iter(operator.ONNX)))
        if certificate.table:
            (codes,) = operator.litert_cases(example.node, example.inputs, (all_codes(),))
            second = dataclasses.replace(
                second, kind="table", op="Gather", table=codes.astype(np.int8)
            )
    return reading_of(example, first, "tflite"), reading_of(example, second, "onnx")


def nothing_is_run(*_: object) -> Any:
    raise AssertionError


@pytest.mark.parametrize(("operator", "example"), EXAMPLES)
def test_it_is_one_function_in_both_files_and_proven(
    operator: Operator[Any], example: Example
) -> None:
    judgement = judge(*pair(operator, example))
    last = judgement.layers[-1]
    assert last.first == last.second == len(judgement.layers) - 1
    assert known(last.verdict).equal, last.verdict
    if isinstance(operator, Sampled):
        return
    proof = layer_proofs.prove(judgement, [()] * len(judgement.layers), nothing_is_run)[-1]
    assert proof.status == "proven", proof


@pytest.mark.parametrize(("operator", "example"), EXAMPLES)
def test_another_output_grid_is_another_function(
    operator: Operator[Any], example: Example
) -> None:
    first, second = pair(operator, example)
    *before, last = second.layers
    grid = dataclasses.replace(last.output, scale=np.float32(0.97 * float(last.output.scale or 0)))
    if last.table is not None:
        changed = dataclasses.replace(last, table=last.table[::-1])
    else:
        changed = dataclasses.replace(last, output=grid)
    judgement = judge(first, dataclasses.replace(second, layers=(*before, changed)))
    assert not known(judgement.layers[-1].verdict).equal
    if not isinstance(operator, Sampled):
        proof = layer_proofs.prove(judgement, [()] * len(judgement.layers), nothing_is_run)[-1]
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
    for reading in pair(operator, example):
        layer = reading.layers[-1]
        allowed = operator.WITHIN if isinstance(operator, Sampled) else 0
        assert known(recompute.error(layer, reading.format, codes, given)) <= allowed
        off = given.copy()
        off.flat[0] += 3 if off.flat[0] < 0 else -3
        assert known(recompute.error(layer, reading.format, codes, off)) > allowed


def test_onnx_runtime_s_own_product_is_known_to_the_code() -> None:
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
        (found,) = ort_session(model.SerializeToString()).run(
            None, {"x": first.astype(np.uint8), "y": second.astype(np.uint8)}
        )
        products = (first - int(zeros[0])) * (second - int(zeros[1]))
        ratio = mul.multiplier(a, b, scale)
        by_kernel = [
            mul.ort_qlinear(products, ratio, int(zeros[2]) - 128, fused=fused)
            for fused in (False, True)
        ]
        assert any(np.array_equal(codes + 128, found) for codes in by_kernel)


def ort_session(model: bytes) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
