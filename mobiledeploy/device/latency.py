"""Time a `.tflite` on a phone with TensorFlow Lite's own `benchmark_model`."""

import dataclasses
import re
from pathlib import Path
from typing import Final

from mobiledeploy.base.errors import DeviceError, RequestError
from mobiledeploy.device import adb
from mobiledeploy.device.adb import Phone

FOLDER: Final = "/data/local/tmp/mobiledeploy"
RUNS: Final = 50
WARM_UP: Final = 10


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long inferences took, by `benchmark_model`.

    Attributes:
        threads: For one inference.
        runs: Timed inferences, after a warm-up.
        mean_us: Microseconds.
        median_us: Microseconds; None where this `benchmark_model` does not tell.
        p95_us: Likewise.
    """

    threads: int
    runs: int
    mean_us: float
    median_us: float | None
    p95_us: float | None


def measure(phone: Phone, tool: Path, model: Path, *, threads: int) -> Latency:
    """Time a model on a phone.

    Args:
        phone: Where.
        tool: `benchmark_model`, built for the phone's processor.
        model: A `.tflite`.
        threads: For one inference.

    Raises:
        RequestError: `tool` is no file.
        DeviceError: It did not run, or printed no times.
    """
    if not tool.is_file():
        raise RequestError(f"{tool} is not a file", hint="name the program `benchmark_model`")
    program, graph = f"{FOLDER}/benchmark_model", f"{FOLDER}/model.tflite"
    adb.shell(phone, "mkdir", "-p", FOLDER)
    adb.push(phone, tool, program)
    adb.push(phone, model, graph)
    adb.shell(phone, "chmod", "755", program)
    said = adb.shell(
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
    return read(said, threads=threads)


def read(said: str, *, threads: int) -> Latency:
    """Return the times from what `benchmark_model` printed.

    Raises:
        DeviceError: There are none.
    """
    # The warm-up prints such a line too; the timed runs come last.
    lines = re.findall(r"count=(\d+)\b(.*)", said)
    if not lines:
        last = next((line for line in reversed(said.splitlines()) if line.strip()), "nothing")
        raise DeviceError(
            f"benchmark_model printed no times; its last line: {adb.shown(last)}",
            hint="is it built for this phone's processor?",
        )
    count, rest = lines[-1]
    found = dict(re.findall(r"\b(avg|median|p95)=([0-9.]+(?:e[+-]?\d+)?)", rest))
    if "avg" not in found:
        raise DeviceError(f"benchmark_model printed no mean: {adb.shown(rest)}")
    return Latency(
        threads=threads,
        runs=int(count),
        mean_us=float(found["avg"]),
        median_us=float(found["median"]) if "median" in found else None,
        p95_us=float(found["p95"]) if "p95" in found else None,
    )
