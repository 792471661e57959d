"""Compare the time of a training step: folded QAT, float with batch norm, and tfmot.

It measures CPU time, which other load on the machine affects less; the three take turns, and the
medians are compared. Run from the repository's root:

    python benchmarks/qat_step.py [--arch v2] [--alpha 0.35] [--image-size 96] [--batch 32]

Exits with 1 if a folded QAT step costs more than a float step.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
from peer import machine

from mobiledeploy.models import keras_builder, registry
from mobiledeploy.network import keras_model
from mobiledeploy.ops.architecture import Architecture
from mobiledeploy.training import (
    batch_norm,
    calibrate,
    qat_folded,
    qat_tfmot,
    step,
    tensorflow_graph,
    tensorflow_setup,
)
from mobiledeploy.training.augment import SIGNED
from mobiledeploy.training.loss import cross_entropy
from mobiledeploy.training.step import Adam, TrainableModel
from mobiledeploy.training.tensorflow_graph import to_input

LIMIT = 1.0
"""Of a folded QAT step's cost relative to a float step's."""
CLASSES = 10
VERSIONS = ("python", "tensorflow", "tf_keras", "tensorflow-model-optimization")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arch", default="v2")
    parser.add_argument("--alpha", type=float, default=0.35)
    parser.add_argument("--image-size", type=int, default=96)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()

    tensorflow_setup.start(options.threads)
    architecture = registry.architecture(
        options.arch, alpha=options.alpha, image_size=options.image_size, classes=CLASSES
    )
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (options.batch, *architecture.input_shape)).astype(np.uint8)
    labels = random.integers(0, CLASSES, options.batch)
    steps = {
        name: stepper(model, pixels, labels)
        for name, model in models(architecture, pixels).items()
    }
    for run in steps.values():
        run()  # traces the graph
        run()
    costs: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(options.steps):
        for name, run in steps.items():
            start = time.process_time()
            run()
            costs[name].append(time.process_time() - start)
    medians = {name: statistics.median(times) for name, times in costs.items()}

    versions = machine.versions()
    print(f"{machine.describe()['cpu']}, {options.threads} threads")
    print(", ".join(f"{name} {versions[name]}" for name in VERSIONS))
    print(f"{architecture.name}, batch {options.batch}, median of {options.steps} steps")
    for name, median in medians.items():
        print(f"{name:>8} {median * 1000:8.1f} ms CPU  {median / medians['float']:5.2f} of float")
    return int(medians["folded"] > LIMIT * medians["float"])


def models(architecture: Architecture, pixels: np.ndarray) -> dict[str, TrainableModel]:
    """Return the same network in the three forms."""
    built = keras_builder.build(architecture)
    network = keras_model.network_of(architecture, built)
    ranges = calibrate.calibrate(network, pixels)
    return {
        "float": batch_norm.model_of(architecture, built),
        "folded": qat_folded.model_of(network, tensorflow_graph.variables_of(network), ranges),
        "tfmot": qat_tfmot.wrap(network, ranges).trainable(),
    }


def stepper(model: TrainableModel, pixels: np.ndarray, labels: np.ndarray) -> Callable[[], float]:
    """Return a function that makes one step of the product's own loop."""
    run = step.build_step(
        model,
        Adam(model.variables),
        pixels,
        len(pixels),
        prepare=lambda rows, _: to_input(rows, SIGNED),
        loss=cross_entropy(CLASSES),
    )
    return lambda: run(pixels, labels, 0, 1e-5)


if __name__ == "__main__":
    sys.exit(main())
