"""Find the photos that a user named, in folders too."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.files import printable, require_file
from mobiledeploy.data import image_files
from mobiledeploy.prediction.report import UnreadablePhoto
from mobiledeploy.spec import manifest


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """A file that should hold a photo.

    Attributes:
        path: The file.
        name: As the user named it, in printable characters.
    """

    path: Path
    name: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Photos:
    """What a user named.

    Attributes:
        photos: The photos, each once.
        unreadable: What cannot be opened, such as a name without a file.
        others: How many files in the folders are no images.
    """

    photos: tuple[Photo, ...]
    unreadable: tuple[UnreadablePhoto, ...]
    others: int


def find(names: Sequence[Path]) -> Photos:
    """Return the photos that are named, and those anywhere in the folders that are named.

    Links to files that are named themselves are followed. Those in a folder must not lead out of
    it, nor to a folder. Hidden files are not looked at.

    Args:
        names: Files and folders.

    Raises:
        RequestError: There is nothing to answer, or a folder is a build.
    """
    photos: list[Photo] = []
    unreadable: list[UnreadablePhoto] = []
    others = 0
    for name in names:
        if name.is_dir():
            inside = _in_folder(name)
            photos += inside.photos
            unreadable += inside.unreadable
            others += inside.others
            continue
        try:
            require_file(name, hint="name a photo, or a folder of photos")
            photos.append(Photo(path=name, name=printable(name)))
        except (RequestError, OSError) as error:
            unreadable.append(_unreadable(name, error))
    if not photos:
        reasons = "; ".join(photo.reason for photo in unreadable) or "nothing was named"
        raise RequestError(
            f"expected photos, received none that can be opened: {reasons}",
            hint="mobiledeploy predict photo.jpg, or mobiledeploy predict photos/",
        )
    return Photos(
        photos=tuple(dict.fromkeys(photos)),
        unreadable=tuple({photo.name: photo for photo in unreadable}.values()),
        others=others,
    )


def _in_folder(folder: Path) -> Photos:
    """Return what a folder holds.

    Raises:
        RequestError: It holds no images, or is a build.
    """
    shown = printable(folder)
    if (folder / manifest.NAME).is_file():
        raise RequestError(
            f"expected photos, received the build folder {shown}",
            hint=f"name it with `--build {shown}`, and photos beside it",
        )
    photos: list[Photo] = []
    unreadable: list[UnreadablePhoto] = []
    others = 0
    for path, error in _walk(folder, folder.resolve()):
        try:
            if error is not None:
                raise error
            image = path.is_file() and image_files.is_image(path)
        except RequestError as refusal:
            unreadable.append(_unreadable(path, refusal))
            continue
        if image:
            photos.append(Photo(path=path, name=printable(path)))
        else:
            others += 1
    if not photos and not unreadable:
        beside = f" among {others} other files" if others else ""
        raise RequestError(
            f"expected photos in {shown}, received none{beside}",
            hint="name a folder with photos in it, at any depth",
        )
    return Photos(photos=tuple(photos), unreadable=tuple(unreadable), others=others)


def _walk(folder: Path, root: Path) -> Iterator[tuple[Path, RequestError | None]]:
    """Yield the files in a folder at any depth, each with the reason if it cannot be opened."""
    try:
        entries = image_files.entries(folder)
    except RequestError as error:
        yield folder, error
        return
    for path in entries:
        try:
            if path.is_symlink():
                image_files.check_link(path, root)
        except RequestError as error:
            yield path, error
            continue
        if path.is_dir():
            yield from _walk(path, root)
        else:
            yield path, None


def _unreadable(path: Path, error: Exception) -> UnreadablePhoto:
    return UnreadablePhoto(name=printable(path), reason=str(error))
