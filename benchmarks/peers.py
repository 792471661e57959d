"""Compare mobiledeploy with other tools that make int8 files, in one run.

    python benchmarks/peers.py --weights mobilenet_v2.h5 --images photos --labels labels.txt

See README.md beside this file. Its exit status does not depend on the results.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from peer import machine, table
from peer.channel_spread import spread, without_relu6
from peer.make import MISSING_PACKAGE, made_of
from peer.ratios import ratios
from peer.task import Task, invent_images, move_off_grid, read_build, read_photos

from mobiledeploy.network.simplify.passes import simplify
from mobiledeploy.network.simplify.to_network import to_network
from mobiledeploy.pipeline.prepare import read_model
from mobiledeploy.spec.config import ALPHAS, SCALINGS
from mobiledeploy.verify.outputs.image_sets import evenly

FLOATS = ("float_tflite", "float_onnx")
WAYS = (
    "ours",
    "ours_default",
    "ours_best",
    "keras_ptq",
    "keras_qat",
    "edge_quantizer",
    "litert_quantizer",
    "litert_quantizer_octav",
    "litert_quantizer_mse",
    "litert_quantizer_gptq",
    "litert_quantizer_oscar",
    "ort_static",
    "ort_static_per_channel",
    "ort_static_per_channel_u8",
    "ort_static_moving_average",
    "ort_static_percentile",
    "ort_static_percentile_9999",
    "ort_static_entropy",
)
ONLY_IF_ASKED = ("keras_qat", "ort_static_entropy")
"""Not among the default ways: what README.md says of it."""
STARTS_FROM = {
    way: start
    for way in WAYS
    for tool, start in (
        ("edge_quantizer", "float_tflite"),
        ("litert_quantizer", "float_tflite"),
        ("ort_static", "float_onnx"),
    )
    if way.startswith(tool)
}
MEASURED_ANEW = ("ours", "random_weights")
"""Beginnings of the ways that `--reuse` does not take: their code changes with no version."""
INVENTED = 32
"""Images for the comparison, if there are no photos."""


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        result = _measure(folder, options)
    print(json.dumps(result, indent=1) if options.json else table.show(result))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare with other tools that make int8 files.")
    parser.add_argument("--weights", type=Path, help="Keras applications .h5; default: random")
    parser.add_argument(
        "--off-grid",
        action="store_true",
        help="move each weight by up to half an int8 step: for weights of an int8 file",
    )
    parser.add_argument(
        "--build",
        type=Path,
        help="a folder of `mobiledeploy build`: its float network, calibrated with images of its "
        "training and judged by those of its test",
    )
    parser.add_argument(
        "--model",
        type=Path,
        help="a float .keras, .h5, .onnx or .tflite, as `mobiledeploy quantize` takes it",
    )
    parser.add_argument(
        "--input-range", choices=tuple(SCALINGS), default="-1..1", help="of the input of --model"
    )
    parser.add_argument(
        "--relu", action="store_true", help="ReLU for ReLU6, through which nothing is rescaled"
    )
    parser.add_argument(
        "--spread",
        action="store_true",
        help="multiply channels by 2^-3 to 2^3, and divide again in the next layer",
    )
    parser.add_argument("--arch", choices=tuple(ALPHAS), default="v2")
    parser.add_argument("--alpha", type=float, default=1.0)
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--classes", type=int, help="default: as many as labels, or 1000")
    parser.add_argument("--images", type=Path, help="a folder of photos; default: invented ones")
    parser.add_argument("--labels", type=Path, help="class names in the network's order")
    parser.add_argument(
        "--calibration", type=int, default=256, help="number of images for calibration"
    )
    parser.add_argument(
        "--judges", type=int, help="the last N photos judge; default: all that do not calibrate"
    )
    parser.add_argument("--rounds", type=int, default=60, help="rounds of the latency measurement")
    parser.add_argument(
        "--ways", help=f"comma-separated; default: all but {' and '.join(ONLY_IF_ASKED)}"
    )
    parser.add_argument("--keep", type=Path, help="folder in which to keep all files")
    parser.add_argument(
        "--reuse",
        action="store_true",
        help="what other tools made of the same weights and images in the folder of --keep is not "
        "made again, and its times are those of then",
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.images and not options.labels and not options.model:
        parser.error("--images needs --labels: folders are matched to outputs by name")
    if sum(map(bool, (options.weights, options.build, options.model))) > 1:
        parser.error("--weights, --build and --model each are a network: give one")
    if options.build and (options.images or options.judges is not None):
        parser.error("--build brings its images, and all images of its test judge")
    if options.off_grid and not options.weights:
        parser.error("--off-grid needs --weights")
    if options.reuse and not options.keep:
        parser.error("--reuse needs --keep")
    if options.ways is None:
        options.ways = ",".join(way for way in WAYS if way not in ONLY_IF_ASKED)
    unknown = set(options.ways.split(",")) - set(WAYS)
    if unknown:
        parser.error(f"expected tools out of {', '.join(WAYS)}; received {', '.join(unknown)}")
    return options


def _measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    task, described = _prepare(folder, options)
    wanted = [way for way in WAYS if way in options.ways.split(",")]
    made = {way: _take_or_make(way, folder, options) for way in (*FLOATS, *wanted)}
    files = [file for way in made.values() for file in way.get("files", ())]
    (folder / "files.json").write_text(json.dumps(files))
    _child("latency", folder, str(options.rounds))
    _child("accuracy", folder)
    times = json.loads((folder / "latency.json").read_text())
    scores = json.loads((folder / "accuracy.json").read_text())
    return {
        "task": {**dataclasses.asdict(task), "folder": None, **described},
        "machine": machine.describe(),
        "versions": machine.versions(),
        "ways": {name: _with_totals(name, way, made) for name, way in made.items()},
        "files": {
            name: {
                "bytes": (folder / name).stat().st_size,
                "milliseconds": sorted(times[name])[len(times[name]) // 2],
                **scores["files"][name],
            }
            for name in times
        },
        "pairs": scores["pairs"],
        "parity": scores["parity"],
        "ratios": [dataclasses.asdict(ratio) for ratio in ratios(times, task.arch)],
    }


def _prepare(folder: Path, options: argparse.Namespace) -> tuple[Task, dict[str, Any]]:
    """Fill the folder with weights and images; return the task, and what the table says of it."""
    for earlier in ("weights.h5", "network.npz"):
        (folder / earlier).unlink(missing_ok=True)
    if options.build:
        task, evaluation = _of_build(folder, options)
    elif options.model:
        task = _of_model(folder, options)
        evaluation = _save_photos(task, options)
    else:
        task = _of_weights(folder, options)
        evaluation = _save_photos(task, options)
        if not options.weights:
            task.save()
            problem = _make("random_weights", folder).get("problem")
            if problem:
                raise SystemExit(f"error: random weights: {problem}")
    name = task.network().architecture.name
    changes = {"weights off the int8 grid": options.off_grid}
    if options.relu or options.spread:
        network = task.network()
        network = without_relu6(network) if options.relu else network
        task = task.with_network(spread(network, seed=0) if options.spread else network)
        changes |= {"ReLU": options.relu, "channels spread over 2^-3..3": options.spread}
    task.save()
    return task, {
        "name": ", ".join([name, *(change for change, made in changes.items() if made)]),
        "calibration": options.calibration,
        "evaluation": evaluation,
    }


def _of_build(folder: Path, options: argparse.Namespace) -> tuple[Task, int]:
    """Write the network and the images of a build; return its task, and how many judge."""
    network, train, test = read_build(options.build)
    _require(len(train.pixels), options.calibration)
    chosen = evenly(len(train.pixels), options.calibration)
    task = Task(
        folder=folder,
        arch=None,
        alpha=None,
        image_size=network.architecture.input_shape[0],
        classes=network.architecture.classes,
        trained=True,
        scaling=network.architecture.scaling,
    ).with_network(network)
    task.save_images(np.array(train.pixels[chosen]), np.array(test.pixels), test.labels)
    return task, len(test.pixels)


def _of_model(folder: Path, options: argparse.Namespace) -> Task:
    """Write the network of a model file; return its task."""
    graph = simplify(read_model(options.model).graph).graph
    network = to_network(graph, SCALINGS[options.input_range])
    height, *others = network.architecture.input_shape
    if others != [height, 3]:
        raise SystemExit(f"error: expected square images, received {[height, *others]}")
    return Task(
        folder=folder,
        arch=None,
        alpha=None,
        image_size=height,
        classes=network.architecture.classes,
        trained=True,
        scaling=network.architecture.scaling,
    ).with_network(network)


def _of_weights(folder: Path, options: argparse.Namespace) -> Task:
    """Write the weights, if there are some; return the task."""
    task = Task(
        folder=folder,
        arch=options.arch,
        alpha=options.alpha,
        image_size=options.image_size,
        classes=len(options.labels.read_text().splitlines())
        if options.labels
        else options.classes or 1000,
        trained=options.weights is not None,
    )
    if options.weights:
        task.weights.write_bytes(options.weights.read_bytes())
        if options.off_grid:
            move_off_grid(task.weights, seed=0)
    return task


def _save_photos(task: Task, options: argparse.Namespace) -> int:
    """Write photos, or what takes their place; return how many judge."""
    size, count = task.image_size, options.calibration
    if options.images:
        names = options.labels.read_text().splitlines() if options.labels else None
        pixels, labels = read_photos(options.images, names, size, seed=0)
    else:
        pixels, labels = invent_images(count + INVENTED, size, seed=0)
    _require(len(pixels) - 1, count)
    first = count if options.judges is None else len(pixels) - options.judges
    if not count <= first < len(pixels):
        raise SystemExit(f"error: no {options.judges} of {len(pixels)} images are left to judge")
    task.save_images(pixels[:count], pixels[first:], labels[first:])
    return int(len(pixels) - first)


def _require(images: int, calibration: int) -> None:
    if images < calibration:
        raise SystemExit(
            f"error: expected at least {calibration} images for calibration, and one more, "
            f"received {images} for it; lower --calibration"
        )


def _take_or_make(way: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Return the record of an earlier run, if it is asked for and still holds; or make it."""
    path = folder / f"{way}.json"
    if options.reuse and not way.startswith(MEASURED_ANEW) and path.exists():
        record: dict[str, Any] = json.loads(path.read_text())
        complete = all((folder / file["file"]).exists() for file in record["files"])
        if complete and record["made_of"] == made_of(way, folder):
            print(f"{way}: as it was made before", file=sys.stderr, flush=True)
            return {**record, "reused": True}
    path.unlink(missing_ok=True)
    return _make(way, folder)


