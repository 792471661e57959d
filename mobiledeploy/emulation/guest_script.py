"""Run a model on an emulated CPU: a script of its own, which knows NumPy and one runtime.

It is started by path, under QEMU, with a Python that has no mobiledeploy:

    child.py KIND MODEL INPUTS ANSWERS

KIND is `litert`, `ort`, or `ort-precise`, which asks ONNX Runtime for kernels that do not
saturate. INPUTS is a `.npy` of images. ANSWERS becomes a `.npz`: the outputs by number, and
`about`, JSON that says where they were computed.
"""

import importlib.metadata
import json
import platform
import sys
from typing import Any

import numpy as np


def litert(model: str, images: Any) -> tuple[str, list[Any]]:
    """Return the runtime's name, and every output for the images, by LiteRT with XNNPACK."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=model, num_threads=1)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    targets = [detail["index"] for detail in interpreter.get_output_details()]
    rows = []
    for image in images:
        interpreter.set_tensor(source, image[np.newaxis])
        interpreter.invoke()
        rows.append([interpreter.get_tensor(target) for target in targets])
    version = importlib.metadata.version("ai-edge-litert")
    return f"LiteRT {version} (XNNPACK)", _joined(rows)


def ort(model: str, images: Any, *, precise: bool) -> tuple[str, list[Any]]:
    """Return the runtime's name, and every output for the images, by ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    if precise:
        options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    rows = [session.run(None, {name: image[np.newaxis]}) for image in images]
    return f"ONNX Runtime {onnxruntime.__version__}", _joined(rows)


def _joined(rows: list[Any]) -> list[Any]:
    return [np.concatenate(column) for column in zip(*rows, strict=True)]


def main(kind: str, model: str, inputs: str, answers: str) -> None:
    """Run the model, and write what it answers."""
    images = np.load(inputs, allow_pickle=False)
    if kind == "litert":
        runtime, outputs = litert(model, images)
    elif kind in {"ort", "ort-precise"}:
        runtime, outputs = ort(model, images, precise=kind == "ort-precise")
    else:
        raise ValueError(f"expected litert, ort or ort-precise, received {kind}")
    about = json.dumps({"runtime": runtime, "architecture": platform.machine()})
    numbered = {str(number): output for number, output in enumerate(outputs)}
    np.savez(answers, about=np.array(about), allow_pickle=False, **numbered)


if __name__ == "__main__":
    main(*sys.argv[1:])
