"""Photos that cannot be decoded are left out and named; the others are still compared."""

import errno
import io
import tempfile
from pathlib import Path

import graphs
import numpy as np
import pytest
from PIL import Image

from mobiledeploy.base.errors import RequestError, StorageError
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.data import preprocess
from mobiledeploy.data.dataset import Pixels
from mobiledeploy.data.evaluation import Evaluation
from mobiledeploy.integer.certify import certify
from mobiledeploy.report import make_report
from mobiledeploy.targets import onnx, tflite
from mobiledeploy.verify import pair
from mobiledeploy.verify.build import some
from mobiledeploy.verify.outputs.image_sets import Decoded, choose
from mobiledeploy.verify.outputs.int8_files import Options

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


def decode(folder: Path, progress: Progress = silent) -> Decoded:
    """Decode all photos at the size that they have."""
    photos = choose(folder, None, progress=progress)
    assert photos is not None
    return photos.decode(
        lambda pixels: pixels, labels=photos.dataset.labels, threads=2, progress=progress
    )


def test_without_data_there_are_no_photos() -> None:
    assert choose(None, None, progress=silent) is None


def test_pixels_are_those_of_the_photos(folder: Path) -> None:
    photos = decode(folder)
    assert (photos.warning, len(photos.images)) == ("", CLASSES * EACH)
    for row, name in enumerate(photos.images.names):
        with Image.open(folder / name) as image:
            assert np.array_equal(photos.images.pixels(row, row + 1)[0], np.asarray(image))
    assert photos.images.labels is not None
    assert np.bincount(photos.images.labels).tolist() == [EACH] * CLASSES


def test_a_truncated_photo_is_left_out_and_named(folder: Path) -> None:
    path = folder / "class 1" / "0.png"
    path.write_bytes(path.read_bytes()[:200])
    (folder / "class 3" / "1.png").write_bytes(BROKEN)
    events: list[Event] = []
    photos = decode(folder, events.append)
    assert len(photos.images) == CLASSES * EACH - 2
    assert not {"class 1/0.png", "class 3/1.png"} & set(photos.images.names)
    assert photos.images.pixels(0, len(photos.images)).shape[0] == len(photos.images)
    assert photos.warning.startswith("2 photos were left out: ")
    assert "class 1/0.png" in photos.warning
    assert "class 3/1.png" in photos.warning
    assert events[-1].message == photos.warning


def test_some_images_of_a_build_are_of_all_its_classes() -> None:
    """Photos are sorted by class: the first ones would be of one class."""
    evaluation = Evaluation(
        pixels=np.zeros((12, 2, 2, 3), np.uint8),
        labels=np.repeat(np.arange(3), 4),
        names=tuple(map(str, range(12))),
        float_logits=np.arange(36, dtype=np.float32).reshape(12, 3),
    )
    chosen = some(evaluation, 6)
    assert chosen.labels is not None
    assert np.bincount(chosen.labels).tolist() == [2, 2, 2]
    assert [int(name) * 3 for name in chosen.names] == chosen.float_logits[:, 0].tolist()
    for samples in (None, 12, 99):
        assert some(evaluation, samples).names == evaluation.names


def test_long_lists_of_missing_photos_are_cut(folder: Path) -> None:
    for path in sorted(folder.glob("*/0.png")):
        path.write_bytes(BROKEN)
    photos = decode(folder)
    assert len(photos.left_out) == CLASSES
    rest = f"; and {CLASSES - 5} more" if CLASSES > 5 else photos.left_out[-1]
    assert photos.warning.endswith(rest)


def test_photos_of_which_none_can_be_decoded_are_refused(folder: Path) -> None:
    for path in folder.glob("*/*.png"):
        path.write_bytes(BROKEN)
    with pytest.raises(RequestError, match=f"none of {CLASSES * EACH} photos can be decoded"):
        decode(folder)


def test_another_error_is_not_mistaken_for_an_unreadable_photo(folder: Path) -> None:
    photos = choose(folder, None, progress=silent)
    assert photos is not None

    def refuse(pixels: Pixels) -> Pixels:
        raise RequestError("no")

    with pytest.raises(RequestError, match="no"):
        photos.decode(refuse, labels=None, threads=2, progress=silent)


def test_a_full_temporary_folder_is_a_storage_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda prefix: Full())
    with pytest.raises(StorageError, match="no space left"):
        decode(folder)


@pytest.mark.parametrize("broken", [False, True])
def test_every_photo_is_decoded_once(
    broken: bool, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if one cannot be decoded, the files differ, and a report is made."""
    if broken:
        (folder / "class 2" / "0.png").write_bytes(BROKEN)
    decoded: list[str] = []

    def counted(data: bytes, name: str) -> Pixels:
        decoded.append(name)
        return preprocess.decode(data, name)

    monkeypatch.setattr("mobiledeploy.data.folder.decode", counted)
    files = tmp_path / "a.tflite", tmp_path / "b.onnx"
    files[0].write_bytes(tflite.write(GRAPH))
    files[1].write_bytes(onnx.write(GRAPH, certify(GRAPH)))
    options = Options(only_main=True, keep=True, layers=True)
    observed = pair.observe(*files, data=str(folder), options=options)
    make_report.of_pair(observed, files)
    assert sorted(decoded) == sorted(set(decoded))
    assert len(decoded) == CLASSES * EACH


def test_two_files_are_compared_on_the_photos_that_are_left(folder: Path, tmp_path: Path) -> None:
    (folder / "class 2" / "0.png").write_bytes(BROKEN)
    files = tmp_path / "a.tflite", tmp_path / "b.onnx"
    files[0].write_bytes(tflite.write(GRAPH))
    files[1].write_bytes(onnx.write(GRAPH, certify(GRAPH)))
    observed = pair.observe(*files, data=str(folder), options=Options(only_main=True, keep=True))
    assert observed.report.holds
    assert observed.report.inputs[0].images == CLASSES * EACH - 1
    assert observed.report.scores[0].labels.total == CLASSES * EACH - 1
    assert any("class 2/0.png" in said for said in observed.report.warnings)
    labels = observed.sets[0].labels
    assert labels is not None
    assert np.bincount(labels).tolist() == [EACH, EACH, 1, *[EACH] * (CLASSES - 3)]
