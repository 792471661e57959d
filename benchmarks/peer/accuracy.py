"""What each file answers to the evaluation images: `python -m peer.accuracy FOLDER`."""

import json
import sys
from pathlib import Path

import numpy as np

from peer import float_tflite
from peer.record import Made
from peer.session import feed, load
from peer.task import NO_LABEL, Task


def score(task: Task, files: list[Made]) -> dict[str, dict[str, int]]:
    """Return how often each file gives the label, and the float file's class.

    A file's answer is the class with its highest output, the first one if several are equal.
    """
    pixels, labels = task.evaluation()
    answers = {}
    for made in files:
        run, dtype = load(task.folder, made)
        answers[made.file] = np.array(
            [int(run(feed(made, image[None], dtype))[0].argmax()) for image in pixels]
        )
    reference = answers.get(float_tflite.FILE)
    return {
        file: {
            "images": len(pixels),
            **({} if (labels == NO_LABEL).all() else {"correct": int((found == labels).sum())}),
            **({} if reference is None else {"as_float": int((found == reference).sum())}),
        }
        for file, found in answers.items()
    }


def main() -> None:
    task = Task.load(Path(sys.argv[1]))
    files = [Made(**file) for file in json.loads((task.folder / "files.json").read_text())]
    (task.folder / "accuracy.json").write_text(json.dumps(score(task, files)))


if __name__ == "__main__":
    main()
