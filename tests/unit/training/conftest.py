"""A network of four layers, and images that it can learn to classify."""

import numpy as np
import pytest

from mobiledeploy.data.pixels import Images
from mobiledeploy.network.network import Network
from mobiledeploy.ops.architecture import INPUT, Architecture, Layer
from mobiledeploy.ops.weights import Weights

SIZE = 8
CLASSES = 3


@pytest.fixture
def architecture() -> Architecture:
    """A stem, a depthwise convolution, a projection that is added, and a head."""
    return Architecture(
        name="tiny",
        input_shape=(SIZE, SIZE, 3),
        layers=(
            Layer(
                name="stem", op="conv", inputs=(INPUT,), in_channels=3, out_channels=8,
                kernel=(3, 3), strides=(2, 2), activation="relu6",
            ),
            Layer(
                name="filter", op="depthwise", inputs=("stem",), in_channels=8, out_channels=8,
                kernel=(3, 3), activation="relu6",
            ),
            Layer(
                name="project", op="conv", inputs=("filter",), in_channels=8, out_channels=8,
            ),
            Layer(
                name="add", op="add", inputs=("stem", "project"), in_channels=8, out_channels=8,
            ),
            Layer(name="pool", op="mean", inputs=("add",), in_channels=8, out_channels=8),
            Layer(
                name="logits", op="dense", inputs=("pool",), in_channels=8, out_channels=CLASSES,
            ),
            Layer(
                name="softmax", op="softmax", inputs=("logits",), in_channels=CLASSES,
                out_channels=CLASSES,
            ),
        ),
    )  # fmt: skip


@pytest.fixture
def network(architecture: Architecture) -> Network:
    """Random weights whose channels differ in size by a factor of ten."""
    random = np.random.default_rng(0)
    weights = {}
    for layer in architecture.layers:
        if layer.has_weights:
            fan_in = np.prod(layer.kernel_shape[: 2 if layer.op == "depthwise" else -1])
            kernel = random.normal(0, fan_in**-0.5, layer.kernel_shape)
            spread = np.geomspace(0.3, 3, layer.out_channels)
            kernel *= spread[:, np.newaxis] if layer.op == "depthwise" else spread
            weights[layer.name] = Weights(
                kernel=kernel.astype(np.float32),
                bias=random.normal(0, 0.1, layer.out_channels).astype(np.float32),
            )
    return Network(architecture=architecture, weights=weights)


@pytest.fixture
def images() -> Images:
    """Each class is bright in another colour channel."""
    random = np.random.default_rng(1)
    labels = np.arange(48, dtype=np.int64) % CLASSES
    pixels = random.integers(0, 160, (48, SIZE, SIZE, 3))
    pixels[np.arange(48), :, :, labels] += 95
    return Images(
        pixels=pixels.astype(np.uint8),
        labels=labels,
        indices=np.arange(48),
        names=tuple(f"{index}.png" for index in range(48)),
        unreadable=(),
    )
