"""A choice that is none of those known is refused; it never becomes one of the others."""

import dataclasses
from collections.abc import Callable
from typing import Any

import graphs
import numpy as np
import pytest

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.data.preprocess import preprocess
from mobiledeploy.emulation import guest_script
from mobiledeploy.emulation.verify import SOFTMAXES
from mobiledeploy.formats.model import Model
from mobiledeploy.formats.tflite import parse
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.graph import IntegerGraph, with_head
from mobiledeploy.lint.graph import Graph
from mobiledeploy.models import blocks
from mobiledeploy.ops.conv import Conv
from mobiledeploy.ops.padding import pads
from mobiledeploy.reading import read_tflite
from mobiledeploy.spec.config import Preprocessing
from mobiledeploy.targets import onnx, tflite
from mobiledeploy.targets.outer_tensor import outer_tensor
from mobiledeploy.training.imagenet_weights import SIZES, _keras_path
from mobiledeploy.verify.layers.recompute import _right
from mobiledeploy.verify.proof.layer_proofs import ProofResult

OTHER: Any = "another"
GRAPH = graphs.assorted_graph()
LAYERS = graphs.assorted().layers
REFUSED = (AssertionError, ConversionError, KeyError, ValueError)


def conv() -> Conv:
    node = GRAPH.nodes[0]
    assert isinstance(node, Conv)
    return node


def changed(value: Any, **fields: Any) -> Any:
    """A copy with fields set past all checks."""
    copy = dataclasses.replace(value)
    for name, field in fields.items():
        object.__setattr__(copy, name, field)
    return copy


def other_node() -> IntegerGraph:
    """A graph with a node of a kind that nothing knows."""

    @dataclasses.dataclass
    class Other:
        output: Any = GRAPH.nodes[0].output
        input: str = GRAPH.input.name
        inputs: tuple[str, ...] = (GRAPH.input.name,)

    made: IntegerGraph = changed(GRAPH, nodes=(Other(), *GRAPH.nodes[1:]))
    return made


def other_format() -> Model:
    return Model(
        format=OTHER, size=0, description="", producer="", tensors=(), operators=(),
        other_operators=(), inputs=(), outputs=(), codes=(), buffers=(), graphs=1,
    )  # fmt: skip


CALLS: dict[str, Callable[[], object]] = {
    "crop": lambda: preprocess(
        np.zeros((32, 32, 3), np.uint8), changed(Preprocessing(image_size=16), crop=OTHER)
    ),
    "head of a graph": lambda: with_head(GRAPH, OTHER),
    "head of a network": lambda: blocks.classifier(LAYERS[0], 10, OTHER),
    "type of an outer tensor": lambda: outer_tensor(GRAPH.input, OTHER),
    "type of an onnx": lambda: onnx.write(GRAPH, certify(GRAPH), io=OTHER),
    "type of a tflite": lambda: tflite.write(GRAPH, io=OTHER),
    "padding": lambda: pads((8, 8), (3, 3), (1, 1), OTHER),
    "format of a file": lambda: Graph.of(other_format()),
    "node to certify": lambda: certify(other_node()),
    "method of a proof": lambda: ProofResult(method=OTHER).status,
    "kind of a layer": lambda: list(
        _right(
            changed(read_tflite(parse(tflite.write(GRAPH))).layers[0], kind=OTHER),
            "tflite",
            [np.zeros((1, *GRAPH.input.shape), np.int8)],
        )
    ),
    "emulated runtime": lambda: guest_script.main("another", "model", "inputs.npy", "answers.npz"),
    "emulated architecture": lambda: SOFTMAXES[OTHER],
    "architecture": lambda: _keras_path(OTHER, 1.0, 224),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_an_unknown_choice_is_refused(
    call: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SIZES, OTHER, (224,))
    monkeypatch.setattr(np, "load", lambda *args, **kwargs: np.zeros((1, 1)))
    with pytest.raises(REFUSED):
        call()


def test_a_proof_needs_a_method() -> None:
    assert ProofResult(method="none").status == "not proven"
