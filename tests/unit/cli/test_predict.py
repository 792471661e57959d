"""`mobiledeploy predict`, as its users and their scripts see it."""

import csv
import io
import json
from pathlib import Path

import graphs
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result
from unit.cli.conftest import check

from mobiledeploy.base.errors import MobileDeployError, RequestError
from mobiledeploy.cli.main import app
from mobiledeploy.targets import tflite


def run(*arguments: str | Path) -> Result:
    """Run the command; errors are in `exception`."""
    return CliRunner().invoke(app, ["predict", "--quiet", *map(str, arguments)])


def refused(*arguments: str | Path) -> MobileDeployError:
    error = run(*arguments).exception
    assert isinstance(error, MobileDeployError)
    return error


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(np.full((20, 20, 3), 90, np.uint8)).save(path)
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.tflite"
    path.write_bytes(tflite.write(graphs.mobilenet("v1", alpha=0.25, image_size=32)))
    return path


def test_photos_that_can_be_read_are_answered_beside_those_that_cannot(
    photo: Path, model: Path
) -> None:
    broken = photo.with_name("broken.jpg")
    broken.write_bytes(photo.read_bytes()[:40])
    words: list[str | Path] = [broken, model, photo, "--top", "2"]
    done = run(*words, "--json")
    document = json.loads(done.stdout)
    check(document, "predict")
    assert [entry["name"] for entry in document["photos"]] == [str(photo)]
    assert [entry["name"] for entry in document["unreadable"]] == [str(broken)]
    assert isinstance(done.exception, RequestError)
    assert f"1 of 2 photos cannot be read: `{broken}` is no" in str(done.exception)

    rows = list(csv.DictReader(io.StringIO(run(*words, "--csv").stdout)))
    top = document["photos"][0]["top"][0]
    assert [(row["rank"], row["class"], row["value"], row["code"]) for row in rows] == [
        (str(rank), str(entry["number"]), str(entry["value"]), str(entry["code"]))
        for rank, entry in enumerate(top, 1)
    ]

    text = run(*words).stdout
    assert f"{top[0]['value']:.1%}  class {top[0]['number']}" in text
    assert "1 photo cannot be read:" in text
    assert "input: int8 code = pixel - 128" in text
    assert "by its grid" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--json", "--csv"], "expected `--json` or `--csv`, received both"),
        (["a.tflite", "--build", "build"], "expected a build or model files, received both"),
        (["a.tflite", "a.tflite"], "received a.tflite twice"),
        (["a.tflite", "b.onnx", "c.onnx"], "at most two model files, received 3"),
        (["net.keras"], r"received net\.keras"),
        (["--labels", "names.txt"], "`--labels` cannot be used with a build"),
        (["--crop", "stretch"], "`--crop` cannot be used with a build"),
        (["--input-range", "0..1"], "`--input-range` cannot be used with a build"),
        (["a.tflite", "--input-range", "7"], "expected an input range of"),
        (["a.tflite", "--crop", "round"], "expected a crop of center, stretch"),
        (["a.tflite", "--labels", "nowhere.txt"], r"no file nowhere\.txt"),
        (["a.tflite"], r"no file a\.tflite"),
        (["--build", "nowhere"], "no folder nowhere"),
        (["--out", "picture.jpg"], r"expected a name that ends in \.png"),
    ],
)
def test_a_request_that_cannot_be_meant_is_refused(
    photo: Path, words: list[str], message: str
) -> None:
    error = refused(photo, *words)
    assert isinstance(error, RequestError)
    assert error.hint
    with pytest.raises(RequestError, match=message):
        raise error


def test_no_picture_is_written_over_a_photo_or_among_photos(photo: Path, model: Path) -> None:
    before = photo.read_bytes()
    assert "is one of the photos" in str(refused(photo, model, "--out", photo))
    assert "lies among the photos" in str(
        refused(photo.parent, model, "--out", photo.with_name("new.png"))
    )
    assert photo.read_bytes() == before
    assert not photo.with_name("new.png").exists()
