"""A folder of photos becomes a data set, or an error says what is wrong with it."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from unit.data.conftest import jpeg

from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.progress import Event
from mobiledeploy.data import image_files
from mobiledeploy.data.folder import load
from mobiledeploy.data.preprocess import decode
from mobiledeploy.data.sources import open_dataset

Photos = Callable[..., Path]


def test_sub_folders_are_classes_sorted_by_name(photos: Photos) -> None:
    root = photos(dog=4, cat=3, Zebra=5)
    dataset = load(root)
    assert dataset.name == "photos"
    assert dataset.class_names == ("Zebra", "cat", "dog")
    assert dataset.image_names[:6] == (
        "Zebra/0.jpg",
        "Zebra/1.jpg",
        "Zebra/2.jpg",
        "Zebra/3.jpg",
        "Zebra/4.jpg",
        "cat/0.jpg",
    )
    assert dataset.labels.tolist() == [0] * 5 + [1] * 3 + [2] * 4
    assert sorted(np.concatenate(list(dataset.splits.values())).tolist()) == list(range(12))


def test_images_are_decoded_by_their_index(photos: Photos) -> None:
    root = photos(cat=3, dog=4)
    dataset = load(root)
    for index, name in enumerate(dataset.image_names):
        expected = decode((root / name).read_bytes(), name)
        assert np.array_equal(dataset.decode(index), expected)


def test_images_are_found_at_any_depth_and_other_files_are_ignored(photos: Photos) -> None:
    root = photos(cat=3, dog=3)
    (root / "cat" / "2023" / "may").mkdir(parents=True)
    (root / "cat" / "2023" / "may" / "deep.JPG").write_bytes(jpeg(100))
    (root / "dog" / "no suffix").write_bytes(jpeg(101))
    for name in ("notes.txt", "Thumbs.db", ".hidden.jpg", "._0.jpg", "empty"):
        (root / "dog" / name).write_bytes(b"" if name == "empty" else b"not an image")
    (root / "README.md").write_text("# My animals\n")
    for hidden in (".cache", "__MACOSX", "cat/@eaDir", "$RECYCLE.BIN"):
        (root / hidden).mkdir()
        (root / hidden / "x.jpg").write_bytes(jpeg(102))
    dataset = load(root)
    assert dataset.class_names == ("cat", "dog")
    assert dataset.image_names == (
        "cat/0.jpg",
        "cat/1.jpg",
        "cat/2.jpg",
        "cat/2023/may/deep.JPG",
        "dog/0.jpg",
        "dog/1.jpg",
        "dog/2.jpg",
        "dog/no suffix",
    )


@pytest.mark.parametrize(
    "start", [b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\x10\0\0\0WEBPVP8 "]
)
def test_images_without_suffix_are_recognised_by_their_first_bytes(
    photos: Photos, start: bytes
) -> None:
    root = photos(cat=3, dog=3)
    (root / "cat" / "image").write_bytes(start + b"rest")
    (root / "cat" / "sound").write_bytes(b"RIFF\x10\0\0\0WAVEfmt ")
    assert load(root).image_names.count("cat/image") == 1
    assert load(root).image_names.count("cat/sound") == 0


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("IMG_1.HEIC", b""),
        ("1.ppm", b""),
        ("1.PGM", b""),
        ("1.jp2", b""),
        ("1.jxl", b""),
        ("1.dng", b""),
        ("1.ico", b""),
        ("1.tga", b""),
        ("1.eps", b"%!PS"),
        ("heic", b"\0\0\0\x18ftypheic"),
        ("ppm", b"P6\n10 10 255\n"),
        ("tiff", b"II*\0"),
        ("jp2.bin", b"\0\0\0\x0cjP  \r\n\x87\n"),
    ],
)
def test_images_that_cannot_be_decoded_count_as_unreadable(
    photos: Photos, name: str, start: bytes
) -> None:
    root = photos(cat=3, dog=3)
    (root / "cat" / name).write_bytes(start)
    dataset = load(root)
    index = dataset.image_names.index(f"cat/{name}")
    with pytest.raises(RequestError, match=f"`cat/{re.escape(name)}`"):
        dataset.decode(index)


def test_files_that_are_not_images_are_counted_by_suffix(photos: Photos) -> None:
    root = photos(cat=3, dog=3)
    for name in ("a.txt", "b.TXT", "c.csv", "deep/d"):
        path = root / "cat" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("no image")
    events: list[Event] = []
    assert load(root, progress=events.append).ignored == {
        ".txt": 2, ".csv": 1, "without a suffix": 1
    }  # fmt: skip
    assert [event.message for event in events if "ignored" in event.message] == [
        "ignored files that are not images: 2 .txt, 1 .csv, 1 without a suffix"
    ]


def test_every_suffix_that_pillow_opens_is_one_of_an_image() -> None:
    Image.init()
    data = {"HDF5", "GRIB", "BUFR", "MPEG", "IPTC", "SPIDER", "MCIDAS"}  # or films
    opened = {
        suffix for suffix, name in Image.registered_extensions().items()
        if name in Image.OPEN and name not in data
    }  # fmt: skip
    assert opened <= image_files._SUFFIXES


def test_classes_whose_names_look_equal_are_named(photos: Photos) -> None:
    root = photos(Dog=3, dog=3, cat=3)
    events: list[Event] = []
    load(root, progress=events.append)
    assert "two classes have names that look equal: 'Dog' and 'dog'" in [
        event.message for event in events
    ]


def test_any_file_name_is_accepted(photos: Photos) -> None:
    root = photos(**{"Füchse 狐": 3, "it's 50 %": 3})
    folder = root / "Füchse 狐"
    (folder / "new\nline \x1b[31m.jpg").write_bytes(jpeg(200))
    Path(os.fsdecode(bytes(folder / "latin-") + b"\xe9.jpg")).write_bytes(jpeg(201))
    dataset = load(root)
    assert dataset.class_names == ("Füchse 狐", "it's 50 %")
    assert "Füchse 狐/new\\nline \\x1b[31m.jpg" in dataset.image_names
    assert "Füchse 狐/latin-\\udce9.jpg" in dataset.image_names
    for index in range(len(dataset.labels)):
        assert dataset.decode(index).shape == (24, 32, 3)


@pytest.mark.parametrize("name", ["two\nlines", "\x1b[31mred", "\u2028", os.fsdecode(b"\xe9")])
def test_a_class_name_must_be_one_line_of_text(photos: Photos, name: str) -> None:
    root = photos(**{"cat": 3, name: 3})
    with pytest.raises(RequestError, match="control characters") as caught:
        load(root)
    assert str(caught.value).isprintable()


def test_moving_and_renaming_changes_neither_split_nor_digest(
    photos: Photos, tmp_path: Path
) -> None:
    root = photos(cat=20, dog=30)
    before = load(root)
    shutil.move(root, tmp_path / "elsewhere")
    after = load(tmp_path / "elsewhere")
    assert after.digest == before.digest
    for part, indices in before.splits.items():
        assert np.array_equal(indices, after.splits[part])


def rename(root: Path) -> None:
    (root / "cat" / "0.jpg").rename(root / "cat" / "00.jpg")


def edit(root: Path) -> None:
    path = root / "cat" / "0.jpg"
    data = bytearray(path.read_bytes())
    data[-30] ^= 1
    path.write_bytes(data)


def add(root: Path) -> None:
    (root / "dog" / "new.jpg").write_bytes(jpeg(300))


def relabel(root: Path) -> None:
    (root / "cat" / "1.jpg").rename(root / "dog" / "9.jpg")


def rename_class(root: Path) -> None:
    (root / "cat").rename(root / "cats")


@pytest.mark.parametrize("change", [rename, edit, add, relabel, rename_class])
def test_any_other_change_changes_the_digest(
    photos: Photos, change: Callable[[Path], None]
) -> None:
    root = photos(cat=4, dog=4)
    before = load(root).digest
    assert load(root).digest == before
    change(root)
    assert load(root).digest != before


def test_the_folder_itself_may_be_a_link(photos: Photos, tmp_path: Path) -> None:
    root = photos(cat=3, dog=3)
    (tmp_path / "link").symlink_to(root)
    (root / "cat" / "again.jpg").symlink_to(root / "cat" / "0.jpg")
    dataset = load(tmp_path / "link")
    assert "cat/again.jpg" in dataset.image_names
    assert dataset.name == "photos"


def test_links_out_of_the_folder_are_refused(photos: Photos, tmp_path: Path) -> None:
    root = photos(cat=3, dog=3)
    (tmp_path / "secret.jpg").write_bytes(jpeg(1))
    (root / "cat" / "x.jpg").symlink_to("../../secret.jpg")
    with pytest.raises(RequestError, match="outside the data folder") as caught:
        load(root)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["cat", "cat/more"])
def test_linked_folders_out_of_the_folder_are_refused(
    photos: Photos, tmp_path: Path, name: str
) -> None:
    root = photos(dog=3, fox=3)
    photos(tmp_path / "outside", cat=3)
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).symlink_to(tmp_path / "outside" / "cat")
    with pytest.raises(RequestError, match="outside the data folder"):
        load(root)


def test_a_folder_that_links_to_itself_is_refused(photos: Photos) -> None:
    root = photos(cat=3, dog=3)
    (root / "cat" / "loop").symlink_to(root / "cat")
    with pytest.raises(RequestError, match="links to a folder"):
        load(root)


@pytest.mark.parametrize("name", ["gone.jpg", "self.jpg"])
def test_broken_links_are_refused(photos: Photos, name: str) -> None:
    root = photos(cat=3, dog=3)
    (root / "cat" / name).symlink_to("self.jpg")
    with pytest.raises(RequestError, match=rf"{name} is a broken link"):
        load(root)


def test_only_regular_files_are_opened(photos: Photos) -> None:
    root = photos(cat=3, dog=3)
    os.mkfifo(root / "cat" / "pipe.jpg")
    assert "cat/pipe.jpg" not in load(root).image_names


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"no folder .*photos") as caught:
        load(tmp_path / "photos")
    assert "sub-folder per class" in str(caught.value.hint)


def test_a_file_instead_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photos.zip").write_bytes(b"PK")
    with pytest.raises(RequestError, match=r"received the file .*photos\.zip"):
        load(tmp_path / "photos.zip")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"at least two classes .* received no images"):
        load(tmp_path)


def test_one_class_is_refused(photos: Photos) -> None:
    with pytest.raises(RequestError, match=r"at least two classes .* received only `cat`"):
        load(photos(cat=5))


def test_the_hint_names_a_sub_folder_that_holds_the_classes(photos: Photos) -> None:
    root = photos()
    photos(root / "animals", cat=3, dog=3)
    with pytest.raises(RequestError, match="received only `animals`") as refused:
        load(root)
    assert refused.value.hint == f"if the classes are in {root / 'animals'}, name that folder"


def test_a_class_without_a_name_is_refused(photos: Photos) -> None:
    with pytest.raises(RequestError, match="is blank"):
        load(photos(**{"cat": 3, " ": 3}))


def test_a_class_without_images_is_refused(photos: Photos) -> None:
    root = photos(cat=3, dog=3, fox=0)
    (root / "fox" / "readme.txt").write_text("later")
    with pytest.raises(RequestError, match=r"class `fox` has no images .* other files: 1 \.txt"):
        load(root)


def test_photos_to_calibrate_on_or_to_compare_on_need_no_classes(photos: Photos) -> None:
    folder = photos(cat=5, dog=3) / "cat"
    dataset = load(folder, purpose="calibration")
    assert dataset.class_names == ()
    assert dataset.image_names == ("0.jpg", "1.jpg", "2.jpg", "3.jpg", "4.jpg")
    assert all(len(indices) for indices in dataset.splits.values())
    compared = load(folder, purpose="comparison")
    assert (compared.class_names, len(compared.splits["test"])) == ((), 5)
    with pytest.raises(RequestError, match="5 images belong to no class"):
        load(folder)


def test_photos_to_calibrate_on_may_be_in_one_folder(photos: Photos) -> None:
    root = photos(all=5)
    dataset = load(root, purpose="calibration")
    assert dataset.class_names == ("all",)
    assert all(len(dataset.splits[part]) for part in ("train", "test"))
    for path in (root / "all").iterdir():
        path.unlink()
    (root / "all").rmdir()
    photos(root / "animals", cat=3, dog=3)
    with pytest.raises(RequestError) as refused:
        load(root, purpose="calibration")
    assert "name that folder" in (refused.value.hint or "")


def test_a_folder_without_photos_to_calibrate_on_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"expected photos in .*, received none"):
        load(tmp_path, purpose="calibration")
    (tmp_path / "a.md").touch()
    with pytest.raises(RequestError, match=r"received other files only \(1 \.md\)"):
        load(tmp_path, purpose="calibration")


def test_images_outside_the_classes_are_refused(photos: Photos) -> None:
    root = photos(cat=3, dog=3)
    (root / "stray.jpg").write_bytes(jpeg(1))
    with pytest.raises(RequestError, match=r"an image belongs to no class.*stray\.jpg"):
        load(root)


def test_the_hint_for_a_folder_without_classes_is_the_expected_layout(tmp_path: Path) -> None:
    for index in range(4):
        (tmp_path / f"{index}.jpg").write_bytes(jpeg(index))
    with pytest.raises(RequestError, match="4 images belong to no class") as caught:
        load(tmp_path)
    assert "photos/cat/1.jpg" in str(caught.value.hint)


def test_an_error_names_a_file_that_disappears(photos: Photos) -> None:
    root = photos(cat=3, dog=3)
    dataset = load(root)
    (root / "cat" / "1.jpg").unlink()
    with pytest.raises(RequestError, match=r"cannot read .*cat/1\.jpg: No such file"):
        dataset.decode(1)


def test_progress_is_reported_while_hashing(photos: Photos) -> None:
    events: list[Event] = []
    load(photos(cat=3, dog=4), progress=events.append)
    assert [(event.done, event.total) for event in events] == [(7, 7)]


def test_a_source_is_the_digits_or_a_folder(photos: Photos) -> None:
    assert open_dataset(str(photos(cat=3, dog=3))).class_names == ("cat", "dog")
    with pytest.raises(RequestError, match="no folder digit"):
        open_dataset("digit")
