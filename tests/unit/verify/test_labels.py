"""The labels of photos beside two files are taken by name, wherever names are."""

from pathlib import Path

import grey_levels
import pytest
import typer
from typer.testing import CliRunner

from mobiledeploy.base.errors import RequestError
from mobiledeploy.cli.main import app
from mobiledeploy.pipeline.quantize import quantize
from mobiledeploy.spec import results
from mobiledeploy.spec.channel_scaling import SCALINGS
from mobiledeploy.verify import pair
from mobiledeploy.verify.outputs.int8_files import Options

NAMES = ("d", "b", "a", "c")
FAST = Options(only_main=True)


@pytest.fixture
def pair_of_files(tmp_path: Path) -> tuple[Path, Path]:
    model = grey_levels.classifier(tmp_path / "model.onnx", SCALINGS["0..1"], 4)
    quantize(model, tmp_path / "build", scaling=SCALINGS["0..1"])
    (tmp_path / "build/labels.txt").unlink()
    return tmp_path / "build/model.tflite", tmp_path / "build/model.onnx"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Photos of two of the four classes."""
    grey_levels.photos(tmp_path / "all", NAMES, each=3)
    (tmp_path / "some").mkdir()
    for name in ("A", "d"):
        (tmp_path / "all" / name.lower()).rename(tmp_path / "some" / name)
    return tmp_path / "some"


def test_some_of_the_classes_count_where_the_names_are_known(
    pair_of_files: tuple[Path, Path], photos: Path
) -> None:
    unknown = pair.verify(*pair_of_files, data=str(photos), options=FAST)
    assert not unknown.scores
    assert "accuracy is not counted: the data have 2 classes, the files 4" in unknown.assumptions
    given = pair.verify(*pair_of_files, data=str(photos), labels=NAMES, options=FAST)
    assert [score.labels.correct for score in given.scores] == [6, 6]
    assert "class numbers are those of the folders' names in `--labels`" in given.assumptions
    (pair_of_files[0].parent / "labels.txt").write_text("\n".join(NAMES))
    beside = pair.verify(*pair_of_files, data=str(photos), options=FAST)
    assert beside.scores == given.scores
    assert "class numbers are those of the folders' names in labels.txt" in beside.assumptions


def test_labels_that_name_none_of_the_folders_count_nothing(
    pair_of_files: tuple[Path, Path], photos: Path
) -> None:
    report = pair.verify(*pair_of_files, data=str(photos), labels=tuple("dbac"), options=FAST)
    assert report.scores
    report = pair.verify(*pair_of_files, data=str(photos), labels=tuple("wxyz"), options=FAST)
    assert not report.scores
    assert any("not all of the folders are named in `--labels`" in words
               for words in report.assumptions)  # fmt: skip


def test_a_class_that_is_never_right_is_named_with_its_recall(
    pair_of_files: tuple[Path, Path], photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (photos / "A").rename(photos / "b")  # labelled as another class
    few = pair.verify(*pair_of_files, data=str(photos), labels=NAMES, options=FAST)
    assert not any("never right" in warning for warning in few.warnings)
    monkeypatch.setattr(results, "FEW_PHOTOS", 3)
    report = pair.verify(*pair_of_files, data=str(photos), labels=NAMES, options=FAST)
    score = report.scores[0]
    assert (score.labels.top1, score.balanced) == (0.5, 0.5)
    assert [(row.name, row.right.correct, row.right.total) for row in score.recalls] == [
        ("d", 3, 3), ("b", 0, 3)
    ]  # fmt: skip
    assert "model.tflite is never right on 1 of 2 classes: `b` (0 of 3)" in report.warnings


def test_labels_that_would_change_nothing_are_refused(
    pair_of_files: tuple[Path, Path], photos: Path, tmp_path: Path
) -> None:
    labels = tmp_path / "names.txt"
    labels.write_text("d\nb\na\n")
    one, two = map(str, pair_of_files)
    for words in ((one, two), (str(tmp_path / "build"), "--data", str(photos))):
        refused("verify", *words, "--labels", str(labels), message="would change nothing")
    refused(
        "verify", one, two, "--data", str(photos), "--labels", str(labels),
        message="expected 4 labels, one for each class, received 3",
    )  # fmt: skip
    refused("verify", one, two, "--labels", str(tmp_path / "none"), message="none")


def refused(*words: str, message: str) -> None:
    with pytest.raises((RequestError, typer.Exit), match=message) as caught:
        CliRunner().invoke(app, words, catch_exceptions=False)
    assert isinstance(caught.value, RequestError)
    assert caught.value.hint
