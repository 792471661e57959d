"""How long one image takes in each file: `python -m peer.latency FOLDER ROUNDS`.

All files are loaded into one process and take turns: in every round each one, in a new random
order, runs once to warm the caches and then `REPEATS` times. CPU time is measured, not the
clock: another program on the machine does not show in it. Ratios are taken inside a round and
the median over rounds is reported, so that what drifts with the machine falls out.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from peer.record import Made
from peer.session import feed, load
from peer.task import Task

REPEATS = 5


def measure(task: Task, files: list[Made], rounds: int) -> dict[str, list[float]]:
    """Return CPU milliseconds an image of each file, one number a round."""
    image = task.evaluation()[0][:1]
    loaded = {}
    for made in files:
        run, dtype = load(task.folder, made)
        loaded[made.file] = run, feed(task, made, image, dtype)
    names = list(loaded)
    rng = np.random.default_rng(0)
    times: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for index in rng.permutation(len(names)):
            run, fed = loaded[names[index]]
            run(fed)
            start = time.process_time_ns()
            for _ in range(REPEATS):
                run(fed)
            times[names[index]].append((time.process_time_ns() - start) / REPEATS / 1e6)
    return times


def main() -> None:
    task, rounds = Task.load(Path(sys.argv[1])), int(sys.argv[2])
    files = [Made(**file) for file in json.loads((task.folder / "files.json").read_text())]
    (task.folder / "latency.json").write_text(json.dumps(measure(task, files, rounds)))


if __name__ == "__main__":
    main()
