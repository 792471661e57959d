"""What the outputs of an imported network are: its `Task`, by its last operator or a user."""

import math
from collections.abc import Mapping
from typing import Final

from mobiledeploy.base.errors import ConversionError, RequestError
from mobiledeploy.network.float_graph import FloatGraph, FloatNode
from mobiledeploy.spec.config import TASKS, Task

SCORES: Final = frozenset({"softmax", "logistic"})
"""Operators whose output are scores of what they read."""
_FEWEST: Final[Mapping[Task, int]] = {
    "classification": 2, "binary": 1, "multi-label": 1, "regression": 1,
}  # fmt: skip


def as_vector(graph: FloatGraph) -> FloatGraph:
    """Return a graph whose output is a vector: an image of one pixel becomes one.

    Raises:
        ConversionError: The output is an image of several pixels.
    """
    shape = graph.shapes()[graph.output]
    if len(shape) == 1:
        return graph
    if any(size != 1 for size in shape[:-1]):
        raise ConversionError(
            f"{graph.name}: expected one vector as output, received the shape {shape}",
            hint="only networks that give scores, or numbers, for the whole input are supported",
        )
    name = f"{graph.output}/vector"
    node = FloatNode(
        name=name, op="reshape", inputs=(graph.output,), attributes={"shape": shape[-1:]}
    )
    return FloatGraph(
        name=graph.name, input_shape=graph.input_shape, nodes=(*graph.nodes, node), output=name
    )


def last_operator(graph: FloatGraph) -> str:
    """Return the operator that gives a graph's output, whatever only changes its shape."""
    node = graph.node(graph.output)
    while node is not None and node.op == "reshape":
        node = graph.node(node.inputs[0])
    return "" if node is None else node.op


def may_be_input(graph: FloatGraph, outputs: int) -> bool:
    """Whether outputs may be the input again, as of an autoencoder: as many, and no softmax."""
    return (
        outputs > 1
        and last_operator(graph) != "softmax"
        and outputs == math.prod(graph.input_shape)
    )


def task_of(graph: FloatGraph, outputs: int, given: Task | None, name: str) -> Task:
    """Return what a network's outputs are.

    A softmax is of classes; one sigmoid decides between two classes, several are labels. Without
    either, several outputs are taken for logits of classes, and a single one for a number. As many
    outputs as inputs may be any of these, or the input again: a user has to say it.

    Args:
        graph: The network.
        outputs: Number of its outputs.
        given: What a user says.
        name: Name of the file, for messages.

    Raises:
        RequestError: What the user says does not fit the number of outputs; or it has to be said.
        ConversionError: It is a softmax of one output.
    """
    if outputs == 1 and last_operator(graph) == "softmax":
        raise ConversionError(
            f"{name}: expected a softmax of several outputs, received one output, whose softmax "
            "is 1 for every input",
            hint="train the network with a sigmoid as the activation of its one output",
        )
    if given is None:
        if may_be_input(graph, outputs):
            scores = "multi-label" if last_operator(graph) == "logistic" else "classification"
            raise RequestError(
                f"{name} gives as many values as it takes, {outputs}: expected to be told whether "
                "they are its input again, as of an autoencoder, or belong to classes",
                hint=f"`--task regression` for an autoencoder, `--task {scores}` for classes",
            )
        if last_operator(graph) == "logistic":
            return "binary" if outputs == 1 else "multi-label"
        return "classification" if outputs > 1 else "regression"
    if given not in TASKS:
        raise RequestError(
            f"expected a task of {', '.join(TASKS)}; received {given}",
            hint="choose one with `--task`",
        )
    if given == "regression" and last_operator(graph) == "softmax":
        raise RequestError(
            f"expected outputs that are numbers, but {name} ends in a softmax, which gives the "
            "scores of classes",
            hint="leave out `--task`",
        )
    if outputs < _FEWEST[given] or (given == "binary" and outputs > 1):
        raise RequestError(
            f"expected {'one output' if given == 'binary' else 'several outputs'} for a {given} "
            f"task, but {name} has {outputs}",
            hint="leave out `--task`",
        )
    return given


def classes_of(task: Task, outputs: int) -> int:
    """Return the number of classes, which have a name each."""
    return 2 if task == "binary" else outputs
