"""The Keras applications model with the task's weights, from which some tools start."""

from typing import Any

from peer.task import Task


def build(task: Task) -> Any:
    """Return tf_keras's model (tfmot does not accept Keras 3 models) without weights."""
    from tf_keras import applications

    model = {"v1": applications.MobileNet, "v2": applications.MobileNetV2}[task.arch]
    return model(
        input_shape=(task.image_size, task.image_size, 3),
        alpha=task.alpha,
        weights=None,
        classes=task.classes,
    )


def read(task: Task) -> Any:
    """Return the model with the task's weights."""
    model = build(task)
    model.load_weights(task.weights)
    return model
