"""Measure time and memory of `mobiledeploy quantize` beside other tools, in one run.

    python benchmarks/quantize_speed.py [--weights FILE.h5 --images FOLDER]

See README.md beside this file. Its exit status does not depend on the results.
"""

import argparse
import dataclasses
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from peer import machine
from peer.task import NO_LABEL, Pixels, Task
from peer.whole_model import FILE

from mobiledeploy.data import sources
from mobiledeploy.data.pixels import load_pixels
from mobiledeploy.pipeline.quantise_images import CALIBRATION_IMAGES, calibration_rows
from mobiledeploy.spec.config import Preprocessing
from mobiledeploy.verify.outputs import image_sets

NETWORKS = {"0.35": (0.35, 96), "1.0": (1.0, 224)}
QUANTIZE = "mobiledeploy quantize"
CALIBRATION = "calibration"
"""Ours beside TensorFlow's, in one process."""
STARTS_FROM = {
    QUANTIZE: "whole_model",
    "ours": "whole_model",
    "keras_ptq": "whole_model",
    "edge_quantizer": "float_tflite",
    "litert_quantizer": "float_tflite",
    "ort_static_per_channel": "float_onnx",
    "onnx2tf": "float_onnx",
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a process took.

    Attributes:
        wall: Seconds on the clock, from its start to its end.
        cpu: Seconds of CPU time, with that of its child processes.
        peak: Most memory that it or one of its child processes had at a time, bytes.
        convert: Seconds on the clock of the steps between imports and files.
    """

    wall: float
    cpu: float
    peak: int
    convert: float


def main() -> None:
    parser = argparse.ArgumentParser(description="Time and memory of `mobiledeploy quantize`.")
    parser.add_argument("--networks", default=",".join(NETWORKS), help="alphas; default: both")
    parser.add_argument("--weights", type=Path, help="Keras applications .h5 for V2 1.0 224")
    parser.add_argument("--images", type=Path, help="a folder of photos; default: synthetic ones")
    known = [*STARTS_FROM, CALIBRATION]
    parser.add_argument("--ways", default=",".join(known), help="default: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    unknown = {*options.ways.split(",")} - {*known}
    if unknown:
        parser.error(f"expected ways out of {', '.join(known)}; received {unknown}")
    with tempfile.TemporaryDirectory() as temporary:
        result = {
            "machine": machine.describe(),
            "versions": machine.versions(),
            "networks": {
                f"V2 {NETWORKS[name][0]} {NETWORKS[name][1]}": _measure(
                    Path(temporary) / name, *NETWORKS[name], options
                )
                for name in options.networks.split(",")
            },
            "load afterwards": " ".join(f"{load:.1f}" for load in os.getloadavg()),
        }
    print(json.dumps(result, indent=1) if options.json else _table(result))


def _measure(
    folder: Path, alpha: float, size: int, options: argparse.Namespace
) -> dict[str, list[dict[str, Any]] | str]:
    folder.mkdir()
    pixels = _images(options.images, size)
    weights = options.weights if alpha == 1 else None
    task = Task(
        folder=folder, arch="v2", alpha=alpha, image_size=size, classes=1000,
        trained=weights is not None,
    )  # fmt: skip
    task.save_images(pixels, pixels[:1], np.full(1, NO_LABEL, np.int64))
    task.save()
    if weights:
        shutil.copyfile(weights, task.weights)
    else:
        _peer("random_weights", folder)
    wanted = [way for way in options.ways.split(",") if way != CALIBRATION]
    measured: dict[str, list[dict[str, Any]] | str] = {}
    if CALIBRATION in options.ways.split(","):
        measured |= _calibration(folder, options.rounds)
    for start in sorted({STARTS_FROM[way] for way in wanted}):
        run = _peer(start, folder)
        measured[f"({start})"] = run if isinstance(run, str) else [dataclasses.asdict(run)]
    for _ in range(options.rounds):
        for way in wanted:
            earlier = measured.setdefault(way, [])
            if isinstance(earlier, str):
                continue
            run = _quantize(folder, options.images) if way == QUANTIZE else _peer(way, folder)
            if isinstance(run, str):
                measured[way] = run
            else:
                earlier.append(dataclasses.asdict(run))
    return measured


def _images(folder: Path | None, size: int) -> Pixels:
    """Return the images by which `mobiledeploy quantize` calibrates."""
    if folder is None:
        natural = image_sets.natural((size, size, 3), images=CALIBRATION_IMAGES)
        return natural.pixels(0, len(natural))
    dataset = sources.open_dataset(str(folder), purpose="calibration")
    rows = calibration_rows(dataset.splits["train"], CALIBRATION_IMAGES)
    return np.array(load_pixels(dataset, rows, Preprocessing(image_size=size)).pixels)


def _quantize(folder: Path, images: Path | None) -> Run | str:
    out = folder / "build"
    shutil.rmtree(out, ignore_errors=True)
    data = ["--random"] if images is None else ["--data", str(images.resolve())]
    run = _timed(
        [sys.executable, "-m", "mobiledeploy", "quantize", str(folder / FILE), *data,
         "--input-range", "-1..1", "--out", str(out), "--quiet"]
    )  # fmt: skip
    if isinstance(run, str):
        return run
    times = json.loads((out / "report.json").read_text())["times"]
    return dataclasses.replace(run, convert=sum(stage["seconds"] for stage in times))


def _peer(way: str, folder: Path) -> Run | str:
    run = _timed([sys.executable, "-m", "peer.make", way, str(folder)])
    if isinstance(run, str):
        return run
    costs = json.loads((folder / f"{way}.json").read_text())["costs"]
    convert = sum(cost["wall"] for step, cost in costs.items() if step != "import")
    return dataclasses.replace(run, convert=convert)


def _calibration(folder: Path, rounds: int) -> dict[str, list[dict[str, Any]] | str]:
    """Return rows of calibration alone, and one that compares them."""
    run = _timed([sys.executable, "-m", "peer.calibration", str(folder), str(rounds)])
    if isinstance(run, str):
        return {CALIBRATION: run}
    record = json.loads((folder / "calibration.json").read_text())
    ours, theirs = ([costs[name] for costs in record["rounds"]] for name in ("ours", "tensorflow"))
    first = record["first"]
    ratios = {
        key: statistics.median(a[key] / b[key] for a, b in zip(ours, theirs, strict=True))
        for key in ("wall", "cpu")
    }
    rows: dict[str, list[dict[str, Any]] | str] = {
        f"{CALIBRATION} ({name})": [
            {**cost, "peak": run.peak, "convert": cost["wall"]} for cost in costs
        ]
        for name, costs in (("ours", ours), ("TensorFlow", theirs))
    }
    rows[f"{CALIBRATION}, ours / theirs"] = (
        f"{ratios['wall']:.2f} of the time, {ratios['cpu']:.2f} of the CPU time, "
        f"of the first call's {first['ours']['cpu'] / first['tensorflow']['cpu']:.2f}; "
        f"ranges differ by at most {record['difference']:.1e} of themselves"
    )
    return rows


def _timed(command: list[str]) -> Run | str:
    """Run a process; return what it took, or the last line of what it said if it failed."""
    print(" ".join(command[2:5]), "...", file=sys.stderr, flush=True)
    root = Path(__file__).resolve().parents[1]
    path = os.pathsep.join([str(root / "benchmarks"), str(root)])
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env={**os.environ, "PYTHONPATH": path},
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            lines = said.read().decode(errors="replace").strip().splitlines()
            return (lines or [f"exit status {process.returncode}"])[-1]
    return Run(
        wall=wall,
        cpu=usage.ru_utime + usage.ru_stime,
        peak=usage.ru_maxrss * 1024,
        convert=0.0,
    )


def _table(result: dict[str, Any]) -> str:
    lines = [
        ", ".join(f"{key}: {value}" for key, value in result["machine"].items()),
        ", ".join(f"{key} {value}" for key, value in result["versions"].items()),
        f"load afterwards: {result['load afterwards']}",
    ]
    for network, ways in result["networks"].items():
        lines += ["", f"{network}: median of the runs (lowest)"]
        lines.append(
            f"  {'way':24} {'whole, s':>15} {'CPU, s':>15} {'no imports, s':>15} {'MB':>6}"
        )
        for way, runs in ways.items():
            if isinstance(runs, str):
                lines.append(f"  {way:24} {runs}")
                continue
            cells = [
                f"{statistics.median(values):.2f} ({min(values):.2f})"
                for key in ("wall", "cpu", "convert")
                if (values := [run[key] for run in runs])
            ]
            peak = statistics.median(run["peak"] for run in runs) / 1e6
            lines.append(
                f"  {way:24} " + " ".join(f"{cell:>15}" for cell in cells) + f" {peak:6.0f}"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
