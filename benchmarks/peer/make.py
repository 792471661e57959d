"""Run one tool: `python -m peer.make NAME FOLDER` writes its record, `FOLDER/NAME.json`."""

import dataclasses
import hashlib
import importlib
import json
import os
import resource
import sys
from pathlib import Path

from peer import machine
from peer.record import Stopwatch
from peer.task import Task

MISSING_PACKAGE = 3
"""Exit status: the tool needs a package that is not installed."""

VARIANTS = {
    "ours_default": ("ours", "default"),
    "ours_best": ("ours", "best"),
    "litert_quantizer": ("edge_quantizer", "litert_quantizer"),
    "litert_quantizer_octav": ("edge_quantizer", "litert_quantizer", "OCTAV"),
    "litert_quantizer_mse": ("edge_quantizer", "litert_quantizer", "MSE"),
    "litert_quantizer_gptq": ("edge_quantizer", "litert_quantizer", "GPTQ"),
    "litert_quantizer_oscar": ("edge_quantizer", "litert_quantizer", "OSCAR"),
    "ort_static_per_channel": ("ort_static", "_per_channel"),
    "ort_static_per_channel_u8": ("ort_static", "_per_channel_u8"),
    "ort_static_moving_average": ("ort_static", "_moving_average"),
    "ort_static_percentile": ("ort_static", "_percentile"),
    "ort_static_percentile_9999": ("ort_static", "_percentile_9999"),
    "ort_static_entropy": ("ort_static", "_entropy"),
}
"""Tools that are a module with an argument; all others have a module of their name."""


def made_of(name: str, folder: Path) -> str:
    """Return a digest of all that a tool's files depend on, but for its own packages' code.

    Those are the weights, the calibration images, the versions, and how it is called here.
    """
    module = VARIANTS.get(name, (name,))[0]
    here = Path(__file__).parent
    given = [folder / name for name in ("weights.h5", "network.npz", "calibration.npy")]
    digest = hashlib.sha256(json.dumps(machine.versions(), sort_keys=True).encode())
    for file in (*given, folder / "task.json", here / f"{module}.py", here / "keras_model.py"):
        digest.update(file.read_bytes() if file.exists() else b"none")
    return digest.hexdigest()


def main() -> None:
    name, folder = sys.argv[1], Path(sys.argv[2])
    module, *variant = VARIANTS.get(name, (name,))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    watch = Stopwatch()
    try:
        made = importlib.import_module(f"peer.{module}").make(Task.load(folder), watch, *variant)
    except ModuleNotFoundError as error:
        sys.stderr.write(f"{error.name} is not installed\n")
        raise SystemExit(MISSING_PACKAGE) from error
    record = {
        "made_of": made_of(name, folder),
        "files": [dataclasses.asdict(file) for file in made],
        "costs": {step: dataclasses.asdict(cost) for step, cost in watch.costs.items()},
        "peak_memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    (folder / f"{name}.json").write_text(json.dumps(record))


if __name__ == "__main__":
    main()
