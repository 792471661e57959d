"""Reproduce the table for which per-channel weights and quantisation-aware training exist.

    python benchmarks/collapse.py --weights mobilenet_v2.h5 --images photos --labels labels.txt

With one scale for all weights of a layer, a MobileNet that is rounded after training answers by
chance; with a scale a channel, or after training with fake quantisation, nearly as in float.
See README.md beside this file. Its exit status does not depend on the results.
"""

import argparse
import dataclasses
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from peer.channel_spread import spread, without_relu6
from peer.task import move_off_grid, read_build, read_photos

from mobiledeploy.accuracy.agreement import compare
from mobiledeploy.data.pixels import Images
from mobiledeploy.integer.certify import exact_ranges
from mobiledeploy.integer.graph import IntegerGraph
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.models.registry import architecture
from mobiledeploy.network import weight_matching
from mobiledeploy.network.fold import fold
from mobiledeploy.network.network import Network
from mobiledeploy.pipeline import build, ladder
from mobiledeploy.pipeline.float_logits import float_logits
from mobiledeploy.pipeline.int8_logits import logits_runner
from mobiledeploy.spec import defaults
from mobiledeploy.spec.config import WEIGHTS_PER, FineTuneConfig
from mobiledeploy.training import fine_tune, tensorflow_setup
from mobiledeploy.training.augment import Augmentation
from mobiledeploy.verify.outputs.accuracy import wilson

THREADS = os.cpu_count() or 1
DIGITS_CALIBRATION = 256


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """A float network with images.

    Attributes:
        name: What it is.
        network: The network.
        calibration: Images that decide ranges and are trained with, uint8.
        judges: Others, that judge.
        labels: Their classes.
        augment: How images are varied in training.
        learning_rate: Peak of the schedule of the training.
    """

    name: str
    network: Network
    calibration: npt.NDArray[np.uint8]
    judges: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    augment: Augmentation
    learning_rate: float


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as temporary:
        for case in _cases(options, Path(temporary)):
            _measure(case, options.steps)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Per-tensor weights, per-channel weights, QAT.")
    parser.add_argument("--weights", type=Path, help="Keras applications .h5 of V2 1.0 224")
    parser.add_argument("--images", type=Path, help="a folder of photos, by class")
    parser.add_argument("--labels", type=Path, help="class names in the network's order")
    parser.add_argument("--off-grid", action="store_true", help="see peers.py")
    parser.add_argument("--calibration", type=int, default=256, help="photos that calibrate")
    parser.add_argument("--judges", type=int, help="most photos that judge; default: all others")
    parser.add_argument("--steps", type=int, default=300, help="steps of the training")
    parser.add_argument("--learning-rate", type=float, default=1e-4, help="of V2's training")
    parser.add_argument("--no-v1", action="store_true", help="only the network of --weights")
    options = parser.parse_args()
    if options.weights and not (options.images and options.labels):
        parser.error("--weights needs --images and --labels")
    return options


def _cases(options: argparse.Namespace, folder: Path) -> Iterator[Case]:
    if not options.no_v1:
        yield _v1(folder)
    if options.weights:
        yield _v2(options, folder)


def _v1(folder: Path) -> Case:
    """Train V1 0.25 on the built-in digits, and spread its channels."""
    config = defaults.decide(arch="v1", qat_steps=0, threads=THREADS)
    build.build(config, folder / "digits")
    network, train, test = read_build(folder / "digits")
    return Case(
        name="V1 0.25 32, digits, ReLU, channels spread over 2^-3..3",
        network=spread(without_relu6(network), seed=0),
        calibration=np.array(train.pixels[:DIGITS_CALIBRATION]),
        judges=np.array(test.pixels),
        labels=test.labels,
        augment="digits",
        learning_rate=1e-3,
    )


def _v2(options: argparse.Namespace, folder: Path) -> Case:
    """Read V2 1.0 224 and photos."""
    path = folder / "weights.h5"
    shutil.copyfile(options.weights, path)
    if options.off_grid:
        path.chmod(0o600)
        move_off_grid(path, seed=0)
    names = options.labels.read_text().splitlines()
    layers = architecture("v2", alpha=1.0, image_size=224, classes=len(names))
    pixels, labels = read_photos(options.images, names, 224, seed=0)
    count = options.calibration
    end = None if options.judges is None else count + options.judges
    return Case(
        name="V2 1.0 224, ImageNet" + (", weights off the int8 grid" if options.off_grid else ""),
        network=fold(layers, weight_matching.load(path, layers).variables),
        calibration=pixels[:count],
        judges=pixels[count:end],
        labels=labels[count:end],
        augment="photos",
        learning_rate=options.learning_rate,
    )


def _measure(case: Case, steps: int) -> None:
    floats = float_logits(case.network, case.judges, threads=THREADS)
    images = len(case.judges)
    print(
        f"\n{case.name}: {len(case.calibration)} images calibrate, {images} judge; chance is "
        f"{1 / floats.shape[1]:.1%}\n\n| weights | | right | as float | SQNR dB |\n"
        "|---|---|---|---|---|"
    )
    _row("float", "", case, floats, floats)
    for weights_per in reversed(WEIGHTS_PER):
        network = dataclasses.replace(case.network, weights_per=weights_per)
        for what, graph in _candidates(network, case, steps):
            logits = logits_runner(graph, threads=THREADS)(case.judges)
            _row(f"per {weights_per}", what, case, floats, logits)


def _candidates(network: Network, case: Case, steps: int) -> Iterator[tuple[str, IntegerGraph]]:
    """Yield the int8 networks, each as it is made."""
    plain = ladder.climb(network, case.calibration, "quick", threads=THREADS)
    yield "PTQ, plain ranges", plain.integers
    best = ladder.climb(network, case.calibration, "best", threads=THREADS)
    kept = ", ".join(rung.name for rung in best.rungs[1:] if rung.kept) or "nothing"
    yield f"`--effort best`: {kept}", best.integers
    yield f"QAT, {steps} steps, no labels", _trained(plain, case, steps)
    if network.weights_per == "tensor":
        after = _trained(best, case, steps)
        yield f"`--effort best`, then QAT, {steps} steps", after


def _trained(start: ladder.Quantised, case: Case, steps: int) -> IntegerGraph:
    """Return the integers of a network that was trained to answer as the float one."""
    tensorflow_setup.start(THREADS)
    trained = fine_tune.fine_tune(
        start.network,
        exact_ranges(start.network, start.ranges),
        Images.without_labels(case.calibration),
        FineTuneConfig(
            loss="distill",
            steps=steps,
            batch_size=16,
            learning_rate=case.learning_rate,
            seed=0,
        ),
        teacher=case.network,
        augment=case.augment,
    )
    return quantise(trained, start.ranges)


def _row(
    weights: str,
    what: str,
    case: Case,
    floats: npt.NDArray[np.float32],
    logits: npt.NDArray[np.float32],
) -> None:
    right = int((logits.argmax(axis=1) == case.labels).sum())
    agreement = compare(floats, logits)
    images = len(logits)
    cells = [
        f"{count} of {images} ({low:.1%} to {high:.1%})"
        for count in (right, agreement.same)
        for low, high in [wilson(count, images)]
    ]
    sqnr = "" if weights == "float" else f"{agreement.sqnr:.1f}"
    print(f"| {weights} | {what} | {cells[0]} | {cells[1]} | {sqnr} |")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