def _make(way: str, folder: Path) -> dict[str, Any]:
    """Run one tool in a process of its own; return its record, or its problem."""
    print(f"{way} ...", file=sys.stderr, flush=True)
    done = _start("make", way, str(folder))
    if done.returncode == 0:
        record: dict[str, Any] = json.loads((folder / f"{way}.json").read_text())
        return record
    last = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
    if done.returncode != MISSING_PACKAGE:
        print(done.stderr, file=sys.stderr)
    return {"problem": last[0]}


def _child(module: str, *arguments: object) -> None:
    print(f"{module} ...", file=sys.stderr, flush=True)
    done = _start(module, *map(str, arguments))
    if done.returncode:
        raise SystemExit(done.stderr)


def _start(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    here = str(Path(__file__).resolve().parent)
    path = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))
    return subprocess.run(
        [sys.executable, "-m", f"peer.{module}", *arguments],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def _with_totals(name: str, way: dict[str, Any], made: dict[str, Any]) -> dict[str, Any]:
    """Add the time from weights to files, without imports."""
    if "problem" in way:
        return way
    start = made.get(STARTS_FROM.get(name, ""), {})
    float_file = _sum(start, ("read", "convert")) if start else None
    steps = ("read", "calibrate", "convert", "verify")
    total = _sum(way, steps)
    if float_file:
        total = {key: total[key] + float_file[key] for key in total}
    totals: dict[str, Any] = {"float_file": float_file, "total": total}
    if name == "ours":
        totals["ranges_given"] = _sum(way, ("read", "convert", "verify"))
    return {**way, **totals}


def _sum(way: dict[str, Any], steps: tuple[str, ...]) -> dict[str, float]:
    costs = [way["costs"][step] for step in steps if step in way["costs"]]
    return {key: sum(cost[key] for cost in costs) for key in ("wall", "cpu")}


if __name__ == "__main__":
    main()
