"""The script that runs a model inside the emulator.

`qemu` starts it by its path, with a Python that has NumPy and the runtimes but no mobiledeploy:

    guest_script.py RUNTIME MODEL INPUTS OUTPUTS

RUNTIME is `litert`, `ort`, or `ort-precise`, which asks ONNX Runtime for kernels that do not
saturate. INPUTS is a `.npy` file of images. OUTPUTS is the `.npz` file to write: the outputs by
number, and `about`, JSON with the runtime's version and the CPU's architecture.
"""

import importlib.metadata
import json
import platform
import sys
from typing import Any

import numpy as np


def litert(model: str, images: Any) -> tuple[str, list[Any]]:
    """Run LiteRT with XNNPACK; return its name and version, and every output for the images."""
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
    """Run ONNX Runtime; return its name and version, and every output for the images."""
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


def main(runtime: str, model: str, inputs: str, outputs: str) -> None:
    """Run the model and write its outputs."""
    images = np.load(inputs, allow_pickle=False)
    if runtime == "litert":
        name, arrays = litert(model, images)
    elif runtime in {"ort", "ort-precise"}:
        name, arrays = ort(model, images, precise=runtime == "ort-precise")
    else:
        raise ValueError(f"expected litert, ort or ort-precise, received {runtime}")
    about = json.dumps({"runtime": name, "architecture": platform.machine()})
    numbered = {str(number): array for number, array in enumerate(arrays)}
    np.savez(outputs, about=np.array(about), allow_pickle=False, **numbered)


if __name__ == "__main__":
    main(*sys.argv[1:])
