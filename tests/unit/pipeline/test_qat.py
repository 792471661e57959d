"""An imported network is fine-tuned if it can be, and the better candidate is shipped."""

from pathlib import Path

import grey_levels
import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from mobiledeploy.base.errors import MissingDependencyError, RequestError
from mobiledeploy.data.pixels import Images
from mobiledeploy.ops.ranges import SMALLEST
from mobiledeploy.pipeline import calibrate
from mobiledeploy.pipeline.prepare import prepare, read_model
from mobiledeploy.pipeline.quantize import quantize
from mobiledeploy.runtimes import litert
from mobiledeploy.spec import defaults, manifest
from mobiledeploy.spec.channel_scaling import SCALINGS
from mobiledeploy.spec.config import RANDOM, FineTuneConfig, ImportConfig, QatLoss
from mobiledeploy.spec.results import BuildReport
from mobiledeploy.targets import float_tflite
from mobiledeploy.training import fine_tune, predict, tensorflow_graph

EXPORTS = Path(__file__).parents[1] / "network/importers/exports"
NAMES = ("a", "b", "c", "d")
SCALING = SCALINGS["0..1"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grey_levels.photos(tmp_path_factory.mktemp("photos"), NAMES)


def trained(
    out: Path, data: Path | str, loss: QatLoss = "distill", classes: int = 4
) -> BuildReport:
    model = grey_levels.classifier(out.with_suffix(".onnx"), SCALING, classes)
    config = defaults.decide_fine_tuning(loss=loss, steps=3)
    return quantize(model, out, data=data, scaling=SCALING, fine_tuning=config)


@pytest.mark.tensorflow
@pytest.mark.parametrize("loss", ["distill", pytest.param("labels", marks=pytest.mark.slow)])
def test_the_better_of_two_candidates_is_shipped_and_both_are_reported(
    loss: QatLoss, photos: Path, tmp_path: Path
) -> None:
    report = trained(tmp_path / "build", photos, loss)
    assert report.holds
    names = [line.name for line in report.scores]
    assert names == ["float", "ptq int8", "qat int8", "model.tflite", "model.onnx"]
    shipped = [line.name for line in report.scores if line.shipped]
    assert len(shipped) == 3
    counted = {"distill": "answers as the float network", "labels": "right"}[loss]
    assert report.reason.startswith(
        f"{shipped[0].removesuffix(' int8')} is shipped: {counted} on 4 validation images: ptq "
    )
    config = manifest.read(tmp_path / "build").config
    assert isinstance(config, ImportConfig)
    assert config.qat == defaults.decide_fine_tuning(loss=loss, steps=3)
    files = {path.name for path in (tmp_path / "build" / "quantise").iterdir()}
    assert files == {"network.npz", "ptq.tflite", "qat.tflite", "stage.json"}
    again = trained(tmp_path / "build", photos, loss)
    assert [time.seconds for time in again.times][-3:] == [0, 0, 0]
    assert (again.scores, again.reason) == (report.scores, report.reason)


@pytest.mark.slow
@pytest.mark.tensorflow
def test_folders_that_are_no_classes_do_for_distillation(photos: Path, tmp_path: Path) -> None:
    report = trained(tmp_path / "build", photos, classes=6)
    assert report.holds
    assert not report.scores
    assert "answers as the float network on 4 validation images" in report.reason


@pytest.mark.tensorflow
def test_a_network_of_values_is_trained_on_three_quarters_of_those_that_calibrate(
    tmp_path: Path,
) -> None:
    random = np.random.default_rng(0)
    nodes = [helper.make_node("Gemm", ["input", "kernel", "bias"], ["logits"])]
    arrays = {
        "kernel": random.normal(0, 1, (5, 3)).astype(np.float32),
        "bias": np.zeros(3, np.float32),
    }
    infos = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in (("input", [1, 5]), ("logits", [1, 3]))
    ]
    graph = helper.make_graph(
        nodes, "values", infos[:1], infos[1:],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )  # fmt: skip
    model = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), model)
    np.save(tmp_path / "values.npy", random.normal(0, 1, (64, 5)).astype(np.float32))
    config = defaults.decide_fine_tuning(steps=2)
    report = quantize(model, tmp_path / "build", data=tmp_path / "values.npy", fine_tuning=config)
    assert report.holds
    assert "answers as the float network on 8 validation images" in report.reason


def refused(out: Path, data: Path | str, loss: QatLoss = "distill", classes: int = 4) -> str:
    with pytest.raises(RequestError) as caught:
        trained(out, data, loss, classes)
    assert caught.value.hint
    assert not out.exists()
    return str(caught.value)


def test_what_cannot_be_trained_is_refused_before_photos_are_read(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object, **__: object) -> None:
        raise AssertionError("photos are read")

    monkeypatch.setattr("mobiledeploy.pipeline.known_inputs.load", read)
    out = tmp_path / "build"
    assert "received random ones" in refused(out, RANDOM)
    assert "needs folders of photos that are named" in refused(out, photos, "labels", classes=6)
    assert "outputs of a regression task" in refused(out, photos, "labels", classes=1)
    monkeypatch.setattr(tensorflow_graph, "TENSORFLOW_OPERATORS", {"conv": None})
    assert "2 of 3 layers cannot be trained" in refused(out, photos)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingDependencyError, match="training needs `tensorflow`") as caught:
        trained(out, photos)
    assert "mobiledeploy[build]" in str(caught.value.hint)


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "name",
    ["densenet121", "efficientnet_b0", "googlenet", "mobilenet_v3", "regnet_y", "shufflenet_v2"],
)
def test_every_network_of_pytorch_computes_the_same_in_training_as_in_litert(
    name: str,
) -> None:
    path = EXPORTS / f"{name}.onnx"
    prepared = prepare(read_model(path), path.name, scaling=SCALINGS["-1..1"])
    network = prepared.network
    shape = (4, *network.architecture.input_shape)
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    mean, std = network.architecture.scaling
    inputs = (pixels - np.float32(mean)) / np.float32(std)
    session = litert.load(float_tflite.write(prepared.graph))
    (expected,) = session.run(inputs)
    assert network.architecture.logits is network.architecture.output
    received = predict.predict(network, pixels)
    np.testing.assert_allclose(received, expected, atol=1e-5 * np.abs(expected).max())
    images = Images(
        pixels=pixels, labels=np.zeros(4, np.int64), indices=np.arange(4), names=("",) * 4,
        unreadable=(),
    )  # fmt: skip
    ranges = calibrate.measure(prepared.graph, inputs)
    config = FineTuneConfig(loss="distill", steps=1, batch_size=4, learning_rate=1e-3, seed=0)
    trained = fine_tune.fine_tune(network, ranges, images, config, augment="none")
    still = {
        layer
        for layer, weights in network.weights.items()
        if np.array_equal(trained.weights[layer].kernel, weights.kernel)
    }
    # All but layers that are 0 for these images have gradients.
    assert still <= {layer for layer, (_, high) in ranges.items() if high <= SMALLEST}
