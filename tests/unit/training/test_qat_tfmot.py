"""The twin in tf_keras computes what the int8 file will compute, with tfmot's defects handled."""

import numpy as np
import pytest

from mobiledeploy.data.pixels import Images
from mobiledeploy.data.preprocess import to_int8
from mobiledeploy.integer.quantise import quantise
from mobiledeploy.network.network import Network
from mobiledeploy.ops.architecture import INPUT
from mobiledeploy.ops.ranges import Ranges
from mobiledeploy.runtimes import litert
from mobiledeploy.spec.config import QAT_ENGINES, QatEngine, QuantiseConfig
from mobiledeploy.targets import tflite
from mobiledeploy.training import fake_quant, graph, qat, qat_tfmot
from mobiledeploy.training.calibrate import calibrate
from mobiledeploy.training.input_grid import SIGNED, limits, to_input

pytestmark = pytest.mark.tensorflow


def fake_quantised(network: Network, ranges: Ranges, images: Images) -> np.ndarray:
    weights = {name: (found.kernel, found.bias) for name, found in network.weights.items()}
    logits = graph.forward(
        network.architecture,
        to_input(images.pixels, SIGNED),
        fake_quant.layers(weights),
        observe=fake_quant.activations(ranges),
    )
    return np.asarray(logits.numpy())


def test_the_twin_computes_the_fake_quantised_network(network: Network, images: Images) -> None:
    twin = qat_tfmot.build(network, calibrate(network, images.pixels))
    inputs = to_input(images.pixels, SIGNED)
    twin.keras_model(inputs, training=True)  # kernels take their ranges
    found = twin.keras_model(inputs, training=False).numpy()
    expected = fake_quantised(network, twin.ranges(), images)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_ranges_start_where_calibration_ended_and_move_a_little(
    network: Network, images: Images
) -> None:
    calibrated = calibrate(network, images.pixels)
    twin = qat_tfmot.build(network, calibrated)
    assert twin.ranges() == calibrated
    twin.keras_model(to_input(images.pixels[:4], SIGNED), training=True)
    moved = twin.ranges()
    assert moved[INPUT] == limits(SIGNED)
    assert any(moved[name] != found for name, found in calibrated.items())
    for name, found in calibrated.items():
        np.testing.assert_allclose(moved[name], found, rtol=0.01, atol=1e-6)


@pytest.mark.parametrize("engine", QAT_ENGINES)
def test_the_int8_file_agrees_with_the_trained_network(
    engine: QatEngine, network: Network, images: Images
) -> None:
    config = QuantiseConfig(
        engine=engine, steps=5, batch_size=16, learning_rate=0.003, calibration_images=48
    )
    trained, ranges = qat.load(engine).train_quantised(
        network, calibrate(network, images.pixels), images, config, augment="none", seed=0
    )
    integers = quantise(trained, ranges)
    session = litert.load(tflite.write(integers, head="logits"))
    codes = session.run(to_int8(images.pixels))[0].astype(np.int64)
    real = (codes - integers.logits.zero_point) * integers.logits.scale
    differing = np.abs(real - fake_quantised(trained, ranges, images)) / integers.logits.scale
    assert differing.max() < 3.01
    assert differing.mean() < 0.3
    assert codes.std() > 5
