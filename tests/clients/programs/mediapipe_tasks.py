"""Run a .tflite in MediaPipe's ImageClassifier and print its scores: MODEL PIXELS TYPE SHAPE."""

import json
import sys
import types

# What MediaPipe imports to draw and to record sound. It is large, and nothing here uses it.
for unused in ("cv2", "matplotlib", "matplotlib.pyplot", "sounddevice"):
    sys.modules[unused] = types.ModuleType(unused)


def main(model: str, inputs: str, dtype: str, shape: str) -> None:
    import mediapipe
    import numpy as np
    from mediapipe.tasks.python import BaseOptions, vision

    images = np.fromfile(inputs, dtype).reshape(-1, *map(int, shape.split(",")[1:]))
    options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=model))
    outputs, names = [], []
    with vision.ImageClassifier.create_from_options(options) as classifier:
        for image in images:
            picture = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=image)
            categories = classifier.classify(picture).classifications[0].categories
            categories.sort(key=lambda category: category.index)
            outputs.append([category.score for category in categories])
            names = [category.category_name for category in categories]
    answer = {"version": mediapipe.__version__, "outputs": outputs, "names": names}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
