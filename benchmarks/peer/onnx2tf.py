"""onnx2tf with integer quantisation: `float.onnx` to an int8 `.tflite`, through TensorFlow."""

import numpy as np

from peer import float_onnx
from peer.record import Made, Stopwatch, describe_tflite
from peer.task import Task


def make(task: Task, watch: Stopwatch) -> list[Made]:
    """Write `onnx2tf.tflite`; the converter calibrates inside its `convert`."""
    with watch.step("import"):
        import onnxruntime
        from onnx2tf import onnx2tf
    source = str(task.folder / float_onnx.FILE)
    images = task.folder / "onnx2tf_images.npy"
    np.save(images, (task.calibration() / 255.0).astype(np.float32))
    with watch.step("read"):
        name = onnxruntime.InferenceSession(source).get_inputs()[0].name
    # It compares its operators with ONNX Runtime's on photos that it downloads: here on these.
    onnx2tf.download_test_image_data = lambda: np.load(images)[:20]
    half = np.full((1, 1, 1, 3), 0.5, np.float32)
    folder = task.folder / "onnx2tf"
    with watch.step("convert"):
        onnx2tf.convert(
            input_onnx_file_path=source,
            output_folder_path=str(folder),
            keep_nwc_or_nhwc_or_ndhwc_input_names=[name],
            batch_size=1,
            output_integer_quantized_tflite=True,
            quant_type="per-channel",
            custom_input_op_name_np_data_path=[[name, str(images), half, half]],
            verbosity="error",
        )
        made = task.folder / "onnx2tf.tflite"
        (folder / "float_full_integer_quant.tflite").rename(made)
    return [describe_tflite(made)]
