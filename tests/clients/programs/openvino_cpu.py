"""Run a file in OpenVINO on the CPU: MODEL INPUTS TYPE SHAPE SUFFIX [PRECISION]."""

import json
import sys
from pathlib import Path


def main(
    model: str, inputs: str, dtype: str, shape: str, suffix: str, precision: str = ""
) -> None:
    import numpy as np
    import openvino

    # OpenVINO tells formats apart by the name.
    file = Path(model).rename(f"{model}{suffix}")
    images = np.fromfile(inputs, dtype).reshape(-1, *map(int, shape.split(",")))
    options = {"INFERENCE_PRECISION_HINT": precision} if precision else {}
    compiled = openvino.Core().compile_model(str(file), "CPU", options)
    outputs = [compiled([image])[0][0].tolist() for image in images]
    json.dump({"version": openvino.__version__, "outputs": outputs}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
