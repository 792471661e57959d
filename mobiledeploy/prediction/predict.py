"""Answer photos in all files: the likeliest classes of each."""

import dataclasses
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.data.dataset import Pixels
from mobiledeploy.data.preprocess import decode
from mobiledeploy.prediction import classifiers, photos
from mobiledeploy.prediction.classifiers import NOTHING, Classifier, Classifiers, Said
from mobiledeploy.prediction.photos import Photo
from mobiledeploy.prediction.report import (
    Candidate,
    Difference,
    PhotoAnswer,
    PredictionReport,
    UnreadablePhoto,
)
from mobiledeploy.runtimes import table
from mobiledeploy.runtimes.child import Children

TOP: Final = 5
"""Likeliest classes that are given of each photo."""
BATCH: Final = 32
"""Photos that are in memory at a time."""
TILE: Final = 192
"""Side of a photo in the picture, pixels."""
MOST_TILES: Final = 200
"""Most photos that are kept for the picture."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predicted:
    """A report, with the photos that it is about.

    Attributes:
        report: The report.
        tiles: The first photos of the report, each as the network sees it, but in `TILE` pixels:
            uint8, shape (TILE, TILE, 3). Empty if no picture is wanted.
    """

    report: PredictionReport
    tiles: tuple[Pixels, ...]


def predict(
    names: Sequence[Path],
    files: Sequence[Path] = (),
    *,
    build: Path | None = None,
    said: Said = NOTHING,
    top: int = TOP,
    picture: bool = False,
    progress: Progress = silent,
) -> Predicted:
    """Return the likeliest classes of photos, in the runtime of each file.

    Args:
        names: Photos and folders of photos.
        files: One or two model files; none with `build`.
        build: A build folder, whose two files answer; None with `files`.
        said: What the user says about the files.
        top: How many classes to give of each photo, all if there are fewer.
        picture: Whether to keep photos for a picture.
        progress: Called after every batch.

    Raises:
        RequestError: There are no photos, or see `classifiers.open_files`.
        MobileDeployError: See `classifiers.open_files` and `Classifier.answer`.
    """
    wanted = photos.find(names)
    threads = min(os.cpu_count() or 1, len(wanted.photos))
    with Children() as children:
        if build is not None:
            children.start([table.primary("tflite"), table.primary("onnx")])
            opened = classifiers.open_build(build, said, children, threads=threads)
        else:
            opened = classifiers.open_files(files, said, children, threads=threads)
        answered: list[PhotoAnswer] = []
        unreadable = list(wanted.unreadable)
        tiles: list[Pixels] = []
        with ThreadPoolExecutor(max(threads, len(opened.files))) as pool:
            for batch in _batches(wanted.photos, opened, pool, picture=picture):
                unreadable += batch.unreadable
                if batch.names:
                    answered += _answers(opened, batch, pool, top=top)
                    tiles += batch.tiles[: MOST_TILES - len(tiles)]
                done = len(answered) + len(unreadable) - len(wanted.unreadable)
                progress(Event("predict", "answering photos", done, len(wanted.photos)))
    report = PredictionReport(
        files=tuple(classifier.facts for classifier in opened.files),
        classes=opened.classes,
        labels_by=opened.labels_by,
        image_size=opened.image_size,
        crop=opened.crop,
        photos=tuple(answered),
        unreadable=tuple(unreadable),
        differing=sum(photo.equal is False for photo in answered),
        others=wanted.others,
    )
    return Predicted(report=report, tiles=tuple(tiles))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Batch:
    """Photos that were decoded together.

    Attributes:
        names: Names of those that could be decoded.
        pixels: As the network sees them, uint8, shape (photos, height, width, 3).
        tiles: See `Predicted`.
        unreadable: The others.
    """

    names: tuple[str, ...]
    pixels: Pixels
    tiles: tuple[Pixels, ...]
    unreadable: tuple[UnreadablePhoto, ...]


def _batches(
    wanted: Sequence[Photo], opened: Classifiers, pool: ThreadPoolExecutor, *, picture: bool
) -> Iterator[_Batch]:
    def read(photo: Photo) -> tuple[Pixels, Pixels | None] | UnreadablePhoto:
        try:
            pixels = decode(photo.path.read_bytes(), photo.name)
        except RequestError as error:
            return UnreadablePhoto(name=photo.name, reason=str(error))
        except OSError as error:
            reason = f"cannot read {photo.name}: {error.strerror}"
            return UnreadablePhoto(name=photo.name, reason=reason)
        tile = opened.fit(pixels, size=(TILE, TILE)) if picture else None
        return opened.fit(pixels), tile

    for start in range(0, len(wanted), BATCH):
        some = wanted[start : start + BATCH]
        results = list(zip(some, pool.map(read, some), strict=True))
        decoded = [
            (photo.name, *result)
            for photo, result in results
            if not isinstance(result, UnreadablePhoto)
        ]
        yield _Batch(
            names=tuple(name for name, _, _ in decoded),
            pixels=np.array([pixels for _, pixels, _ in decoded], np.uint8),
            tiles=tuple(tile for _, _, tile in decoded if tile is not None),
            unreadable=tuple(
                result for _, result in results if isinstance(result, UnreadablePhoto)
            ),
        )


def _answers(
    opened: Classifiers, batch: _Batch, pool: ThreadPoolExecutor, *, top: int
) -> Iterator[PhotoAnswer]:
    outputs = list(pool.map(lambda classifier: classifier.answer(batch.pixels), opened.files))
    values = [
        classifier.values(given) for classifier, given in zip(opened.files, outputs, strict=True)
    ]
    one_grid = len({classifier.grid for classifier in opened.files}) == 1
    for row, name in enumerate(batch.names):
        difference = None
        if len(opened.files) > 1:
            codes = None
            if one_grid and opened.files[0].grid is not None:
                codes = int(np.abs(outputs[0][row] - outputs[1][row]).max())
            difference = Difference(
                same_top1=bool(values[0][row].argmax() == values[1][row].argmax()),
                codes=codes,
                values=float(np.abs(values[0][row] - values[1][row]).max()),
            )
        yield PhotoAnswer(
            name=name,
            top=tuple(
                _candidates(classifier, given[row], opened.labels, top)
                for classifier, given in zip(opened.files, outputs, strict=True)
            ),
            equal=None if difference is None else difference.same_top1 and not difference.codes,
            difference=difference,
        )


def _candidates(
    classifier: Classifier, outputs: npt.NDArray[np.generic], labels: Sequence[str], top: int
) -> tuple[Candidate, ...]:
    values = classifier.values(outputs)
    order = np.argsort(-values, kind="stable")[:top]
    return tuple(
        Candidate(
            number=number,
            label=labels[number] if labels else None,
            value=float(values[number]),
            code=None if classifier.grid is None else int(outputs[number]),
        )
        for number in order.tolist()
    )
