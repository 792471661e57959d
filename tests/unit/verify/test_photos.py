"""Photos that cannot be decoded are left out and named; the others are compared all the same."""

from pathlib import Path

import graphs
import numpy as np
import pytest
from PIL import Image

from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.progress import Event
from mobiledeploy.data.evaluation import Evaluation
from mobiledeploy.integer.certify import certify
from mobiledeploy.targets import onnx, tflite
from mobiledeploy.verify import pair
from mobiledeploy.verify.build import some
from mobiledeploy.verify.int8 import Options
from mobiledeploy.verify.photos import Photos, on_photos

GRAPH = graphs.assorted_graph()
CLASSES, EACH = GRAPH.output.shape[0], 2
BROKEN = b"\xff\xd8\xff\xe0 no image"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As many classes as the graph has, two photos each."""
    rng = np.random.default_rng(0)
    for number in range(CLASSES):
        (tmp_path / "photos" / f"class {number}").mkdir(parents=True)
        for image in range(EACH):
            pixels = rng.integers(0, 256, (20, 16, 3)).astype(np.uint8)
            path = tmp_path / "photos" / f"class {number}" / f"{image}.png"
            Image.fromarray(pixels).save(path)
    return tmp_path / "photos"


def verify(photos: Photos | None) -> Photos:
    """Decode all photos, as a verification does."""
    assert photos is not None
    images = photos.images(lambda pixels: pixels, labels=photos.dataset.labels, threads=2)
    assert len(images.pixels(0, len(images))) == len(images)
    return photos


def test_sound_photos_are_decoded_once(folder: Path) -> None:
    calls: list[Photos | None] = []

    def once(photos: Photos | None) -> Photos:
        calls.append(photos)
        return verify(photos)

    found = on_photos(folder, None, once, threads=2, progress=lambda event: None)
    assert len(calls) == 1
    assert found.warning == ""


def test_a_truncated_photo_is_left_out_and_named(folder: Path) -> None:
    path = folder / "class 1" / "0.png"
    path.write_bytes(path.read_bytes()[:200])
    (folder / "class 3" / "1.png").write_bytes(BROKEN)
    events: list[Event] = []
    found = on_photos(folder, None, verify, threads=2, progress=events.append)
    assert len(found.rows) == CLASSES * EACH - 2
    assert found.warning.startswith("2 photos were left out: ")
    assert "class 1/0.png" in found.warning
    assert "class 3/1.png" in found.warning
    assert events[-1].message == found.warning


def test_some_images_of_a_build_are_of_all_its_classes() -> None:
    """Photos stand class by class: the first ones would be of one class."""
    evaluation = Evaluation(
        pixels=np.zeros((12, 2, 2, 3), np.uint8),
        labels=np.repeat(np.arange(3), 4),
        names=tuple(map(str, range(12))),
        float_logits=np.arange(36, dtype=np.float32).reshape(12, 3),
    )
    found = some(evaluation, 6)
    assert np.bincount(found.labels).tolist() == [2, 2, 2]
    assert [int(name) * 3 for name in found.names] == found.float_logits[:, 0].tolist()
    for samples in (None, 12, 99):
        assert some(evaluation, samples).names == evaluation.names


def test_long_lists_of_missing_photos_are_cut(folder: Path) -> None:
    for path in sorted(folder.glob("*/0.png")):
        path.write_bytes(BROKEN)
    found = on_photos(folder, None, verify, threads=2, progress=lambda event: None)
    assert len(found.left_out) == CLASSES
    rest = f"; and {CLASSES - 5} more" if CLASSES > 5 else found.left_out[-1]
    assert found.warning.endswith(rest)


def test_without_a_single_photo_nothing_can_be_said(folder: Path) -> None:
    for path in folder.glob("*/*.png"):
        path.write_bytes(BROKEN)
    with pytest.raises(RequestError, match=f"none of {CLASSES * EACH} photos can be decoded"):
        on_photos(folder, None, verify, threads=2, progress=lambda event: None)


def test_another_failure_is_not_taken_for_a_photo(folder: Path) -> None:
    def refuse(photos: Photos | None) -> None:
        raise RequestError("no")

    with pytest.raises(RequestError, match="no"):
        on_photos(folder, None, refuse, threads=2, progress=lambda event: None)


def test_two_files_are_compared_on_the_photos_that_are_left(folder: Path, tmp_path: Path) -> None:
    (folder / "class 2" / "0.png").write_bytes(BROKEN)
    files = tmp_path / "a.tflite", tmp_path / "b.onnx"
    files[0].write_bytes(tflite.write(GRAPH))
    files[1].write_bytes(onnx.write(GRAPH, certify(GRAPH)))
    found = pair.observe(*files, data=str(folder), options=Options(only_main=True, keep=True))
    assert found.report.holds
    assert found.report.inputs[0].images == CLASSES * EACH - 1
    assert found.report.scores[0].labels.total == CLASSES * EACH - 1
    assert any("class 2/0.png" in said for said in found.report.warnings)
    labels = found.sets[0].labels
    assert labels is not None
    assert np.bincount(labels).tolist() == [EACH, EACH, 1, *[EACH] * (CLASSES - 3)]
