"""Measure what quantisation-aware training (QAT) gains over none, on images that decided nothing.

    python benchmarks/qat_gain.py
    python benchmarks/qat_gain.py --data cifar10 --alpha 0.35 --image-size 32

For each seed it builds a network once, and quantises it with one scale a channel and with one a
layer, without training (PTQ) and with it. The test images judge. See README.md beside this file.
It exits with 1 if the shipped network is worse than PTQ by a paired test.
"""

import argparse
import dataclasses
import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mobiledeploy.data import pixel_store
from mobiledeploy.integer import tflite_reader
from mobiledeploy.pipeline import build
from mobiledeploy.pipeline.int8_logits import logits_runner
from mobiledeploy.spec import defaults
from mobiledeploy.spec.config import ALPHAS, DIGITS, WEIGHTS_PER, BuildConfig
from mobiledeploy.verify.outputs.accuracy import EVIDENCE, mcnemar, wilson

THREADS = os.cpu_count() or 1
PTQ, QAT = "ptq", "qat"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """What one network gives with one way of quantising it.

    Attributes:
        seed: Of the build.
        weights_per: What has a scale of its own.
        images: How many judge.
        float_right: How many the float network has right; the others are int8.
        ptq_right: Without training.
        qat_right: With training, shipped or not.
        only_ptq: How many are right without training, and wrong with it.
        only_qat: The other way round.
        p: Of McNemar's exact test of these two.
        ptq_same: To how many the answer without training is the float network's.
        qat_same: With training.
        shipped: Which of the two the build ships.
    """

    seed: int
    weights_per: str
    images: int
    float_right: int
    ptq_right: int
    qat_right: int
    only_ptq: int
    only_qat: int
    p: float
    ptq_same: int
    qat_same: int
    shipped: str

    @property
    def worse(self) -> bool:
        """Whether training made it worse, by the paired test."""
        return self.p < EVIDENCE and self.only_ptq > self.only_qat


def main() -> None:
    options = _options()
    print(
        "| weights per | seed | float right | PTQ int8 right | QAT int8 right "
        "| right only in PTQ, in QAT | p | as float: PTQ, QAT | shipped |\n"
        "|---|---|---|---|---|---|---|---|---|"
    )
    rows = list[Row]()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary) if options.keep is None else options.keep
        for seed in options.seeds:
            for weights_per in options.weights_per:
                row = _measure(_config(options, seed, weights_per), root / f"seed{seed}")
                print(_line(row))
                sys.stdout.flush()
                rows.append(row)
                if options.json is not None:
                    options.json.write_text(json.dumps([*map(dataclasses.asdict, rows)], indent=1))
    for weights_per in options.weights_per:
        _sum([row for row in rows if row.weights_per == weights_per])
    sys.exit(any(row.worse and row.shipped == QAT for row in rows))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="QAT beside PTQ, on images that decided nothing.")
    parser.add_argument("--data", default=DIGITS, help=f"`{DIGITS}`, or a folder of photos")
    parser.add_argument("--arch", choices=list(ALPHAS), default="v2")
    parser.add_argument("--alpha", type=float)
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--weights", default="none", help="a Keras file to start from")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--qat-steps", type=int)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--weights-per", nargs="+", choices=WEIGHTS_PER, default=list(WEIGHTS_PER))
    parser.add_argument("--keep", type=Path, help="a folder for the builds; they are reused")
    parser.add_argument("--json", type=Path, help="where the rows are written as they come")
    return parser.parse_args()


def _config(options: argparse.Namespace, seed: int, weights_per: str) -> BuildConfig:
    config = defaults.decide(
        arch=options.arch,
        alpha=options.alpha,
        image_size=options.image_size,
        data=options.data,
        weights=options.weights,
        epochs=options.epochs,
        qat_steps=options.qat_steps,
        weights_per=weights_per,
        seed=seed,
        threads=THREADS,
    )
    if not config.quantise.steps:
        sys.exit("expected at least one step of `--qat-steps`")
    return config


def _measure(config: BuildConfig, root: Path) -> Row:
    """Build, and judge on the test images: the training and its choice saw the others only."""
    report = build.build(config, root)
    build.require(report)
    test = pixel_store.read(root / "data")["test"]
    floats = np.load(root / "train/logits.npy", allow_pickle=False).argmax(axis=1)
    ptq, qat = (_answers(root / f"quantise/{name}.tflite", test.pixels) for name in (PTQ, QAT))
    right, also = ptq == test.labels, qat == test.labels
    only_ptq, only_qat = int((right & ~also).sum()), int((also & ~right).sum())
    return Row(
        seed=config.train.seed,
        weights_per=config.quantise.weights_per,
        images=len(test.labels),
        float_right=int((floats == test.labels).sum()),
        ptq_right=int(right.sum()),
        qat_right=int(also.sum()),
        only_ptq=only_ptq,
        only_qat=only_qat,
        p=mcnemar(only_ptq, only_qat),
        ptq_same=int((ptq == floats).sum()),
        qat_same=int((qat == floats).sum()),
        shipped=next(line.name.split()[0] for line in report.scores[1:] if line.shipped),
    )


def _answers(file: Path, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    run = logits_runner(tflite_reader.read_file(file), threads=THREADS)
    return run(np.ascontiguousarray(pixels)).argmax(axis=1)


def _line(row: Row) -> str:
    rights = " | ".join(
        f"{count} ({low:.1%} to {high:.1%})"
        for count in (row.float_right, row.ptq_right, row.qat_right)
        for low, high in [wilson(count, row.images)]
    )
    return (
        f"| {row.weights_per} | {row.seed} | {rights} | {row.only_ptq}, {row.only_qat} "
        f"| {row.p:.2g} | {row.ptq_same}, {row.qat_same} | {row.shipped} |"
    )


def _sum(rows: list[Row]) -> None:
    """Print what all networks give together; their images are the same, so there is no p."""
    only_ptq, only_qat = (
        sum(getattr(row, name) for row in rows) for name in ("only_ptq", "only_qat")
    )
    print(
        f"weights per {rows[0].weights_per}, {len(rows)} networks, {rows[0].images} images each: "
        f"right only in PTQ {only_ptq}, only in QAT {only_qat}; QAT shipped "
        f"{sum(row.shipped == QAT for row in rows)} times, worse by the test "
        f"{sum(row.worse for row in rows)} times"
    )


if __name__ == "__main__":
    main()
