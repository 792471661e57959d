"""The Keras model with the task's weights, from which some tools start.

It is Keras applications', or one layer that computes a folded network.
"""

from typing import Any

from mobiledeploy.network.network import Network
from mobiledeploy.training import tensorflow_graph
from peer.task import Task


def build(task: Task) -> Any:
    """Return tf_keras's model (tfmot does not accept Keras 3 models) without weights."""
    from tf_keras import applications

    if task.arch is None:
        raise ValueError("expected the task of an architecture, received that of a network")
    model = {"v1": applications.MobileNet, "v2": applications.MobileNetV2}[task.arch]
    return model(
        input_shape=(task.image_size, task.image_size, 3),
        alpha=task.alpha,
        weights=None,
        classes=task.classes,
    )


def read(task: Task) -> Any:
    """Return the model with the task's weights."""
    if task.folded:
        return _of_network(task.network())
    model = build(task)
    model.load_weights(task.weights)
    return model


def _of_network(network: Network) -> Any:
    import tf_keras

    layers, apply = network.architecture, tensorflow_graph.constant_layers(network)

    def compute(images: Any) -> Any:
        return tensorflow_graph.forward(layers, images, apply, until=layers.output.name)

    source = tf_keras.Input(layers.input_shape)
    return tf_keras.Model(source, tf_keras.layers.Lambda(compute)(source))
