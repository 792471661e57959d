"""Open a folder of photos as a data set: one sub-folder per class."""

import contextlib
import dataclasses
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np

from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.files import printable
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.data import class_names
from mobiledeploy.data.dataset import Dataset, Pixels, Split, content_digest
from mobiledeploy.data.image_files import (
    counts_by_suffix,
    images_and_others,
    in_words,
    is_image,
    visible_entries,
)
from mobiledeploy.data.preprocess import decode
from mobiledeploy.data.split import Purpose, split

LAYOUT: Final = "one sub-folder per class, such as photos/cat/1.jpg and photos/dog/2.jpg"
SPLIT_FOLDERS: Final[dict[str, Split]] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
}
"""Names of split folders in lower case; the case does not matter."""
_THREADS: Final = 4
"""Files hashed in parallel: hashing releases the interpreter lock, and waits for the disk."""
_BATCH: Final = 1024
"""Files hashed between two progress events."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LabelledFile:
    """An image file with the class and the split of its folders.

    Attributes:
        path: The file.
        class_name: The class.
        part: The split; None where the folder has no splits.
    """

    path: Path
    class_name: str
    part: Split | None


def load(path: Path, *, purpose: Purpose = "training", progress: Progress = silent) -> Dataset:
    """Return the photos under a folder; its sub-folders are the classes, sorted by name.

    Where the sub-folders are `train` and `test`, `validation` or both, by any of the names in
    `SPLIT_FOLDERS`, they are used as the splits, with the classes inside them; a missing split is
    taken from `train`.

    Hidden files are ignored. Other files that are not images are ignored, too, and an event says
    so. Every image is read once, for its hash; none is decoded.

    Args:
        path: The folder.
        purpose: What the photos are for, which decides how they are split. Only for training they
            have to be in folders of classes.
        progress: Called while files are hashed.

    Raises:
        RequestError: There is no such folder, or it does not hold labelled images.
    """
    root = _root(path)
    if purpose != "training" and not _folders(root, root):
        return _unlabelled(root, path, purpose, progress)
    photos: list[LabelledFile] = []
    others: list[Path] = []
    for part, folder in _parts(root):
        photos += _photos(folder, root=root, part=part, others=others)
    ignored = _ignored(others, progress)
    classes = tuple(sorted({photo.class_name for photo in photos}))
    for one, two in class_names.near_twins(classes):
        progress(Event("data", class_names.in_words(one, two)))
    if not classes and purpose != "training":
        raise _no_photos(path, ignored)
    further_down = _classes_further_down(root)
    if len(classes) < 2 and (purpose == "training" or further_down):
        received = f"only `{classes[0]}`" if classes else "no images"
        raise RequestError(
            f"expected images of at least two classes in {printable(path)}, received {received}",
            hint=further_down or LAYOUT,
        )
    return _dataset(root, photos, classes, purpose, ignored, progress)


def _unlabelled(root: Path, path: Path, purpose: Purpose, progress: Progress) -> Dataset:
    """Return the photos of a folder without sub-folders, which have no classes."""
    paths, others = images_and_others(root, root)
    ignored = _ignored(others, progress)
    if not paths:
        raise _no_photos(path, ignored)
    photos = [LabelledFile(path=path, class_name="", part=None) for path in paths]
    dataset = _dataset(root, photos, ("",), purpose, ignored, progress)
    return dataclasses.replace(dataset, class_names=())


def _no_photos(path: Path, ignored: Mapping[str, int]) -> RequestError:
    received = f"other files only ({in_words(ignored)})" if ignored else "none"
    return RequestError(
        f"expected photos in {printable(path)}, received {received}",
        hint="name a folder of photos, or one with a sub-folder of photos for each class",
    )


def _ignored(others: Sequence[Path], progress: Progress) -> Mapping[str, int]:
    """Return how many files are no images, by suffix, and say so."""
    ignored = counts_by_suffix(others)
    if ignored:
        progress(Event("data", f"ignored files that are not images: {in_words(ignored)}"))
    return ignored


def _dataset(
    root: Path,
    photos: Sequence[LabelledFile],
    classes: tuple[str, ...],
    purpose: Purpose,
    ignored: Mapping[str, int],
    progress: Progress,
) -> Dataset:
    paths = tuple(photo.path for photo in photos)
    names = tuple(printable(path.relative_to(root).as_posix()) for path in paths)
    label_of = {name: label for label, name in enumerate(classes)}
    labels = np.array([label_of[photo.class_name] for photo in photos], np.int64)
    contents = _hashes(paths, progress)
    given = [photo.part for photo in photos if photo.part is not None]

    def decode_photo(index: int) -> Pixels:
        return decode(_read(paths[index]), names[index])

    return Dataset(
        name=printable(root.name),
        class_names=classes,
        image_names=names,
        labels=labels,
        splits=split(labels, contents, classes, purpose=purpose, given=given or None),
        digest=content_digest(classes, names, labels, contents),
        contents=tuple(contents),
        decode=decode_photo,
        ignored=ignored,
    )


def _root(path: Path) -> Path:
    with _readable(path):
        if path.is_dir():
            return path.resolve()
        exists = path.exists()
    if exists:
        raise RequestError(f"expected a folder, received the file {printable(path)}", hint=LAYOUT)
    raise RequestError(
        f"there is no folder {printable(path)}", hint=f"name a folder with {LAYOUT}"
    )


def _parts(root: Path) -> list[tuple[Split | None, Path]]:
    """Return the folders that hold the classes, each with its split.

    `train` beside another split, with folders inside, holds splits: if these were taken for
    classes, the model would learn to tell training photos from test photos.

    Raises:
        RequestError: The folders look like splits, but are not consistent.
    """
    folders = _folders(root, root)
    parts = [SPLIT_FOLDERS.get(folder.name.lower()) for folder in folders]
    known = [part for part in parts if part is not None]
    train = next((f for f, part in zip(folders, parts, strict=True) if part == "train"), None)
    if train is None or len(set(known)) < 2 or not _folders(train, root):
        return [(None, root)]
    twice = [f for f, part in zip(folders, parts, strict=True) if part and known.count(part) > 1]
    others = [f for f, part in zip(folders, parts, strict=True) if part is None]
    without = [folder for folder in folders if not _folders(folder, root)]
    if others:
        wrong = f"`{printable(others[0].name)}` is beside them"
    elif twice:
        wrong = f"`{printable(twice[0].name)}` and `{printable(twice[1].name)}` are the same split"
    elif without:
        wrong = f"`{printable(without[0].name)}` has no folders of classes"
    else:
        return list(zip(parts, folders, strict=True))
    raise RequestError(
        f"the folders in {printable(root)} look like splits, but {wrong}",
        hint=f"move it elsewhere, or name the folder that holds the classes, such as "
        f"{printable(train)}",
    )


def _classes_further_down(root: Path) -> str | None:
    folders = _folders(root, root)
    if len(folders) == 1 and len(_folders(folders[0], root)) > 1:
        return f"if the classes are in {printable(folders[0])}, name that folder"
    return None


def _folders(folder: Path, root: Path) -> list[Path]:
    return [path for path in visible_entries(folder, root) if path.is_dir()]


def _photos(
    folder: Path, *, root: Path, part: Split | None, others: list[Path]
) -> Iterator[LabelledFile]:
    """Yield the photos of a folder of classes; files that are no images are added to `others`."""
    strays = [path for path in visible_entries(folder, root) if path.is_file() and is_image(path)]
    if strays:
        raise RequestError(
            f"{len(strays)} images belong to no class, such as {printable(strays[0])}"
            if len(strays) > 1
            else f"an image belongs to no class: {printable(strays[0])}",
            hint=f"move what belongs to none; expected {LAYOUT}",
        )
    for class_folder in _folders(folder, root):
        name = _class_name(class_folder)
        paths, more = images_and_others(class_folder, root)
        if not paths:
            only = f", only other files: {in_words(counts_by_suffix(more))}" if more else ""
            raise RequestError(
                f"class `{name}` has no images in {printable(class_folder)}{only}",
                hint="add images, or remove the folder",
            )
        others += more
        for path in paths:
            yield LabelledFile(path=path, class_name=name, part=part)


def _class_name(folder: Path) -> str:
    """Return the class name: it must be usable as one line of `labels.txt`."""
    if printable(folder) != str(folder):
        raise RequestError(
            f"the class folder {printable(folder)} has control characters or broken text in its "
            "name",
            hint="rename the folder",
        )
    if not folder.name.strip():
        raise RequestError(
            f"the name of the class folder {printable(folder)} is blank", hint="rename the folder"
        )
    return folder.name


def _hashes(paths: Sequence[Path], progress: Progress) -> tuple[bytes, ...]:
    hashes: list[bytes] = []
    with ThreadPoolExecutor(_THREADS) as pool:
        for start in range(0, len(paths), _BATCH):
            hashes += pool.map(_sha256, paths[start : start + _BATCH])
            progress(Event("data", "hashing photos", len(hashes), len(paths)))
    return tuple(hashes)


def _sha256(path: Path) -> bytes:
    with _readable(path), path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").digest()


def _read(path: Path) -> bytes:
    with _readable(path):
        return path.read_bytes()


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RequestError(
            f"cannot read {printable(path)}: {error.strerror}",
            hint="check whether you may read the file",
        ) from error
