"""A package replaces an earlier one of its kind, or an empty file, and nothing else."""

import zipfile
from pathlib import Path

import pytest

from mobiledeploy.base.errors import RequestError
from mobiledeploy.deploy import output_names


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, entries in {
        "earlier.apk": ("AndroidManifest.xml",),
        "earlier.aar": ("AndroidManifest.xml", "classes.jar"),
        "other.zip": ("photo.jpg",),
    }.items():
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for entry in entries:
                archive.writestr(entry, b"")
    (tmp_path / "empty").touch()
    return tmp_path


@pytest.mark.parametrize("kind", ["APK", "AAR"])
def test_an_earlier_package_and_an_empty_file_may_be_replaced(
    kind: output_names.Kind, folder: Path
) -> None:
    for name in ("empty", f"earlier.{kind.lower()}", "new"):
        output_names.check(folder / name, kind)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("APK", "earlier.aar"), ("AAR", "earlier.apk"), ("APK", "other.zip"), ("AAR", "other.zip")],
)
def test_a_file_of_another_kind_is_refused(
    kind: output_names.Kind, name: str, folder: Path
) -> None:
    with pytest.raises(RequestError, match=f"exists and is no {kind}"):
        output_names.check(folder / name, kind)


@pytest.mark.parametrize(("kind", "option"), [("APK", "--apk"), ("AAR", "--library")])
def test_a_folder_is_refused_with_the_option_that_names_a_file(
    kind: output_names.Kind, option: str, folder: Path
) -> None:
    with pytest.raises(RequestError, match=f"name of an {kind}") as caught:
        output_names.check(folder, kind)
    assert option in str(caught.value.hint)
