"""Run a .tflite in MediaPipe's ImageClassifier and print its scores: MODEL PIXELS TYPE SHAPE."""

import json
import sys


def main(model: str, inputs: str, dtype: str, shape: str) -> None:
    import mediapipe
    import numpy as np
    from mediapipe.tasks.python import BaseOptions, vision

    images = np.fromfile(inputs, dtype).reshape(-1, *map(int, shape.split(",")[1:]))
    options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=model))
    outputs = []
    with vision.ImageClassifier.create_from_options(options) as classifier:
        for image in images:
            picture = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=image)
            categories = classifier.classify(picture).classifications[0].categories
            outputs.append([c.score for c in sorted(categories, key=lambda c: c.index)])
    json.dump({"version": mediapipe.__version__, "outputs": outputs}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
