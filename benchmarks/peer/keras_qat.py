"""TensorFlow's QAT: tfmot's `quantize_model`, `from_keras_model`, then tf2onnx."""

from peer import keras_model
from peer.record import Made, Stopwatch, describe_tflite
from peer.task import Task
from peer.tflite_to_onnx import to_onnx

BATCH = 32
LEARNING_RATE = 1e-5


def make(task: Task, watch: Stopwatch) -> list[Made]:
    """Write both files.

    tfmot has no calibration: its ranges change during training. It trains for one pass over the
    calibration images, with the float model's own classes as targets.
    """
    with watch.step("import"):
        import tensorflow as tf
        import tensorflow_model_optimization as tfmot
        import tf2onnx  # noqa: F401
        import tf_keras
    with watch.step("read"):
        model = keras_model.read(task)
    images = task.inputs(task.calibration())
    with watch.step("calibrate"):
        classes = model.predict(images, batch_size=BATCH, verbose=0).argmax(axis=1)
        model = tfmot.quantization.keras.quantize_model(model)
        model.compile(
            tf_keras.optimizers.legacy.Adam(LEARNING_RATE), "sparse_categorical_crossentropy"
        )
        model.fit(images, classes, batch_size=BATCH, epochs=1, verbose=0)
    with watch.step("convert"):
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        tflite = task.folder / "keras_qat.tflite"
        tflite.write_bytes(converter.convert())
        onnx = to_onnx(tflite)
    return [describe_tflite(tflite), describe_tflite(tflite, file=onnx.name)]
