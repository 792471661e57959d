"""The input range is chosen by labelled photos, or refused with the numbers."""

from pathlib import Path

import grey_levels
import numpy as np
import pytest
import small_floats

from mobiledeploy.base.errors import RequestError
from mobiledeploy.network.importers import sources
from mobiledeploy.network.importers.imported import Imported
from mobiledeploy.pipeline import input_range
from mobiledeploy.pipeline.class_order import orders
from mobiledeploy.pipeline.quantize import quantize
from mobiledeploy.runtimes import litert
from mobiledeploy.spec.channel_scaling import CANDIDATES, REVERSED, SCALINGS
from mobiledeploy.targets import float_tflite

NUMBERS = tuple(sorted(str(number) for number in range(1, 13)))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grey_levels.photos(tmp_path_factory.mktemp("photos"), tuple("abcdefgh"), each=6)


@pytest.mark.parametrize("name", sorted(set(CANDIDATES) - set(REVERSED)))
def test_the_range_that_a_network_was_made_for_is_chosen(
    name: str, photos: Path, tmp_path: Path
) -> None:
    model = grey_levels.classifier(tmp_path / "model.onnx", CANDIDATES[name], 8)
    report = quantize(model, tmp_path / "build", data=photos)
    assert report.input_choice is not None
    assert report.input_choice.chosen == name
    first, *others = report.input_choice.candidates
    assert first.right.correct == first.right.total == 40  # of 48; 8 are for validation
    assert {first.name, *(other.name for other in others)} == set(CANDIDATES) - set(REVERSED)
    assert f"{name} was chosen; of 40 images right with {name} 100% (40)" in report.note
    assert report.class_order is not None
    assert report.class_order.given.correct == 40
    assert report.labels_from == "folders"
    assert not report.warnings


def test_a_range_that_is_not_plainly_better_is_refused_with_the_numbers(tmp_path: Path) -> None:
    # Two classes: -1..1 and torchvision both tell dark from bright.
    model = grey_levels.classifier(tmp_path / "model.onnx", SCALINGS["-1..1"], 2)
    two = grey_levels.photos(tmp_path / "two", ("a dark", "bright"))
    with pytest.raises(RequestError, match=r"-1\.\.1 100% \(22\), torchvision 100%") as caught:
        quantize(model, tmp_path / "build", data=two)
    assert "--input-range -1..1" in (caught.value.hint or "")
    assert not (tmp_path / "build").exists()


def test_a_permuted_head_is_suspected_where_no_range_is_better_than_guessing(
    tmp_path: Path,
) -> None:
    model = grey_levels.classifier(tmp_path / "model.onnx", SCALINGS["-1..1"], 2)
    two = grey_levels.photos(tmp_path / "two", ("dark", "bright"))  # sorted: bright, dark
    with pytest.raises(RequestError, match="check the order of the classes, too"):
        quantize(model, tmp_path / "build", data=two)


def test_photos_without_known_classes_choose_nothing(photos: Path, tmp_path: Path) -> None:
    model = grey_levels.classifier(tmp_path / "model.onnx", SCALINGS["-1..1"], 5)
    with pytest.raises(RequestError, match="does not say how pixels"):
        quantize(model, tmp_path / "build", data=photos)
    report = quantize(model, tmp_path / "build", data=photos, scaling=SCALINGS["-1..1"])
    assert report.labels_from == "numbers"
    assert "accuracy is not counted: 8 of 8 folders" in report.warnings[0]


def test_a_wrong_order_of_the_classes_does_not_hide_the_range(tmp_path: Path) -> None:
    model = grey_levels.classifier(tmp_path / "model.onnx", SCALINGS["0..1"], 12)
    imported = sources.read(model)
    labels = np.repeat(np.arange(12), 4)
    level = np.array([int(name) - 1 for name in NUMBERS])[labels]
    pixels = np.empty((48, 16, 16, 3), np.uint8)
    pixels[:] = grey_levels.levels(12)[level].astype(np.uint8)[:, None, None, None]
    others = tuple(orders(NUMBERS).values())
    choice = input_range.choose(imported.graph, pixels, labels, others, threads=1)
    assert choice.chosen == "0..1"
    assert not input_range.choose(imported.graph, pixels, labels, (), threads=1).chosen


@pytest.mark.parametrize("name", CANDIDATES)
def test_the_order_of_the_colours_that_a_network_was_made_for_is_chosen(
    name: str, tmp_path: Path
) -> None:
    tints = grey_levels.tints(8)
    model = grey_levels.classifier(tmp_path / "m.onnx", CANDIDATES[name], 8, colours=tints)
    labels = np.repeat(np.arange(8), 4)
    pixels = np.empty((32, 16, 16, 3), np.uint8)
    pixels[:] = tints[labels].astype(np.uint8)[:, None, None]
    choice = input_range.choose(sources.read(model).graph, pixels, labels, (), threads=1)
    assert choice.chosen == choice.best == name
    assert choice.candidates[0].bgr == CANDIDATES[name].bgr
    tried = {candidate.name for candidate in choice.candidates}
    assert tried == set(CANDIDATES) - (set() if name in REVERSED else set(REVERSED))


@pytest.mark.parametrize("name", REVERSED)
def test_a_grey_network_has_no_order_of_colours(name: str) -> None:
    imported = Imported(graph=small_floats.graph((16, 16, 1), 4), source="onnx")
    with pytest.raises(RequestError, match="network of 3 channels for pixel") as caught:
        input_range.of_pixels(imported, CANDIDATES[name], "model")
    assert caught.value.hint == "leave out `-bgr`"


@pytest.mark.parametrize("name", CANDIDATES)
def test_pixels_through_the_scaled_graph_are_its_input(name: str) -> None:
    graph = small_floats.graph((20, 16, 3), 4)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 20, 16, 3)).astype(np.uint8)
    imported = Imported(graph=graph, source="onnx")
    scaled = input_range.of_pixels(imported, CANDIDATES[name], "model")
    expected, received = (
        litert.load(float_tflite.write(one)).run(values)[0]
        for one, values in (
            (graph, CANDIDATES[name].inputs(pixels)),
            (scaled, pixels.astype(np.float32)),
        )
    )
    assert np.allclose(received, expected, rtol=1e-4, atol=1e-4)
