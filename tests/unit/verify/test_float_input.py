"""A float file beside an int8 one takes its own input range, or it is said that it is unknown."""

from pathlib import Path

import grey_levels
import pytest

from mobiledeploy.pipeline.quantize import quantize
from mobiledeploy.spec.channel_scaling import REVERSED, SCALINGS
from mobiledeploy.spec.results import Accuracy
from mobiledeploy.verify import pair
from mobiledeploy.verify.outputs.int8_files import Options
from mobiledeploy.verify.report import FileFacts, VerifyReport

NAMES = tuple("abcdef")
FAST = Options(only_main=True)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grey_levels.photos(tmp_path_factory.mktemp("photos"), NAMES, each=8)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> dict[str, tuple[Path, Path]]:
    """By the range of a float file: its int8 `.tflite`, and itself."""
    made = {}
    for name in ("0..1", "torchvision"):
        folder = tmp_path_factory.mktemp("pair")
        model = grey_levels.classifier(folder / "float.onnx", SCALINGS[name], len(NAMES))
        quantize(model, folder / "build", data=photos, scaling=SCALINGS[name])
        made[name] = folder / "build/model.tflite", model
    return made


def facts(report: VerifyReport) -> FileFacts:
    return next(file for file in report.files if file.name == "float.onnx")


def accuracy_of(report: VerifyReport, file: str) -> Accuracy:
    return next(score.labels for score in report.scores if score.file == file)


def test_labelled_photos_show_the_range_of_a_float_file(
    pairs: dict[str, tuple[Path, Path]], photos: Path
) -> None:
    int8, model = pairs["torchvision"]  # its input are pixels: the rest is a layer of it
    report = pair.verify(int8, model, data=str(photos), options=FAST)
    assert accuracy_of(report, "float.onnx") == Accuracy(correct=48, total=48)
    assert facts(report).fed == SCALINGS["torchvision"].name
    choice = facts(report).input_choice
    assert choice is not None
    assert choice.chosen == "torchvision"
    assert "(chosen: of 48 images right with torchvision 100% (48)" in " ".join(report.assumptions)
    assert not any("how pixels become" in warning for warning in report.warnings)


def test_without_labels_the_int8_files_answers_show_it(
    pairs: dict[str, tuple[Path, Path]], tmp_path: Path, photos: Path
) -> None:
    int8, model = pairs["torchvision"]
    two = tmp_path / "two"
    for number, name in enumerate(NAMES):  # two folders, six classes: no labels
        (two / str(number % 2) / name).mkdir(parents=True)
        for photo in (photos / name).iterdir():
            (two / str(number % 2) / name / photo.name).write_bytes(photo.read_bytes())
    report = pair.verify(model, int8, data=str(two), options=FAST)
    assert not report.scores
    assert facts(report).fed == SCALINGS["torchvision"].name
    assert "right means the class of the other file" in " ".join(report.assumptions)


def test_where_no_range_is_plainly_the_best_the_report_says_so(
    pairs: dict[str, tuple[Path, Path]], photos: Path
) -> None:
    int8, model = pairs["0..1"]
    report = pair.verify(int8, model, data=str(photos), samples=6, options=FAST)
    assert facts(report).fed == "pixel / 255"  # as the int8 file
    choice = facts(report).input_choice
    assert choice is not None
    assert not choice.chosen
    assert any("nothing says how pixels become the input of float.onnx" in warning
               for warning in report.warnings)  # fmt: skip


def test_two_float_files_are_fed_by_the_labels(
    pairs: dict[str, tuple[Path, Path]], photos: Path, tmp_path: Path
) -> None:
    _, model = pairs["0..1"]
    other = tmp_path / "other.onnx"
    other.write_bytes(model.read_bytes())
    report = pair.verify(model, other, data=str(photos), options=FAST)
    assert report.holds
    assert [score.labels.correct for score in report.scores] == [48, 48]
    assert {file.fed for file in report.files} == {"pixel / 255"}


def test_labelled_photos_show_that_a_float_file_takes_blue_green_red(tmp_path: Path) -> None:
    tints, scaling = grey_levels.tints(len(NAMES)), REVERSED["0..1-bgr"]
    photos = grey_levels.photos(tmp_path / "photos", NAMES, each=4, colours=tints)
    model = grey_levels.classifier(tmp_path / "float.onnx", scaling, len(NAMES), colours=tints)
    assert quantize(model, tmp_path / "build", data=photos).input_choice is not None
    report = pair.verify(tmp_path / "build/model.tflite", model, data=str(photos), options=FAST)
    assert [score.labels.correct for score in report.scores] == [24, 24]
    assert facts(report).fed == scaling.name
