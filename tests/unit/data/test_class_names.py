"""Names that are meant to be the same are found, others are not."""

import unicodedata
from pathlib import Path

import pytest

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.data.class_names import beside, near_twins, places, read_labels


def test_names_that_look_equal_are_pairs() -> None:
    composed, decomposed = (unicodedata.normalize(form, "Café") for form in ("NFC", "NFD"))
    names = (composed, "dog", "Dog", "cat ", decomposed, "cat", "cats", "a_b", "a b")
    assert near_twins(names) == (
        ("dog", "Dog"), (composed, decomposed), ("cat ", "cat"), ("a_b", "a b")
    )  # fmt: skip
    assert not near_twins(("cat", "dog", "cat"))


def test_a_folder_has_the_place_of_its_own_name_before_one_that_looks_equal() -> None:
    assert places(("Dog", "dog"), ("dog", "cat", "Dog")) == [2, 0]
    assert places(("golden_retriever", "DOG"), ("dog", "golden retriever")) == [1, 0]
    assert places(("bird", "cat"), ("cat", "dog")) == [None, 0]


def test_a_name_that_is_there_twice_has_no_place() -> None:
    assert places(("crane",), ("crane", "heron", "crane")) == [None]
    assert places(("CRANE",), ("crane", "Crane")) == [None]


def test_labels_beside_a_model_are_read(tmp_path: Path) -> None:
    model = tmp_path / "net.onnx"
    assert beside(model) == ()
    (tmp_path / "labels.txt").write_bytes(b"\xef\xbb\xbfcat\r\ndog\r\n\r\n")
    assert beside(model) == ("cat", "dog")
    (tmp_path / "net_labels.txt").write_text("a\n\nb\n")
    assert beside(model) == ("a", "", "b")


def test_labels_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(CorruptFileError, match="received byte 0xe9 at 3"):
        read_labels(tmp_path / "labels.txt")
