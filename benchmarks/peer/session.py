"""Run any of the files, one image at a time, on one thread."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.runtimes.saturation import this_cpu_saturates
from peer.record import Made
from peer.task import Pixels, Task

Array: TypeAlias = npt.NDArray[Any]
Run: TypeAlias = Callable[[Array], Array]


def load(folder: Path, made: Made) -> tuple[Run, np.dtype[Any]]:
    """Return what maps an input of batch 1 to the output, and the type of that input."""
    path = str(folder / made.file)
    return _litert(path) if made.file.endswith(".tflite") else _onnxruntime(path)


def feed(task: Task, made: Made, pixels: Pixels, dtype: np.dtype[Any]) -> Array:
    """Return images as the file takes them, same shape."""
    mean, std = task.scaling if made.scaling is None else made.scaling
    real = (pixels - mean) / std
    if made.scale is None:
        return real.astype(dtype)
    limits = np.iinfo(dtype)
    codes = np.rint(real / made.scale) + made.zero_point
    clipped: Array = np.clip(codes, limits.min, limits.max).astype(dtype)
    return clipped


def _litert(path: str) -> tuple[Run, np.dtype[Any]]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path, num_threads=1)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]
    target = interpreter.get_output_details()[0]["index"]

    def run(image: Array) -> Array:
        interpreter.set_tensor(source["index"], image)
        interpreter.invoke()
        output: Array = interpreter.get_tensor(target)
        return output

    return run, np.dtype(source["dtype"])


def _onnxruntime(path: str) -> tuple[Run, np.dtype[Any]]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if this_cpu_saturates():
        options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    source = session.get_inputs()[0]
    dtypes = {"tensor(float)": np.float32, "tensor(int8)": np.int8, "tensor(uint8)": np.uint8}

    def run(image: Array) -> Array:
        output: Array = session.run(None, {source.name: image})[0]
        return output

    return run, np.dtype(dtypes[source.type])
