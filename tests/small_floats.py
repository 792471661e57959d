"""Small float `.tflite` classifiers of inputs of any shape, made without TensorFlow."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from mobiledeploy.network.float_graph import INPUT, FloatGraph, FloatNode
from mobiledeploy.targets import float_tflite


def graph(shape: tuple[int, ...], outputs: int, *, last: str = "", seed: int = 0) -> FloatGraph:
    """Return a convolution and a mean of an image, or a dense layer of values; then a head.

    Args:
        shape: Of the input.
        outputs: Number of outputs.
        last: The last operator, `logistic` or `softmax`; empty for logits.
        seed: Seed of the weights.
    """
    rng = np.random.default_rng(seed)

    def weights(*kernel: int) -> dict[str, Any]:
        scale = np.sqrt(np.prod(kernel[:-1]))
        return {
            "kernel": (rng.standard_normal(kernel) / scale).astype(np.float32),
            "bias": rng.normal(0, 0.1, kernel[-1]).astype(np.float32),
        }

    if len(shape) == 3:
        options = {"strides": (2, 2), "dilations": (1, 1), "groups": 1, "pads": (0, 1, 0, 1)}
        nodes = [
            FloatNode(
                name="conv", op="conv", inputs=(INPUT,), attributes=options,
                arrays=weights(3, 3, shape[2], 6),
            ),
            FloatNode(
                name="relu", op="clip", inputs=("conv",), attributes={"low": 0.0, "high": 6.0}
            ),
            FloatNode(
                name="features", op="mean", inputs=("relu",), attributes={"keep_dims": False}
            ),
        ]  # fmt: skip
    else:
        flat = FloatNode(
            name="flat", op="reshape", inputs=(INPUT,), attributes={"shape": (math.prod(shape),)}
        )
        nodes = [
            flat,
            FloatNode(
                name="features", op="dense", inputs=("flat",), arrays=weights(math.prod(shape), 6)
            ),
        ]
    nodes.append(
        FloatNode(name="logits", op="dense", inputs=("features",), arrays=weights(6, outputs))
    )
    if last:
        nodes.append(FloatNode(name="scores", op=last, inputs=("logits",)))
    return FloatGraph(name="small", input_shape=shape, nodes=tuple(nodes), output=nodes[-1].name)


def file(path: Path, shape: tuple[int, ...], outputs: int, *, last: str = "") -> Path:
    """Write `graph` as a file, and return its path."""
    path.write_bytes(float_tflite.write(graph(shape, outputs, last=last)))
    return path
