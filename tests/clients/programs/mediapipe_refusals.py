"""Say why MediaPipe's ImageClassifier refuses files, or null: MODEL...

It ends after a file that it refuses only when it runs: others would wait for the broken graph.
"""

import json
import os
import sys
import types

# What MediaPipe imports to draw and to record sound. It is large, and nothing here uses it.
for unused in ("cv2", "matplotlib", "matplotlib.pyplot", "sounddevice"):
    sys.modules[unused] = types.ModuleType(unused)


def say(reasons: list[str | None]) -> None:
    json.dump(reasons, sys.stdout)
    sys.stdout.flush()


def main(*models: str) -> None:
    import mediapipe
    import numpy as np
    from mediapipe.tasks.python import BaseOptions, vision

    grey = mediapipe.Image(
        image_format=mediapipe.ImageFormat.SRGB, data=np.full((32, 32, 3), 99, np.uint8)
    )
    reasons: list[str | None] = []
    for model in models:
        options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=model))
        try:
            classifier = vision.ImageClassifier.create_from_options(options)
        except (ValueError, RuntimeError, OSError, NotImplementedError) as error:
            reasons.append(f"{type(error).__name__}: {error}")
            continue
        try:
            classifier.classify(grey)
        except RuntimeError as error:
            reasons.append(str(error))
            say(reasons)
            os._exit(0)
        reasons.append(None)
        classifier.close()
    say(reasons)


if __name__ == "__main__":
    main(*sys.argv[1:])
