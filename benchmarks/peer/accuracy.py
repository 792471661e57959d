"""Measure the accuracy and parity of all files: `python -m peer.accuracy FOLDER`."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from mobiledeploy.verify.outputs.accuracy import mcnemar
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
        outputs[made.file] = np.stack(
            [run(feed(task, made, image[None], dtype))[0] for image in pixels]
        )
    return outputs


def score(task: Task, outputs: dict[str, Array]) -> dict[str, dict[str, Any]]:
    """Return how often each file predicts the label, and the float file's class.

    The predicted class is the one with the highest output, the first one if several are equal.
    `only_float` and `only_int8` count the images on which one of the two is right, the float file
    or this one; `p` is the p-value of McNemar's exact test of them.
    """
    pixels, labels = task.evaluation()
    predicted = {file: values.argmax(axis=1) for file, values in outputs.items()}
    reference = predicted.get(float_tflite.FILE)
    labelled = not (labels == NO_LABEL).all()
    scores: dict[str, dict[str, Any]] = {}
    for file, classes in predicted.items():
        scores[file] = {"images": len(pixels)}
        if labelled:
            scores[file]["correct"] = int((classes == labels).sum())
        if reference is not None:
            scores[file]["as_float"] = int((classes == reference).sum())
        if labelled and reference is not None:
            test = _paired(reference == labels, classes == labels)
            scores[file] |= {"only_float": test[0], "only_int8": test[1], "p": test[2]}
    return scores


def pairs(outputs: dict[str, Array]) -> list[dict[str, Any]]:
    """Compare each of our files with each of another tool: which of them answers as float?

    `only_ours` and `only_other` count the images on which one of the two predicts the float file's
    class; `p` is the p-value of McNemar's exact test of them. Our two files give equal outputs, so
    that the `.tflite` stands for both.
    """
    if float_tflite.FILE not in outputs:
        return []
    predicted = {file: values.argmax(axis=1) for file, values in outputs.items()}
    as_float = {
        file: classes == predicted[float_tflite.FILE] for file, classes in predicted.items()
    }
    ours = [file for file in outputs if file.startswith("ours") and file.endswith(".tflite")]
    others = [file for file in outputs if not file.startswith(("ours", "float"))]
    return [
        {"ours": one, "other": other, "only_ours": first, "only_other": second, "p": p}
        for one in ours
        for other in others
        for first, second, p in [_paired(as_float[one], as_float[other])]
    ]


def _paired(first: Array, second: Array) -> tuple[int, int, float]:
    """Return on how many images the first alone holds, and the second alone, and the p-value."""
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    return only_first, only_second, mcnemar(only_first, only_second)


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
    result = {
        "files": score(task, outputs),
        "pairs": pairs(outputs),
        "parity": parity(outputs),
    }
    (task.folder / "accuracy.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
