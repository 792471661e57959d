"""The wrapped tf_keras model computes the same as the int8 file."""

import numpy as np
import pytest

from mobiledeploy.data.pixels import Images
from mobiledeploy.data.preprocess import to_int8
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.network.network import Network
from mobiledeploy.ops.architecture import INPUT
from mobiledeploy.ops.ranges import Ranges
from mobiledeploy.pipeline.calibrate import calibrate
from mobiledeploy.runtimes import litert
from mobiledeploy.spec.config import QAT_ENGINES, QatEngine, QuantiseConfig
from mobiledeploy.targets import tflite
from mobiledeploy.training import qat, qat_folded, qat_tfmot, tensorflow_graph
from mobiledeploy.training.augment import SIGNED
from mobiledeploy.training.tensorflow_graph import input_limits, to_input

pytestmark = pytest.mark.tensorflow


def fake_quantised(network: Network, ranges: Ranges, images: Images) -> np.ndarray:
    weights = {name: (each.kernel, each.bias) for name, each in network.weights.items()}
    logits = tensorflow_graph.forward(
        network.architecture,
        to_input(images.pixels, SIGNED),
        qat_folded.fake_quantised_layers(weights),
        observe=qat_folded.fake_quantised_activations(ranges),
    )
    return np.asarray(logits.numpy())


def test_the_wrapped_model_computes_the_fake_quantised_network(
    network: Network, images: Images
) -> None:
    wrapped = qat_tfmot.wrap(network, calibrate(network, images.pixels))
    inputs = to_input(images.pixels, SIGNED)
    wrapped.keras_model(inputs, training=True)  # kernels take their ranges
    received = wrapped.keras_model(inputs, training=False).numpy()
    expected = fake_quantised(network, wrapped.ranges(), images)
    np.testing.assert_allclose(received, expected, atol=1e-5)


def test_ranges_start_at_the_calibrated_ones_and_change_slightly(
    network: Network, images: Images
) -> None:
    calibrated = calibrate(network, images.pixels)
    wrapped = qat_tfmot.wrap(network, calibrated)
    assert wrapped.ranges() == calibrated
    wrapped.keras_model(to_input(images.pixels[:4], SIGNED), training=True)
    moved = wrapped.ranges()
    assert moved[INPUT] == input_limits(SIGNED)
    assert any(moved[name] != before for name, before in calibrated.items())
    for name, before in calibrated.items():
        np.testing.assert_allclose(moved[name], before, rtol=0.01, atol=1e-6)


@pytest.mark.parametrize("engine", QAT_ENGINES)
def test_the_int8_file_agrees_with_the_trained_network(
    engine: QatEngine, network: Network, images: Images
) -> None:
    config = QuantiseConfig(
        engine=engine, steps=5, batch_size=16, learning_rate=0.003, calibration_images=48
    )
    trained, ranges = qat.load(engine).train_quantised(
        network,
        calibrate(network, images.pixels),
        images,
        config,
        teacher=network,
        augment="none",
        seed=0,
    )
    integers = quantise(trained, ranges)
    session = litert.load(tflite.write(integers, head="logits"))
    codes = session.run(to_int8(images.pixels))[0].astype(np.int64)
    real = (codes - integers.logits.zero_point) * integers.logits.scale
    differing = np.abs(real - fake_quantised(trained, ranges, images)) / integers.logits.scale
    assert differing.max() < 3.01
    assert differing.mean() < 0.3
    assert codes.std() > 5
