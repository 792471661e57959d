"""TensorFlow's post-training quantisation: `from_keras_model` with images, then tf2onnx."""

from collections.abc import Iterator

from peer import keras_model
from peer.record import Made, Stopwatch, describe_tflite
from peer.task import Task
from peer.tflite_to_onnx import to_onnx


def make(task: Task, watch: Stopwatch) -> list[Made]:
    """Write both files; the converter calibrates inside its `convert`."""
    with watch.step("import"):
        import tensorflow as tf
        import tf2onnx  # noqa: F401
    with watch.step("read"):
        model = keras_model.read(task)
    images = task.inputs(task.calibration())

    def representative() -> Iterator[list[object]]:
        for image in images:
            yield [image[None]]

    with watch.step("convert"):
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = representative
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        tflite = task.folder / "keras_ptq.tflite"
        tflite.write_bytes(converter.convert())
        onnx = to_onnx(tflite)
    return [describe_tflite(tflite), describe_tflite(tflite, file=onnx.name)]
