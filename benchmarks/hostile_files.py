"""Load many damaged and contradictory model files, none of which may crash or hang the program.

    python benchmarks/hostile_files.py --files 20000

Counts how the files were refused, the crashes of the child process that runs them, and the slowest
file. Ends with status 1 if a file hung, or raised anything but our errors.
"""

import argparse
import collections
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import graphs
import hostile

from mobiledeploy.base.errors import MobileDeployError, RuntimeDiedError
from mobiledeploy.formats import model_file
from mobiledeploy.integer.certify import certify
from mobiledeploy.runtimes import table
from mobiledeploy.runtimes.child import Children
from mobiledeploy.targets import onnx, tflite
from mobiledeploy.verify.outputs.opened_file import open_file

SECONDS = 10.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    counted: collections.Counter[str] = collections.Counter()
    slowest, started = 0.0, time.perf_counter()
    with Children(load_seconds=SECONDS, image_seconds=SECONDS) as children:
        for number, data in enumerate(files(args.files, args.seed)):
            before = time.perf_counter()
            counted[outcome(data, number, children)] += 1
            slowest = max(slowest, time.perf_counter() - before)
    seconds = time.perf_counter() - started
    for said, count in counted.most_common():
        print(f"{count:7,}  {said}")
    print(f"{args.files:7,}  files in {seconds:.0f} s, slowest {slowest:.2f} s")
    return int(counted["the runtime hung"] > 0)


def files(count: int, seed: int) -> Iterator[bytes]:
    """Yield a quarter of each kind of damage, in each of the three input types."""
    each = -(-count // 12)
    left = count
    for io in ("int8", "uint8", "float32"):
        graph = graphs.assorted_graph()
        flat, proto = tflite.write(graph, io=io), onnx.write(graph, certify(graph), io=io)
        for data, copies in (
            (flat, hostile.damaged),
            (flat, hostile.contradictory_tflite),
            (proto, hostile.damaged),
            (proto, hostile.contradictory_onnx),
        ):
            yield from copies(data, min(each, left), seed=seed)
            left -= min(each, left)


def outcome(data: bytes, number: int, children: Children) -> str:
    """Take a file through everything that `verify` does before it compares."""
    try:
        opened = open_file(model_file.of_bytes("a file", data), children)
        runtimes = table.running(opened.file.format)
        session = opened.load(runtimes[number % len(runtimes)], taps=opened.ends.taps, threads=1)
        session.run(np.zeros((2, *session.input.shape), session.input.dtype))
        session.close()
    except RuntimeDiedError as error:
        if error.death == "time":
            return "the runtime hung"
        return f"{error.runtime} died ({error.detail}), the command did not"
    except MobileDeployError as error:
        said = str(error)
        where = "in its runtime" if " in " in said.partition(":")[0] else "when it was read"
        return f"refused {where} ({type(error).__name__})"
    return "ran"


if __name__ == "__main__":
    sys.exit(main())
