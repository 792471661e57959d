"""`float.onnx` by tf2onnx, from which ONNX Runtime's `quantize_static` starts."""

from peer import keras_model
from peer.record import Made, Stopwatch
from peer.task import Task

FILE = "float.onnx"
OPSET = 17


def make(task: Task, watch: Stopwatch) -> list[Made]:
    """Write the float file."""
    with watch.step("import"):
        import tf2onnx
    with watch.step("read"):
        model = keras_model.read(task)
    with watch.step("convert"):
        tf2onnx.convert.from_keras(model, opset=OPSET, output_path=str(task.folder / FILE))
    return [Made(file=FILE)]
