"""`model.h5`: the whole Keras model, from which `mobiledeploy quantize` starts."""

from peer import keras_model
from peer.record import Made, Stopwatch
from peer.task import Task

FILE = "model.h5"


def make(task: Task, watch: Stopwatch) -> list[Made]:
    """Write the model."""
    del watch
    keras_model.read(task).save(task.folder / FILE)
    return []
