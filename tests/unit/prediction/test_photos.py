"""Photos are found where a user says, and what cannot be opened is named with its reason."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mobiledeploy.base.errors import RequestError
from mobiledeploy.prediction.photos import find


def photo(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(path)
    return path


def test_folders_are_searched_at_any_depth_in_the_order_of_their_names(tmp_path: Path) -> None:
    names = ["b/2.png", "a.png", "b/deep/er/1.png"]
    for name in (*names, ".hidden.png"):
        photo(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    os.mkfifo(tmp_path / "pipe.png")
    given = find([tmp_path])
    shown = [p.name.removeprefix(f"{tmp_path}/") for p in given.photos]
    assert shown == ["a.png", "b/2.png", "b/deep/er/1.png"]
    assert (given.unreadable, given.others) == ((), 2)


def test_what_is_named_twice_is_answered_once_in_the_order_of_the_names(tmp_path: Path) -> None:
    first, second = photo(tmp_path / "z.png"), photo(tmp_path / "a.png")
    assert [p.path for p in find([first, tmp_path, first]).photos] == [first, second]


def test_what_cannot_be_opened_is_named_and_the_rest_is_found(tmp_path: Path) -> None:
    good, outside = photo(tmp_path / "in/good.png"), photo(tmp_path / "outside.png")
    (tmp_path / "in/out.png").symlink_to(outside)
    (tmp_path / "in/broken.png").symlink_to("nowhere.png")
    (tmp_path / "in/folder").symlink_to(tmp_path)
    (tmp_path / "in/inside.png").symlink_to(good)
    given = find([tmp_path / "in", tmp_path / "missing.png", Path("/dev/zero")])
    assert [p.path.name for p in given.photos] == ["good.png", "inside.png"]
    reasons = [photo.reason for photo in given.unreadable]
    for reason, words in zip(
        reasons, ["broken link", "outside", "outside", "there is no file", "device"], strict=True
    ):
        assert words in reason


def test_a_link_that_a_user_names_is_followed(tmp_path: Path) -> None:
    photo(tmp_path / "photos/a.png")
    (tmp_path / "link").symlink_to("photos")
    (tmp_path / "link.png").symlink_to("photos/a.png")
    assert len(find([tmp_path / "link", tmp_path / "link.png"]).photos) == 2


def test_nothing_to_answer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(RequestError, match="received none among 1 other files"):
        find([tmp_path])
    with pytest.raises(RequestError, match=r"none that can be opened: there is no file nope\.png"):
        find([Path("nope.png")])
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(RequestError, match="received the build folder") as caught:
        find([tmp_path])
    assert "--build" in str(caught.value.hint)
