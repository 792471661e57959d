"""What a network's outputs are, by its last operator or a user."""

import dataclasses
from typing import Any

import pytest
import small_floats

from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.network.float_graph import FloatNode
from mobiledeploy.pipeline import tasks


@pytest.mark.parametrize(
    ("outputs", "last", "task"),
    [
        (3, "softmax", "classification"),
        (3, "", "classification"),
        (3, "logistic", "multi-label"),
        (1, "logistic", "binary"),
        (1, "", "regression"),
    ],
)
def test_the_last_operator_and_the_number_of_outputs_show_the_task(
    outputs: int, last: str, task: str
) -> None:
    graph = small_floats.graph((16, 16, 3), outputs, last=last)
    assert tasks.task_of(graph, outputs, None, "a.onnx") == task


@pytest.mark.parametrize(
    ("outputs", "last", "asked"),
    [
        (12, "", "classification"),
        (12, "logistic", "multi-label"),
        (12, "softmax", None),
        (11, "", None),
    ],
)
def test_as_many_outputs_as_inputs_may_be_an_autoencoder(
    outputs: int, last: str, asked: str | None
) -> None:
    graph = small_floats.graph((12,), outputs, last=last)
    if asked is None:
        assert tasks.task_of(graph, outputs, None, "a.onnx") == "classification"
        return
    with pytest.raises(RequestError, match="gives as many values as it takes, 12") as caught:
        tasks.task_of(graph, outputs, None, "a.onnx")
    assert f"`--task regression` for an autoencoder, `--task {asked}`" in str(caught.value.hint)
    for given in ("regression", asked):
        assert tasks.task_of(graph, outputs, given, "a.onnx") == given  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "outputs", "message"),
    [
        ("binary", 3, "expected one output for a binary task, but a.onnx has 3"),
        ("classification", 1, "expected several outputs for a classification task"),
        ("ranking", 3, "expected a task of classification, binary, multi-label, regression"),
    ],
)
def test_a_task_that_does_not_fit_is_refused(given: Any, outputs: int, message: str) -> None:
    graph = small_floats.graph((16, 16, 3), outputs)
    with pytest.raises(RequestError, match=message):
        tasks.task_of(graph, outputs, given, "a.onnx")


@pytest.mark.parametrize("given", [None, "regression"])
def test_a_softmax_of_one_output_is_refused_since_it_is_always_one(given: Any) -> None:
    graph = small_floats.graph((16, 16, 3), 1, last="softmax")
    with pytest.raises(ConversionError, match="whose softmax is 1 for every input"):
        tasks.task_of(graph, 1, given, "a.onnx")


def test_scores_of_classes_are_no_regression() -> None:
    graph = small_floats.graph((16, 16, 3), 4, last="softmax")
    with pytest.raises(RequestError, match="ends in a softmax"):
        tasks.task_of(graph, 4, "regression", "a.onnx")


def test_an_output_of_one_pixel_is_a_vector_and_one_of_several_is_refused() -> None:
    graph = small_floats.graph((16, 16, 3), 3, last="softmax")
    pixel = FloatNode(
        name="pixel", op="reshape", inputs=("scores",), attributes={"shape": (1, 1, 3)}
    )
    image = dataclasses.replace(graph, nodes=(*graph.nodes, pixel), output="pixel")
    vector = tasks.as_vector(image)
    assert vector.shapes()[vector.output] == (3,)
    assert tasks.last_operator(vector) == "softmax"
    assert tasks.as_vector(graph) is graph
    with pytest.raises(ConversionError, match=r"expected one vector as output, .* \(8, 8, 6\)"):
        tasks.as_vector(dataclasses.replace(graph, output="relu"))
