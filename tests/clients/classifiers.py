"""Small int8 classifiers that clients load, and images of which each recognises most."""

import dataclasses
from pathlib import Path
from typing import Any

import graphs
import numpy as np
import numpy.typing as npt

from mobiledeploy.data import evaluation
from mobiledeploy.integer import oracle, tflite_reader
from mobiledeploy.integer.certify import certify
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.ops.architecture import INPUT, Architecture, Layer
from mobiledeploy.ops.tensors import Float32, Int8
from mobiledeploy.ops.weights import Weights
from mobiledeploy.runtimes import Load
from mobiledeploy.spec.config import Head, Io, Preprocessing
from mobiledeploy.targets import onnx as onnx_target
from mobiledeploy.targets import tflite as tflite_target
from mobiledeploy.targets.description import Described, attachment

Pixels = npt.NDArray[np.uint8]

SIZE = 32
CLASSES = 10
EACH = 4
"""Pictures of each class."""
LOGIT = 8.0
"""What a class's own pictures should get, and others 0."""
TRAINED_IMAGES = 100


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Classifier:
    """A network on the grid on which a pixel is its code plus 128, and images for it."""

    graph: IntegerGraph
    pixels: Pixels

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(f"class {number}" for number in range(self.graph.output.shape[-1]))

    def tflite(self, io: Io, head: Head = "softmax") -> bytes:
        """The file as a build writes it, with metadata."""
        described = Described(
            name="network",
            license="",
            preprocessing=Preprocessing(image_size=SIZE),
            task="classification",
            classes=self.names,
        )
        attached = attachment(described, self.graph.input.shape, head=head)
        return tflite_target.write(self.graph, io=io, head=head, attached=attached)

    def onnx(self, io: Io, head: Head = "softmax") -> bytes:
        return onnx_target.write(self.graph, certify(self.graph), io=io, head=head)

    def inputs(self, io: Io) -> npt.NDArray[Any]:
        """The images as an input of this type."""
        match io:
            case "uint8":
                return self.pixels
            case "int8":
                return self._codes()
            case "float32":
                return self._codes() * self.graph.input.scale

    def expected(self, load: Load, model: bytes, io: Io) -> npt.NDArray[Any]:
        """What one of our runtimes gives, shape (images, classes)."""
        return load(model).run(self.inputs(io))[0]

    def _codes(self) -> Int8:
        return codes_of(self.pixels)


def codes_of(pixels: Pixels) -> Int8:
    return (pixels ^ 0x80).view(np.int8)


def trained(build: Path) -> Classifier:
    """The network of a build, and images on which it was not trained."""
    return Classifier(
        graph=tflite_reader.read_file(build / "model.tflite"),
        pixels=evaluation.read(build / "evaluation.npz").pixels[:TRAINED_IMAGES],
    )


def untrained() -> Classifier:
    """`gated` with random weights, and pictures for which its last layer was solved."""
    images = pictures()
    return Classifier(graph=recognising(gated(), codes_of(images)), pixels=images)


def gated() -> Architecture:
    """What MobileNetV3, ShuffleNet and DenseNet add: swishes, gates, slices, joined channels."""

    def layer(name: str, op: str, *inputs: str, ins: int = 8, outs: int = 8, **more: Any) -> Layer:
        return Layer(name=name, op=op, inputs=inputs, in_channels=ins, out_channels=outs, **more)

    def half(name: str, source: str, start: int) -> Layer:
        bounds = {"begin": (0, 0, start), "end": (8, 8, start + 4)}
        return layer(name, "strided_slice", source, outs=4, parameters=bounds)

    return Architecture(
        name="gated",
        input_shape=(SIZE, SIZE, 3),
        layers=(
            layer("stem", "conv", INPUT, ins=3, kernel=(3, 3), strides=(2, 2)),
            layer("swish", "hard_swish", "stem"),
            layer("squeeze", "mean", "swish", parameters={"keep_dims": True}),
            layer("reduce", "conv", "squeeze", outs=4, activation="relu"),
            layer("expand", "conv", "reduce", ins=4),
            layer("gate", "hard_sigmoid", "expand"),
            layer("excited", "mul", "swish", "gate"),
            layer("peaks", "max_pool", "excited", kernel=(3, 3), strides=(2, 2)),
            layer("branch", "depthwise", "peaks", kernel=(3, 3)),
            layer("sum", "add", "branch", "peaks"),
            half("left", "sum", 0),
            half("right", "sum", 4),
            layer("turned", "concatenation", "right", "left", "branch", ins=4, outs=16),
            layer("project", "conv", "turned", ins=16, outs=16, activation="relu6"),
            layer("pool", "mean", "project", ins=16, outs=16),
            layer("logits", "dense", "pool", ins=16, outs=10),
            layer("scores", "softmax", "logits", ins=10, outs=10),
        ),
    )


def pictures() -> Pixels:
    """Patches of colour, blurred, of which each class has its own, with noise."""
    from PIL import Image

    random = np.random.default_rng(0)
    made = []
    for label in range(CLASSES):
        patches = random.integers(0, 256, (2 + label % 5, 2 + label % 3, 3)).astype(np.uint8)
        picture = Image.fromarray(patches).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        for _ in range(EACH):
            noise = random.integers(-60, 61, (SIZE, SIZE, 3))
            made.append(np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8))
    return np.stack(made)


def recognising(architecture: Architecture, codes: Int8) -> IntegerGraph:
    """Quantise a network that recognises the pictures.

    The classifier is solved for, by ridge regression; layers before it have random weights.
    """
    network, ranges = graphs.random_network(architecture, seed=3)
    *_, pooled, classifier, _ = architecture.layers
    values: dict[str, Float32] = {}
    for _ in range(2):
        graph = quantise(network, ranges)
        values = {
            name: (tensor_codes.astype(np.float32) - tensor.zero_point) * tensor.scale
            for (name, tensor), tensor_codes in zip(
                graph.tensors().items(), oracle.run(graph, codes).values(), strict=True
            )
        }
        ranges = {name: _interval(values[name]) for name in ranges}
    features = values[pooled.name]
    middle = features.mean(axis=0)
    wanted = LOGIT * np.repeat(np.eye(CLASSES), EACH, axis=0)
    squares = (features - middle).T @ (features - middle)
    ridge = np.trace(squares) / len(squares) * np.eye(len(squares))
    kernel = np.linalg.solve(squares + ridge, (features - middle).T @ wanted).astype(np.float32)
    bias = wanted.mean(axis=0).astype(np.float32) - middle @ kernel
    network = dataclasses.replace(
        network,
        weights={**network.weights, classifier.name: Weights(kernel=kernel, bias=bias)},
    )
    logits = _interval(features @ kernel + bias)
    return quantise(network, {**ranges, classifier.name: logits})


def _interval(values: Float32) -> tuple[float, float]:
    return min(float(values.min()), 0.0), max(float(values.max()), 1e-3)
