"""Images are decoded in order, in bounded memory; unreadable ones are left out and named."""

from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np
import pytest

from mobiledeploy.base.errors import RequestError, StorageError
from mobiledeploy.base.progress import Event
from mobiledeploy.data.dataset import Dataset, Pixels
from mobiledeploy.data.folder import load
from mobiledeploy.data.pixels import batches, load_pixels
from mobiledeploy.data.preprocess import preprocess
from mobiledeploy.data.split import undivided
from mobiledeploy.spec.config import Preprocessing

SIZE = Preprocessing(image_size=16)


def image(index: int) -> Pixels:
    """Return pixels that are unique to the index."""
    pixels: Pixels = np.full((17, 20, 3), index % 256, np.uint8)
    return np.add(pixels, np.arange(3), dtype=np.uint8, casting="unsafe")


def dataset(count: int, damaged: frozenset[int] = frozenset()) -> Dataset:
    def decode(index: int) -> Pixels:
        if index in damaged:
            raise RequestError(f"cannot decode `{index}.jpg`: it is damaged")
        return image(index)

    return Dataset(
        name="fake",
        class_names=("a", "b", "c"),
        image_names=tuple(f"{index}.jpg" for index in range(count)),
        labels=np.arange(count, dtype=np.int64) % 3,
        splits=undivided(count),
        digest="",
        contents=(b"",) * count,
        decode=decode,
    )


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("mapped", [False, True])
def test_rows_follow_the_indices(tmp_path: Path, mapped: bool, threads: int) -> None:
    data = dataset(300)
    indices = np.random.default_rng(1).permutation(300)[:201].astype(np.int64)
    path = tmp_path / "deep" / "pixels.npy" if mapped else None
    images = load_pixels(data, indices, SIZE, threads=threads, path=path)
    assert images.indices.tolist() == indices.tolist()
    assert images.labels.tolist() == (indices % 3).tolist()
    assert images.names == tuple(f"{index}.jpg" for index in indices)
    assert images.unreadable == ()
    assert images.pixels.shape == (201, 16, 16, 3)
    assert images.pixels.dtype == np.uint8
    for row, index in zip(images.pixels, indices, strict=True):
        assert np.array_equal(row, preprocess(image(int(index)), SIZE))
    if path is not None:
        assert isinstance(images.pixels, np.memmap)
        assert np.array_equal(np.load(path, allow_pickle=False), images.pixels)
        assert [p.name for p in path.parent.iterdir()] == ["pixels.npy"]


@pytest.mark.parametrize("mapped", [False, True])
def test_unreadable_images_are_left_out_and_named(tmp_path: Path, mapped: bool) -> None:
    data = dataset(300, damaged=frozenset({0, 100, 299}))
    path = tmp_path / "pixels.npy" if mapped else None
    images = load_pixels(data, np.arange(300), SIZE, path=path)
    expected = [index for index in range(300) if index not in {0, 100, 299}]
    assert images.indices.tolist() == expected
    assert images.labels.tolist() == [index % 3 for index in expected]
    assert images.pixels[:, 0, 0, 0].tolist() == [index % 256 for index in expected]
    assert [line.split("`")[1] for line in images.unreadable] == ["0.jpg", "100.jpg", "299.jpg"]


@pytest.mark.parametrize("mapped", [False, True])
def test_more_than_one_percent_unreadable_is_refused(tmp_path: Path, mapped: bool) -> None:
    data = dataset(300, damaged=frozenset({0, 100, 200, 299}))
    path = tmp_path / "pixels.npy"
    with pytest.raises(
        RequestError, match=r"4 images .* at most 3 of[\s\S]*`0\.jpg`[\s\S]*`299\.jpg`"
    ):
        load_pixels(data, np.arange(300), SIZE, path=path if mapped else None)
    assert list(tmp_path.iterdir()) == []


def test_the_limit_for_unreadable_images_is_of_the_whole_data_set() -> None:
    data = dataset(300, damaged=frozenset({7}))
    images = load_pixels(data, np.arange(20), SIZE)
    assert len(images.pixels) == 19


