"""Random weights, for speed and size, which do not depend on their values."""

from peer import keras_model
from peer.record import Made, Stopwatch
from peer.task import Task

MEASURED = 32
"""Images whose statistics the batch norms use, so that activations neither vanish nor overflow."""


def make(task: Task, watch: Stopwatch) -> list[Made]:
    """Write `weights.h5`."""
    del watch
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    model = keras_model.build(task)
    for layer in model.layers:
        if isinstance(layer, tf_keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(task.inputs(task.calibration()[:MEASURED]), training=True)
    model.save_weights(task.weights)
    return []
