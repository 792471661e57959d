"""Run one-layer files on an emulated arm64 CPU."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mobiledeploy.emulation import arm64
from mobiledeploy.ops.tensors import Int8

_THERE = """
import sys, numpy as np

def litert(name, codes):
    from ai_edge_litert.interpreter import Interpreter
    interpreter = Interpreter(model_path=name)
    source, = interpreter.get_input_details()
    interpreter.resize_tensor_input(source["index"], codes.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(source["index"], codes)
    interpreter.invoke()
    target, = interpreter.get_output_details()
    return interpreter.get_tensor(target["index"])

def ort(name, codes):
    import onnxruntime
    session = onnxruntime.InferenceSession(name, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: codes})[0]

for name in sys.argv[1:]:
    codes = np.load(name + ".npy")
    run = ort if name.endswith(".onnx") else litert
    np.save(name + ".out.npy", run(name, codes))
"""


def run(folder: Path, files: Sequence[tuple[bytes, Int8]], *, suffix: str) -> list[Int8]:
    """What each file gives for its codes; suffix: `tflite` or `onnx`."""
    names = []
    for number, (data, codes) in enumerate(files):
        path = folder / f"{number}.{suffix}"
        path.write_bytes(data)
        np.save(f"{path}.npy", codes)
        names.append(str(path))
    *_, cortex_a76, _newest = arm64.machines()
    subprocess.run([*cortex_a76.command, "-c", _THERE, *names], check=True, capture_output=True)
    return [np.load(f"{name}.out.npy") for name in names]