def test_in_a_small_data_set_every_image_must_be_readable() -> None:
    with pytest.raises(RequestError, match="1 image cannot be read, expected at most 0"):
        load_pixels(dataset(99, damaged=frozenset({50})), np.arange(99), SIZE)


def test_unreadable_images_are_also_listed_if_they_were_not_wanted() -> None:
    with pytest.raises(RequestError, match="3 images cannot be read") as caught:
        load_pixels(dataset(99, damaged=frozenset({5, 50, 98})), np.arange(90), SIZE)
    assert "`98.jpg`" in str(caught.value)


def test_all_unreadable_images_are_listed() -> None:
    bad = range(0, 600, 2)
    with pytest.raises(RequestError, match="300 images cannot be read") as caught:
        load_pixels(dataset(600, damaged=frozenset(bad)), np.arange(600), SIZE)
    first, *lines = str(caught.value).splitlines()
    assert first.endswith("expected at most 6 of the data set's 600:")
    assert [line.split("`")[1] for line in lines] == [f"{index}.jpg" for index in bad]
    with pytest.raises(RequestError) as caught:
        load_pixels(dataset(2000, damaged=frozenset(range(1500))), np.arange(2000), SIZE)
    assert str(caught.value).endswith("\n  and 500 more")


def test_progress_counts_every_image_once() -> None:
    events: list[Event] = []
    data = dataset(300, damaged=frozenset({0, 299}))
    load_pixels(data, np.arange(300), SIZE, progress=events.append, stage="training data")
    assert [event.done for event in events] == [64, 128, 192, 256, 300]
    assert {event.total for event in events} == {300}
    assert {event.stage for event in events} == {"training data"}


@pytest.mark.parametrize("mapped", [False, True])
def test_without_images_there_are_no_rows(tmp_path: Path, mapped: bool) -> None:
    path = tmp_path / "pixels.npy" if mapped else None
    images = load_pixels(dataset(5), np.empty(0, np.int64), SIZE, path=path)
    assert images.pixels.shape == (0, 16, 16, 3)


def test_an_unreadable_image_is_missing_from_its_batch_only() -> None:
    data = dataset(300, damaged=frozenset({3, 4}))
    received = list(batches(data, np.arange(300), SIZE, batch_size=2))
    assert len(received) == 150
    assert [len(batch.pixels) for batch in received[:4]] == [2, 1, 1, 2]
    assert received[1].indices.tolist() == [2]
    assert received[1].names == ("2.jpg",)
    assert len(received[2].unreadable) == 1


def test_batches_are_decoded_when_they_are_needed() -> None:
    asked = []
    data = dataset(300)

    def decode(index: int) -> Pixels:
        asked.append(index)
        return image(index)

    counting = Dataset(
        **{field: getattr(data, field) for field in data.__slots__ if field != "decode"},
        decode=decode,
    )
    stream = batches(counting, np.arange(300), SIZE, batch_size=10)
    assert isinstance(stream, Generator)
    next(stream)
    stream.close()
    assert sorted(asked) == list(range(10))


def test_an_error_names_a_path_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="cannot write"):
        load_pixels(dataset(5), np.arange(5), SIZE, path=tmp_path / "file" / "pixels.npy")


def test_a_failed_run_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "pixels.npy"
    load_pixels(dataset(5), np.arange(5), SIZE, path=path)
    before = path.read_bytes()
    with pytest.raises(RequestError):
        load_pixels(dataset(150, frozenset({100, 101})), np.arange(150), SIZE, path=path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["pixels.npy"]


def test_a_folder_with_one_damaged_photo_in_a_hundred_works(
    photos: Callable[..., Path],
) -> None:
    root = photos(cat=60, dog=60)
    (root / "cat" / "7.jpg").write_bytes(b"")
    data = load(root)
    images = load_pixels(data, np.arange(120), SIZE)
    assert len(images.pixels) == 119
    assert "cat/7.jpg" in images.unreadable[0]
    (root / "dog" / "8.jpg").write_text("404 Not Found")
    with pytest.raises(RequestError, match=r"cat/7\.jpg[^\0]*dog/8\.jpg"):
        load_pixels(load(root), np.arange(120), SIZE)
