"""Measure the accuracy and parity of all files: `python -m peer.accuracy FOLDER`."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from peer import float_tflite
from peer.record import Made
from peer.session import Array, feed, load
from peer.task import NO_LABEL, Task


def run_all(task: Task, files: list[Made]) -> dict[str, Array]:
    """Return the outputs of each file for the evaluation images, shape (images, classes)."""
    pixels, _ = task.evaluation()
    outputs = {}
    for made in files:
        run, dtype = load(task.folder, made)
        outputs[made.file] = np.stack([run(feed(made, image[None], dtype))[0] for image in pixels])
    return outputs


def score(task: Task, outputs: dict[str, Array]) -> dict[str, dict[str, int]]:
    """Return how often each file predicts the label, and the float file's class.

    The predicted class is the one with the highest output, the first one if several are equal.
    """
    pixels, labels = task.evaluation()
    predicted = {file: values.argmax(axis=1) for file, values in outputs.items()}
    reference = predicted.get(float_tflite.FILE)
    return {
        file: {
            "images": len(pixels),
            **({} if (labels == NO_LABEL).all() else {"correct": int((classes == labels).sum())}),
            **({} if reference is None else {"as_float": int((classes == reference).sum())}),
        }
        for file, classes in predicted.items()
    }


def parity(outputs: dict[str, Array]) -> list[dict[str, Any]]:
    """Return how often the two files of a tool agree, and the best files of two tools."""
    pairs = [(f"{Path(file).stem}.tflite", file) for file in outputs if file.endswith(".onnx")]
    pairs.append(("ai_edge_quantizer.tflite", "ort_static_per_channel_u8.onnx"))
    return [
        {
            "first": first,
            "second": second,
            "images": len(one),
            "same_class": int((one.argmax(axis=1) == two.argmax(axis=1)).sum()),
            # Outputs of different types have different scales: equality means nothing.
            "equal": int((one == two).all(axis=1).sum()) if one.dtype == two.dtype else None,
        }
        for first, second in pairs
        if first in outputs and second in outputs
        for one, two in [(outputs[first], outputs[second])]
    ]


def main() -> None:
    task = Task.load(Path(sys.argv[1]))
    files = [Made(**file) for file in json.loads((task.folder / "files.json").read_text())]
    outputs = run_all(task, files)
    result = {"files": score(task, outputs), "parity": parity(outputs)}
    (task.folder / "accuracy.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
