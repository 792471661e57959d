"""Run a .tflite in tflite-runtime and print its outputs: MODEL INPUTS TYPE SHAPE."""

import json
import sys


def main(model: str, inputs: str, dtype: str, shape: str) -> None:
    import numpy as np
    import tflite_runtime
    from tflite_runtime.interpreter import Interpreter

    images = np.fromfile(inputs, dtype).reshape(-1, *map(int, shape.split(",")))
    interpreter = Interpreter(model, num_threads=1)
    interpreter.allocate_tensors()
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    outputs = []
    for image in images:
        interpreter.set_tensor(source["index"], image)
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(result["index"])[0].tolist())
    json.dump({"version": tflite_runtime.__version__, "outputs": outputs}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
