"""Measure images a second of a verification, and its memory.

    python benchmarks/verify_throughput.py A.tflite B.onnx --images 10000

The bare loop runs both files, one after the other, over the same images with the same number of
threads and nothing else: no child process, no comparison. Prints images a second of both, their
ratio (in-process and in child processes) by the clock and by CPU time (which a busy machine
disturbs less), and the peak memory of this process and its children at a tenth of the images and
at all of them. Interleaved, best of `--rounds`. Linux only.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from mobiledeploy.base.progress import silent
from mobiledeploy.formats import model_file
from mobiledeploy.runtimes import cpu, table
from mobiledeploy.runtimes.child import Children
from mobiledeploy.verify.outputs import image_sets, int8_files
from mobiledeploy.verify.outputs.image_sets import ImageSet
from mobiledeploy.verify.outputs.int8_files import Options
from mobiledeploy.verify.outputs.opened_file import HERE, OpenFile, Place, open_file
from mobiledeploy.verify.outputs.runners import open_runners


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.memory:
        print(json.dumps(peaks(args.first, args.second, args.images, args.threads)))
        return
    files = [model_file.read(path) for path in (args.first, args.second)]
    here = sides_in(files, (HERE, HERE))
    primaries = [[table.primary(file.format)] for file in files]
    with Children(primaries[0]) as one, Children(primaries[1]) as two:
        there = sides_in(files, (one, two))
        runs = {
            "bare loop": lambda: bare(here, args.images, args.threads),
            "verify here": lambda: verified(here, args.images, args.threads),
            "verify in children": lambda: verified(there, args.images, args.threads),
        }
        pids = [os.getpid(), pid_of(one), pid_of(two)]
        best = {name: (float("inf"), float("inf")) for name in runs}
        for _ in range(args.rounds):
            for name, run in runs.items():
                before = cpu_seconds(pids)
                wall = run()
                spent = cpu_seconds(pids) - before
                best[name] = min(best[name][0], wall), min(best[name][1], spent)
    print(f"{cpu.name()}, {args.threads} threads, {args.images:,} images, both files")
    wall, spent = best["bare loop"]
    for name, times in best.items():
        rate = args.images / times[0]
        print(
            f"{name:20s} {rate:9,.0f} images/s   of the bare loop: {wall / times[0]:.2f} by the "
            f"clock, {spent / times[1]:.2f} by CPU time"
        )
    for images in (max(args.images // 10, 2), args.images):
        script = [sys.executable, __file__, str(args.first), str(args.second)]
        said = subprocess.run(
            [*script, "--memory", "yes", "--images", str(images), "--threads", str(args.threads)],
            capture_output=True,
            check=True,
        )
        own, *children = json.loads(said.stdout)
        print(
            f"peak memory at {images:,} images: {own:.0f} MB, children "
            f"{' and '.join(f'{child:.0f}' for child in children)} MB"
        )


def sides_in(
    files: list[model_file.ModelFile], places: tuple[Place, Place]
) -> tuple[OpenFile, OpenFile]:
    one, two = (open_file(file, place) for file, place in zip(files, places, strict=True))
    return one, two


def images_for(shape: tuple[int, ...], count: int) -> ImageSet:
    """Return noise, a few different batches in turn: making images is not what is measured."""
    height, width, channels = shape
    stock = np.random.default_rng(0).integers(0, 256, (256, height, width, channels), np.uint8)

    def pixels(start: int, stop: int) -> np.ndarray:
        first = start % 64
        return (
            stock[first : first + stop - start]
            if first + stop - start <= 256
            else stock[np.arange(start, stop) % 256]
        )

    return ImageSet(name="noise", names=range_names(count), pixels=pixels)


def range_names(count: int) -> list[str]:
    return [f"noise {number}" for number in range(count)]


def verified(both: tuple[OpenFile, OpenFile], count: int, threads: int) -> float:
    options = Options(only_main=True, threads=threads)
    runners = open_runners(both, only_main=True, level="quick", threads=threads)
    images = images_for(shape_of(runners), count)
    started = time.perf_counter()
    int8_files.verify(both, runners, [images], options, progress=silent)
    return time.perf_counter() - started


def bare(both: tuple[OpenFile, OpenFile], count: int, threads: int) -> float:
    runners = open_runners(both, only_main=True, level="quick", threads=threads)
    images = images_for(shape_of(runners), count)
    size = 256
    seconds = 0.0
    for runner in runners:
        batches = [
            runner.feed(images.pixels(start, min(start + size, count)))
            for start in range(0, min(count, 4 * size), size)
        ]
        started = time.perf_counter()
        for number in range(-(-count // size)):
            left = count - number * size
            runner.session.run(batches[number % len(batches)][:left])
        seconds += time.perf_counter() - started
    return seconds


def shape_of(runners: list) -> tuple[int, int, int]:
    shape: tuple[int, int, int] = runners[0].session.input.shape
    return shape


def peaks(first: Path, second: Path, count: int, threads: int) -> list[float]:
    """Return the peak memory of this process and of its two children, MB, after verifying."""
    files = [model_file.read(path) for path in (first, second)]
    primaries = [[table.primary(file.format)] for file in files]
    with Children(primaries[0]) as one, Children(primaries[1]) as two:
        both = sides_in(files, (one, two))
        runners = open_runners(both, only_main=True, level="quick", threads=threads)
        images = image_sets.natural(shape_of(runners), images=count)
        int8_files.verify(both, runners, [images], Options(only_main=True, threads=threads))
        return [peak(pid) for pid in ("self", pid_of(one), pid_of(two))]


def pid_of(children: Children) -> int:
    (process,) = children._processes.values()
    return process._process.pid


def peak(pid: int | str) -> float:
    """Return a process's largest resident memory, MB; what getrusage says counts its parent's."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def cpu_seconds(pids: list[int]) -> float:
    """Return the CPU time that processes took so far."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(field[11]) + int(field[12]) for field in fields) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
