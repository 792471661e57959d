"""`predict` answers photos as a build's two files do, and as its contract says."""

import shutil
from pathlib import Path

import numpy as np
from e2e.conftest import SIZE, mobiledeploy, printed
from PIL import Image

from mobiledeploy.prediction.predict import predict


def test_a_build_answers_photos_equally_in_both_runtimes(
    small_build: Path, photos: Path, tmp_path: Path
) -> None:
    shutil.copytree(photos, tmp_path / "photos")
    (tmp_path / "photos/bar/empty.jpg").write_bytes(b"")
    words = "predict", "--build", small_build, "photos", "--top", "3", "--out", "all/picture.png"
    report = printed(mobiledeploy(*words, "--json", cwd=tmp_path, status=2), "predict")
    labels = (small_build / "labels.txt").read_text().splitlines()
    assert (len(report["photos"]), len(report["unreadable"]), report["differing"]) == (40, 1, 0)
    assert (report["labels_by"], report["image_size"]) == ("contract", [SIZE, SIZE])
    for photo in report["photos"]:
        one, two = photo["top"]
        assert one == two
        assert [entry["label"] for entry in one] == [labels[entry["number"]] for entry in one]
        assert sorted(one, key=lambda entry: -entry["value"]) == one
    with Image.open(tmp_path / "all/picture.png") as picture:
        assert min(picture.size) > 192 * 6


def test_a_file_takes_the_contract_beside_it_if_that_is_its_own(
    small_build: Path, photos: Path, tmp_path: Path
) -> None:
    copied = tmp_path / "copy"
    shutil.copytree(small_build, copied)
    photo = photos / "disc/0.jpg"
    (by_contract,) = predict([photo], [copied / "model.onnx"]).report.files
    assert by_contract.input_by == "contract"
    other = copied / "model.tflite"
    shutil.copy(copied / "model.onnx", other)  # another file of a name in the contract
    report = predict([photo], [other]).report
    assert (report.files[0].input_by, report.labels_by) == ("grid", "neighbour")
    assert np.allclose(
        [entry.value for entry in report.photos[0].top[0]],
        [entry.value for entry in predict([photo], build=small_build).report.photos[0].top[1]],
    )
