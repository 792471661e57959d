"""Run a file in OpenCV's DNN module and print its outputs: MODEL INPUTS TYPE SHAPE FORMAT."""

import json
import sys


def main(model: str, inputs: str, dtype: str, shape: str, file: str) -> None:
    import cv2
    import numpy as np

    images = np.fromfile(inputs, dtype).reshape(-1, *map(int, shape.split(",")))
    # OpenCV 5's new engine does not take the .onnx.
    classic = getattr(cv2.dnn, "ENGINE_CLASSIC", None)
    options = {} if classic is None else {"engine": classic}
    if file == "tflite":
        # OpenCV turns the network to NCHW.
        images = np.ascontiguousarray(images.transpose(0, 1, 4, 2, 3))
        network = cv2.dnn.readNetFromTFLite(model, **options)
    else:
        network = cv2.dnn.readNetFromONNX(model, **options)
    outputs = []
    for image in images:
        network.setInput(image)
        outputs.append(network.forward().reshape(-1).tolist())
    json.dump({"version": cv2.__version__, "outputs": outputs}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
