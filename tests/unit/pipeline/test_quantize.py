"""A model file becomes a build folder that takes pixels as the file was trained with."""

from pathlib import Path

import grey_levels
import numpy as np
import pytest

from mobiledeploy.base.errors import RequestError
from mobiledeploy.data.evaluation import read as read_evaluation
from mobiledeploy.network.float_graph import FloatGraph, FloatNode
from mobiledeploy.network.importers.imported import Imported
from mobiledeploy.pipeline import input_range
from mobiledeploy.pipeline.quantize import _unsupported, quantize
from mobiledeploy.spec import manifest
from mobiledeploy.spec.channel_scaling import SCALINGS, named
from mobiledeploy.spec.config import ImportConfig
from mobiledeploy.spec.results import BuildReport

NAMES = ("a", "b", "c", "d")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grey_levels.photos(tmp_path_factory.mktemp("photos"), NAMES)


def right(report: BuildReport) -> list[tuple[int, int]]:
    return [(line.test.correct, line.test.total) for line in report.scores]


@pytest.mark.parametrize(
    ("mean", "std"),
    [
        ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
        ((103.939, 116.779, 123.68), (1.0,) * 3),
        ((0.0,), (255.0,)),
    ],
)
def test_a_mean_and_std_per_channel_become_a_layer_of_both_files(
    mean: tuple[float, ...], std: tuple[float, ...], photos: Path, tmp_path: Path
) -> None:
    scaling = named(mean, std)
    model = grey_levels.classifier(tmp_path / "model.onnx", scaling, len(NAMES))
    out = tmp_path / "build"
    report = quantize(model, out, data=photos, scaling=scaling)
    assert report.holds
    assert right(report) == [(8, 8)] * 3
    config = manifest.read(out).config
    assert isinstance(config, ImportConfig)
    assert (config.mean, config.std) == (mean, std)
    # Whatever the scaling, an app's code of a pixel is `pixel - 128`, which the contract states.
    assert config.preprocessing.scaling == (0, 1 if len(mean) == 3 else 255)
    logits = read_evaluation(out / "evaluation.npz").float_logits
    assert np.ptp(logits.argmax(axis=1)) == 3


def test_another_mean_is_not_up_to_date(photos: Path, tmp_path: Path) -> None:
    model = grey_levels.classifier(tmp_path / "model.onnx", SCALINGS["torchvision"], len(NAMES))
    files = []
    for mean in ((123.675, 116.28, 103.53), (120.0, 116.28, 103.53)):
        scaling = named(mean, SCALINGS["torchvision"].std)
        quantize(model, tmp_path / "build", data=photos, scaling=scaling)
        files.append((tmp_path / "build/model.tflite").read_bytes())
    assert files[0] != files[1]


def test_without_photos_the_options_that_say_the_scaling_are_named(tmp_path: Path) -> None:
    model = grey_levels.classifier(tmp_path / "model.onnx", SCALINGS["0..1"], len(NAMES))
    with pytest.raises(RequestError, match="does not say how pixels") as caught:
        quantize(model, tmp_path / "build")
    assert caught.value.hint == input_range.not_known("").hint
    assert "--mean 123.675,116.28,103.53 --std 58.395,57.12,57.375" in (caught.value.hint or "")


def test_many_layers_with_one_fault_are_named_in_one_line() -> None:
    nodes = [
        FloatNode(
            name=f"wrapped_{number}", op="unsupported", inputs=("input",), kind="Wrapper",
            attributes={"reason": "take it off"},
        )
        for number in range(6)
    ]  # fmt: skip
    odd = FloatNode(
        name="odd", op="unsupported", inputs=tuple(node.name for node in nodes), kind="Lambda",
        attributes={"reason": "it is code"},
    )  # fmt: skip
    graph = FloatGraph(name="net", input_shape=(4, 4, 3), nodes=(*nodes, odd), output="odd")
    names = ", ".join(f"`{node.name}`" for node in nodes)
    assert list(_unsupported(Imported(graph=graph, source="keras"))) == [
        f"6 layers Wrapper: take it off: {names}",
        "`odd` (Lambda): it is code",
    ]
