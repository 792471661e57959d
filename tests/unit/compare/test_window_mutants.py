"""Every option of a window is a number of its layer: another one is found, in the right layer."""

import dataclasses
import functools
from typing import Any

import pytest
import windows

from mobiledeploy import reading
from mobiledeploy.compare.diagnosis import report
from mobiledeploy.compare.judge import judge
from mobiledeploy.formats.onnx import parse as parse_onnx
from mobiledeploy.formats.tflite import parse as parse_tflite
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.ops.average_pool import AveragePool
from mobiledeploy.ops.max_pool import MaxPool
from mobiledeploy.reading import Reading
from mobiledeploy.targets import onnx, tflite

MUTANTS: list[tuple[str, dict[str, Any]]] = [
    ("stem", {"padding": (2, 0, 1, 1)}),
    ("stem", {"padding": (1, 1, 0, 2)}),
    ("peaks", {"padding": "same"}),
    ("peaks", {"window": (2, 3), "padding": (0, 1, 2, 0)}),
    ("edges", {"window": (3, 3)}),
    ("edges", {"window": (2, 2)}),
    ("edges", {"padding": (2, 0, 1, 0)}),
    ("below zero", {"activation": "relu"}),
    ("groups", {"activation": "relu"}),
    ("groups", {"padding": (1, 1, 0, 2)}),
    ("groups", {"padding": (1, 1, 2, 0)}),
    ("below zero", {"padding": (2, 1, 2, 0)}),
    ("below zero", {"window": (2, 3), "padding": (1, 1, 0, 2)}),
    ("spread", {"dilations": (1, 2), "padding": (1, 1, 2, 2)}),
    ("spread", {"dilations": (2, 1), "padding": (3, 1, 1, 1)}),
    ("spread", {"padding": "same"}),
    ("smooth", {"window": (3, 2)}),
    ("smooth", {"window": (5, 3)}),
    ("halves", {"strides": (1, 2)}),
    ("border", {"pads": (2, 1, 0, 3)}),
    ("border", {"pads": (1, 2, 3, 0)}),
    ("border", {"code": 0}),
    ("counted", {"window": (4, 3)}),
    ("last", {"padding": (0, 1, 1, 2)}),
    ("logits", {"activation": "relu"}),
]


@functools.cache
def graph() -> IntegerGraph:
    return windows.graph()


def changed(name: str, **options: Any) -> IntegerGraph:
    nodes: list[Any] = list(graph().nodes)
    for place, node in enumerate(nodes):
        if node.output.name == name:
            nodes[place] = dataclasses.replace(node, **options)
    return dataclasses.replace(graph(), nodes=tuple(nodes))


def as_tflite(graph: IntegerGraph) -> Reading:
    return reading.read_tflite(parse_tflite(tflite.write(graph, head="logits")))


def as_onnx(graph: IntegerGraph) -> Reading:
    return reading.read_onnx(parse_onnx(onnx.write(graph, certify(graph), head="logits")))


def test_without_a_change_both_files_are_the_same() -> None:
    found = report(judge(as_tflite(graph()), as_onnx(graph())))
    assert found.same, found.cause
    assert found.matched == len(graph().nodes)


@pytest.mark.parametrize(
    ("name", "options"), MUTANTS, ids=[f"{name}: {options}" for name, options in MUTANTS]
)
@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_another_option_is_named_with_its_layer(
    name: str, options: dict[str, Any], kind: str
) -> None:
    other = changed(name, **options)
    first, second = graph(), graph()
    if kind == "tflite":
        first = other
    else:
        second = other
    found = report(judge(as_tflite(first), as_onnx(second)))
    assert not found.same
    assert found.first is not None
    assert found.first.layer == name, found.cause


def test_a_pool_of_the_other_kind_is_named() -> None:
    nodes: list[Any] = list(graph().nodes)
    for place, node in enumerate(nodes):
        if isinstance(node, AveragePool) and node.output.name == "halves":
            nodes[place] = MaxPool(
                input=node.input,
                output=node.output,
                window=node.window,
                strides=node.strides,
                padding=node.padding,
                activation="none",
            )
    other = dataclasses.replace(graph(), nodes=tuple(nodes))
    found = report(judge(as_tflite(graph()), as_onnx(other)))
    assert not found.same
    assert found.first is not None
    assert found.first.layer == "halves", found.cause
