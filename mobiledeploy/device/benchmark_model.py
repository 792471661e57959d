"""Time a `.tflite` on a phone with TensorFlow Lite's own `benchmark_model`."""

import dataclasses
import math
import re
from pathlib import Path
from typing import Final

from mobiledeploy.base.errors import DeviceError
from mobiledeploy.base.files import require_file
from mobiledeploy.device import adb
from mobiledeploy.device.adb import Phone

FOLDER: Final = "/data/local/tmp/mobiledeploy"
RUNS: Final = 50
WARM_UP: Final = 10


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkTimes:
    """The times that `benchmark_model` printed, in microseconds per inference.

    Attributes:
        threads: Threads of one inference.
        runs: Number of timed inferences, after a warm-up.
        mean_us: Mean time.
        median_us: Median time; None where this version of `benchmark_model` does not print it.
        p95_us: 95th percentile; None where it is not printed.
    """

    threads: int
    runs: int
    mean_us: float
    median_us: float | None
    p95_us: float | None


def measure(phone: Phone, tool: Path, model: Path, *, threads: int) -> BenchmarkTimes:
    """Time a model on a phone.

    Args:
        phone: The phone to run it on.
        tool: `benchmark_model`, built for the phone's processor.
        model: A `.tflite`.
        threads: Threads of one inference.

    Raises:
        RequestError: `tool` is not a file.
        DeviceError: It did not run, or printed no times.
    """
    require_file(tool, hint="name the program `benchmark_model`")
    program, graph = f"{FOLDER}/benchmark_model", f"{FOLDER}/model.tflite"
    adb.shell(phone, "mkdir", "-p", FOLDER)
    adb.push(phone, tool, program)
    adb.push(phone, model, graph)
    adb.shell(phone, "chmod", "755", program)
    printed = adb.shell(
        phone,
        program,
        f"--graph={graph}",
        f"--num_threads={threads}",
        f"--num_runs={RUNS}",
        f"--warmup_runs={WARM_UP}",
        "--use_xnnpack=true",
        timeout=adb.SLOW,
    )
    adb.shell(phone, "rm", "-r", FOLDER)
    return read(printed, threads=threads)


def read(printed: str, *, threads: int) -> BenchmarkTimes:
    """Read the times that `benchmark_model` printed.

    Raises:
        DeviceError: It printed none.
    """
    # The warm-up prints such a line too; the timed runs come last.
    lines = re.findall(r"count=(\d+)\b(.*)", printed)
    if not lines:
        last = next((line for line in reversed(printed.splitlines()) if line.strip()), "nothing")
        raise DeviceError(
            f"benchmark_model printed no times; its last line: {adb.one_line(last)}",
            hint="take the `benchmark_model` that is built for this phone's processor",
        )
    count, rest = lines[-1]
    times = dict(re.findall(r"\b(avg|median|p95)=([0-9.]+(?:e[+-]?\d+)?)", rest))
    if "avg" not in times:
        raise DeviceError(
            f"benchmark_model printed no mean time: {adb.one_line(rest)}",
            hint="take a `benchmark_model` of TensorFlow 2",
        )
    infinite = [name for name, value in times.items() if not math.isfinite(float(value))]
    if infinite:
        raise DeviceError(
            f"benchmark_model printed an infinite {infinite[0]}: {adb.one_line(rest)}"
        )
    return BenchmarkTimes(
        threads=threads,
        runs=int(count),
        mean_us=float(times["avg"]),
        median_us=float(times["median"]) if "median" in times else None,
        p95_us=float(times["p95"]) if "p95" in times else None,
    )
