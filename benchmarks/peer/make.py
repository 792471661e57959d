"""One way in a process of its own: `python -m peer.make WAY FOLDER` writes `FOLDER/WAY.json`."""

import dataclasses
import importlib
import json
import os
import resource
import sys
from pathlib import Path

from peer.record import Stopwatch
from peer.task import Task

MISSING_PACKAGE = 3
"""Exit status: the way needs a package that is not installed."""


def main() -> None:
    way, folder = sys.argv[1], Path(sys.argv[2])
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    watch = Stopwatch()
    try:
        made = importlib.import_module(f"peer.{way}").make(Task.load(folder), watch)
    except ModuleNotFoundError as error:
        sys.stderr.write(f"{error.name} is not installed\n")
        raise SystemExit(MISSING_PACKAGE) from error
    record = {
        "files": [dataclasses.asdict(file) for file in made],
        "costs": {name: dataclasses.asdict(cost) for name, cost in watch.costs.items()},
        "peak_memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    (folder / f"{way}.json").write_text(json.dumps(record))


if __name__ == "__main__":
    main()
