"""Weights of Keras applications, from every file format, compute the same in our models."""

from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from mobiledeploy.models import keras_builder, registry
from mobiledeploy.network import keras_model, weight_matching
from mobiledeploy.network.fold import Variables
from mobiledeploy.network.network import Float
from mobiledeploy.ops.architecture import Architecture
from mobiledeploy.spec.config import Arch

pytestmark = [
    pytest.mark.usefixtures("without_children"),
    pytest.mark.tensorflow,
    pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file:UserWarning"),
]

SIZE, CLASSES = 32, 5
ALPHA: dict[Arch, float] = {"v1": 0.25, "v2": 0.35}
LIBRARIES = ("keras", pytest.param("tf_keras", marks=pytest.mark.slow))


def architecture(arch: Arch, **changes: Any) -> Architecture:
    common = {"image_size": SIZE, "classes": CLASSES, "head": "logits"}
    return registry.architecture(arch, alpha=ALPHA[arch], **{**common, **changes})


@cache
def our_model(arch: Arch) -> tuple[Architecture, Any]:
    """Our architecture and a model of it, whose weights every test sets."""
    made = architecture(arch)
    return made, keras_builder.build(made)


def images() -> Float:
    return np.random.default_rng(7).uniform(-1, 1, (4, SIZE, SIZE, 3)).astype(np.float32)


def run(model: Any) -> Float:
    return np.asarray(model(images(), training=False))


def pretend_training(model: Any) -> None:
    """Set random parameters and moving statistics of images, as training would leave them."""
    rng = np.random.default_rng(3)
    norms = [layer for layer in model.layers if type(layer).__name__ == "BatchNormalization"]
    for layer in norms:
        layer.momentum = 0.0
    model(rng.uniform(-1, 1, (32, SIZE, SIZE, 3)).astype(np.float32), training=True)
    for layer in norms:
        gamma, beta, mean, variance = layer.get_weights()
        gamma = rng.uniform(0.7, 1.3, gamma.shape)
        beta = rng.uniform(-0.5, 1.0, beta.shape)
        # Channels that hardly vary would blow rounding errors up.
        layer.set_weights([gamma, beta, mean, variance + 0.1 * variance.mean()])


@pytest.fixture(scope="module", params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> ModuleType:
    module: ModuleType = pytest.importorskip(request.param)
    return module


@pytest.fixture(scope="module", params=[pytest.param("v1", marks=pytest.mark.slow), "v2"])
def arch(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(scope="module")
def reference(
    library: ModuleType, arch: Arch, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Float, Any]:
    """Save a model of Keras applications in every format that its library can write."""
    applications = {
        "v1": library.applications.MobileNet, "v2": library.applications.MobileNetV2,
    }  # fmt: skip
    library.utils.set_random_seed(0)
    model = applications[arch](
        input_shape=(SIZE, SIZE, 3),
        alpha=ALPHA[arch],
        weights=None,
        classes=CLASSES,
        classifier_activation=None,
    )
    pretend_training(model)
    folder = tmp_path_factory.mktemp(f"{library.__name__}_{arch}")
    model.save(folder / "whole.keras")
    model.save_weights(folder / "only.weights.h5")
    model.save(folder / "whole.h5")
    if library.__name__ == "tf_keras":
        model.save_weights(folder / "only.h5")
    return folder, run(model), model


def assert_equal(received: Float, expected: Float, *, rounding: float) -> None:
    """Compare outputs; `rounding` is relative to their standard deviation."""
    # They must differ from image to image by far more than is allowed here.
    assert expected.std(axis=0).min() > 0.1 * expected.std()
    np.testing.assert_allclose(received, expected, rtol=0, atol=rounding * expected.std())


def test_weights_from_every_format_compute_the_same(reference: Any, arch: Arch) -> None:
    import keras

    folder, expected, theirs = reference
    ours, model = our_model(arch)
    for path in sorted(folder.iterdir()):
        # The same kernels run in Keras 3; tf_keras normalises with another one, and batch
        # normalisations of a whole model are folded.
        exact = isinstance(theirs, keras.Model) and path.name.startswith("only")
        rounding = 0 if exact else 1e-4
        model.set_weights([0 * weights for weights in model.get_weights()])
        received = weight_matching.load(path, ours)
        assert received.head
        keras_model.assign(ours, model, received.variables)
        assert_equal(run(model), expected, rounding=rounding)


def test_a_model_in_memory_can_be_folded(reference: Any, arch: Arch) -> None:
    _, expected, theirs = reference
    ours, model = our_model(arch)
    network = keras_model.network_of(ours, theirs)
    folded = {
        name: Variables(kernel=weights.kernel, bias=weights.bias)
        for name, weights in network.weights.items()
    }
    keras_model.assign(ours, model, folded)
    assert_equal(run(model), expected, rounding=1e-4)
