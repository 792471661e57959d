"""`float.tflite` by TFLiteConverter, from which quantisers of `.tflite` files start.

It is also the reference for accuracy.
"""

from peer import keras_model
from peer.record import Made, Stopwatch
from peer.task import Task

FILE = "float.tflite"


def make(task: Task, watch: Stopwatch) -> list[Made]:
    """Write the float file."""
    with watch.step("import"):
        import tensorflow as tf
    with watch.step("read"):
        model = keras_model.read(task)
    with watch.step("convert"):
        data = tf.lite.TFLiteConverter.from_keras_model(model).convert()
        (task.folder / FILE).write_bytes(data)
    return [Made(file=FILE)]
