"""`ImageSet`: images to compare on.

A build's held-back images, natural-looking synthetic ones, synthetic extremes, a user's photos.
Every photo is decoded once, before the files run. Photos that cannot be decoded are left out and
named. The pixels of the others, resized to the files' input, are kept in a temporary file for the
verification and the report.
"""

import dataclasses
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import RequestError
from mobiledeploy.base.files import Name, storage_errors
from mobiledeploy.base.progress import Event, Progress
from mobiledeploy.data import class_names
from mobiledeploy.data.dataset import Dataset, Indices, Pixels
from mobiledeploy.data.evaluation import Evaluation
from mobiledeploy.data.preprocess import centre_crop
from mobiledeploy.data.resize import resize
from mobiledeploy.data.sources import open_dataset
from mobiledeploy.ops.tensors import Shape
from mobiledeploy.spec.channel_scaling import CHANNELS
from mobiledeploy.verify.outputs.parity import Answers
from mobiledeploy.verify.report import VerifyReport

RANDOM_IMAGES = 16
IMPULSES = 8
NATURAL_IMAGES: Final = 64
_SMALLEST: Final = 8
"""Height and width of the smallest image that may look natural."""
SCENES_AT_A_TIME: Final = 2
_CANVAS: Final = 3
"""Sides of the canvas, in sides of an image."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageSet:
    """Images to compare on, made or decoded when they are needed.

    Attributes:
        name: What they are, in the plural.
        names: Name of each image.
        pixels: Returns images start..stop, uint8, shape (images, height, width, 3 or 1), or
            another one of an input that is no image.
        labels: int64, shape (images,), or None where there are none.
        float_logits: The float network's logits, float32, shape (images, classes), or None.
        recorded: Outputs that were recorded when the files were built, or None.
    """

    name: str
    names: Sequence[str]
    pixels: Callable[[int, int], Pixels]
    labels: npt.NDArray[np.int64] | None = None
    float_logits: npt.NDArray[np.float32] | None = None
    recorded: Answers | None = None

    def __len__(self) -> int:
        """Return how many images there are."""
        return len(self.names)


def held_back(evaluation: Evaluation) -> ImageSet:
    """Return a build's labelled images."""
    return ImageSet(
        name="held-back images",
        names=evaluation.names,
        pixels=lambda start, stop: evaluation.pixels[start:stop],
        labels=evaluation.labels,
        float_logits=evaluation.float_logits,
    )


def own(evaluation: Evaluation) -> tuple[ImageSet, ImageSet]:
    """Return the sets on which a build compares its files: held-back images and extremes."""
    return held_back(evaluation), synthetic_extremes(evaluation.pixels.shape[1:])


def synthetic_extremes(shape: Shape) -> ImageSet:
    """Return `extremes` as a set of images."""
    codes, names = extremes(shape)
    pixels = codes.view(np.uint8) ^ np.uint8(128)
    return ImageSet(
        name="synthetic extremes", names=names, pixels=lambda start, stop: pixels[start:stop]
    )


def natural(shape: tuple[int, int, int], *, images: int = NATURAL_IMAGES) -> ImageSet:
    """Return images with the statistics of photos: smooth, with edges, of every brightness.

    Each is a crop of one canvas whose spectrum falls with the frequency, as in photos: mirrored,
    its channels permuted, joined to another crop along an edge, with its own contrast. An image
    depends on its number only.
    """
    canvas = _canvas(max(shape[:2]) * _CANVAS)

    def pixels(start: int, stop: int) -> Pixels:
        scenes = np.empty((stop - start, *shape), np.uint8)

        grid = np.indices(shape[:2]) / max(shape[:2]) - 0.5

        def fill(first: int) -> None:
            for row in range(first, stop - start, SCENES_AT_A_TIME):
                _draw(scenes[row], canvas, grid, start + row)

        with ThreadPoolExecutor(SCENES_AT_A_TIME) as pool:
            list(pool.map(fill, range(SCENES_AT_A_TIME)))
        return scenes

    return ImageSet(
        name="natural-looking images",
        names=[f"natural {number}" for number in range(images)],
        pixels=pixels,
    )


def made_up(shape: Shape, *, images: int) -> ImageSet:
    """Return images for an input of this shape, or runs of values where it takes no image."""
    if len(shape) == 3 and shape[2] in CHANNELS and min(shape[:2]) >= _SMALLEST:
        return natural((shape[0], shape[1], shape[2]), images=images)
    return _values(shape, images)


def _values(shape: Shape, images: int) -> ImageSet:
    """Return inputs for files that take no images: runs of values with noise.

    An input depends on its number only.
    """

    def pixels(start: int, stop: int) -> Pixels:
        made = np.empty((stop - start, math.prod(shape)), np.uint8)
        for row in range(stop - start):
            rng = np.random.default_rng([2, start + row])
            run = np.cumsum(rng.normal(0, rng.uniform(1, 40), made.shape[1]))
            noise = rng.normal(0, rng.uniform(0, 60), made.shape[1])
            made[row] = np.clip(np.rint(run + noise + rng.uniform(0, 255)), 0, 255)
        return made.reshape(-1, *shape)

    return ImageSet(
        name="rows of values",
        names=[f"values {number}" for number in range(images)],
        pixels=pixels,
    )


def extremes(shape: Shape, *, seed: int = 0) -> tuple[npt.NDArray[np.int8], tuple[str, ...]]:
    """Return int8 images at the edges of what an input can hold, and their names.

    Saturated images drive accumulators to their largest values, impulses show padding and
    kernel orientation, uniform noise reaches codes that smooth photos never produce.

    Args:
        shape: (height, width, channels), or that of an input of values, which is filled like a
            row of grey pixels.
        seed: Seed of the noise and of the impulses' positions.

    Returns:
        int8 of shape (images, *shape), and a name for each image.
    """
    if len(shape) != 3:
        codes, names = extremes((1, math.prod(shape), 1), seed=seed)
        return codes.reshape(-1, *shape), names
    rng = np.random.default_rng(seed)
    height, width, channels = shape
    rows, columns = np.indices((height, width))
    checker = np.where((rows + columns) % 2, 127, -128)[..., None].repeat(channels, -1)
    ramp = np.linspace(-128, 127, width).astype(np.int64)[None, :, None]
    named: list[tuple[str, npt.NDArray[np.int8]]] = [
        ("all -128", np.full(shape, -128, np.int8)),
        ("all 127", np.full(shape, 127, np.int8)),
        ("all 0", np.zeros(shape, np.int8)),
        ("checkerboard", checker.astype(np.int8)),
        ("ramp", np.broadcast_to(ramp, shape).astype(np.int8)),
    ]
    corners = [(0, 0), (0, width - 1), (height - 1, 0), (height - 1, width - 1)]
    inside = [(int(rng.integers(height)), int(rng.integers(width))) for _ in range(IMPULSES - 4)]
    for row, column in corners + inside:
        impulse = np.full(shape, -128, np.int8)
        impulse[row, column] = 127
        named.append((f"impulse at {row},{column}", impulse))
    named += [
        # Drawn as int64: int8 would be other numbers.
        (f"uniform noise {i}", rng.integers(-128, 128, shape).astype(np.int8))
        for i in range(RANDOM_IMAGES)
    ]
    return np.stack([image for _, image in named]), tuple(name for name, _ in named)


def _canvas(side: int) -> npt.NDArray[np.float32]:
    """Return values, shape (3, side, side), mean 0, standard deviation 1.

    Their spectrum falls steeply.
    """
    rng = np.random.default_rng(0)
    frequencies = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    fall = np.maximum(frequencies, 1 / side) ** -1.5
    grey, *colours = (
        np.fft.irfft2(np.fft.rfft2(rng.normal(size=(side, side))) * fall, s=(side, side))
        for _ in range(4)
    )
    # The channels of a photo are mostly alike.
    canvas = np.stack([grey + 0.4 * colour for colour in colours], axis=-1)
    canvas -= canvas.mean()
    canvas /= canvas.std()
    return np.stack([canvas[..., channel].astype(np.float32) for channel in range(3)])


def _draw(
    scene: Pixels,
    canvas: npt.NDArray[np.float32],
    grid: npt.NDArray[np.float64],
    number: int,
) -> None:
    """Draw the scene of a number into an image of 3 channels, or 1."""
    rng = np.random.default_rng([1, number])
    height, width, channels = scene.shape
    behind, values = (_piece(canvas, height, width, rng) for _ in range(2))
    angle, offset = rng.uniform(0, 2 * np.pi), rng.uniform(-0.3, 0.3)
    rows, columns = grid
    edge = np.cos(angle) * rows + np.sin(angle) * columns > offset
    values += np.float32(rng.normal(0, 0.7))
    np.copyto(values, behind, where=edge)
    contrast, brightness = rng.uniform(25, 70), rng.uniform(70, 185)
    values *= np.float32(contrast)
    values += np.float32(brightness)
    np.clip(values, 0, 255, out=values)
    rounded = np.rint(values, out=values).astype(np.uint8)
    for channel in range(channels):
        scene[..., channel] = rounded[channel]


def _piece(
    canvas: npt.NDArray[np.float32], height: int, width: int, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Return a copy of a part of the canvas, mirrored, its channels permuted."""
    _, rows, columns = canvas.shape
    top, left = rng.integers(rows - height), rng.integers(columns - width)
    piece = canvas[:, top : top + height, left : left + width]
    turned = piece[:, :: rng.choice([-1, 1]), :: rng.choice([-1, 1])]
    return np.stack([turned[channel] for channel in rng.permutation(3)])


NAMED: Final = 5
"""Most photos left out that a report names."""
BATCH: Final = 64
"""Photos decoded between two progress events."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Photos:
    """Photos chosen from a data set, not yet decoded.

    Attributes:
        dataset: The data set.
        rows: Numbers of the chosen photos in it.
    """

    dataset: Dataset
    rows: Indices

    def decode(
        self,
        fit: Callable[[Pixels], Pixels],
        *,
        labels: Indices | None,
        threads: int,
        progress: Progress,
    ) -> "Decoded":
        """Return the photos as images, without those that cannot be decoded.

        Args:
            fit: Crops and resizes a photo to the files' input size.
            labels: Labels of all images of the data set; None if its classes are not the files'.
            threads: Photos that are decoded at a time.
            progress: Called after every few photos, and with a warning about those left out.

        Raises:
            RequestError: None of them can be decoded.
            StorageError: There is no room for the pixels in the temporary folder.
        """
        faults: list[str] = []
        decoded_rows: list[int] = []

        def blocks() -> Iterator[Pixels]:
            for rows, pixels, missing in self._in_batches(fit, threads, progress):
                faults.extend(missing)
                decoded_rows.extend(rows)
                if rows:
                    yield pixels

        pixels = _kept(blocks())
        if pixels is None:
            raise RequestError(
                f"none of {len(faults)} photos can be decoded, such as {faults[0]}",
                hint="save them again as JPEG or PNG",
            )
        images = ImageSet(
            name=f"images of {self.dataset.name}",
            names=[self.dataset.image_names[row] for row in decoded_rows],
            pixels=lambda start, stop: pixels[start:stop],
            labels=None if labels is None else labels[decoded_rows],
        )
        decoded = Decoded(images=images, left_out=tuple(faults), ignored=self.dataset.ignored)
        if decoded.warning:
            progress(Event("verify", decoded.warning, 0, None))
        return decoded

    def _in_batches(
        self, fit: Callable[[Pixels], Pixels], threads: int, progress: Progress
    ) -> Iterator[tuple[list[int], Pixels, list[str]]]:
        """Yield, per batch, the decoded rows, their pixels, and the errors of the other rows."""

        def one(row: int) -> Pixels | str:
            try:
                photo = self.dataset.decode(row)
            except RequestError as error:
                return str(error)
            return fit(photo)

        with ThreadPoolExecutor(threads) as pool:
            for start in range(0, len(self.rows), BATCH):
                wanted = self.rows[start : start + BATCH].tolist()
                results = list(zip(wanted, pool.map(one, wanted), strict=True))
                pixels = [(row, made) for row, made in results if not isinstance(made, str)]
                yield (
                    [row for row, _ in pixels],
                    np.array([made for _, made in pixels], np.uint8),
                    [made for _, made in results if isinstance(made, str)],
                )
                done = start + len(wanted)
                progress(Event("verify", "decoding photos", done, len(self.rows)))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decoded:
    """Photos resized to the files' input.

    Attributes:
        images: Those that could be decoded.
        left_out: Why each of the others could not, one line each.
        ignored: Number of files among them that are no images, by suffix.
    """

    images: ImageSet
    left_out: tuple[str, ...]
    ignored: Mapping[str, int]

    @property
    def warning(self) -> str:
        """A warning about photos left out; empty if none was."""
        if not self.left_out:
            return ""
        count = len(self.left_out)
        photos = "1 photo was" if count == 1 else f"{count} photos were"
        more = f"; and {count - NAMED} more" if count > NAMED else ""
        return f"{photos} left out: {'; '.join(self.left_out[:NAMED])}{more}"


def choose(data: Name | None, samples: int | None, *, progress: Progress) -> Photos | None:
    """Return the photos that a verification runs on; None without `data`.

    Args:
        data: See `data.sources.open_dataset`, or None.
        samples: How many to take, spread evenly over the classes; None for all.
        progress: Called while files are hashed.

    Raises:
        RequestError: There is no such data set.
    """
    if data is None:
        return None
    dataset = open_dataset(os.fspath(data), purpose="comparison", progress=progress)
    return Photos(dataset=dataset, rows=evenly(len(dataset.labels), samples))


def _kept(blocks: Iterator[Pixels]) -> Pixels | None:
    """Return blocks of images as one array, mapped from a temporary file; None if there are none.

    Memory does not grow with the number of photos, and none is decoded twice. The file is deleted
    with the array.
    """
    with tempfile.TemporaryFile(prefix="mobiledeploy-photos-") as handle:
        shape: tuple[int, ...] = ()
        count = 0
        with storage_errors(Path(tempfile.gettempdir())):
            for block in blocks:
                shape, count = block.shape[1:], count + len(block)
                handle.write(block.data)
            handle.flush()
        return np.memmap(handle, np.uint8, "r", shape=(count, *shape)) if count else None


def evenly(everything: int, samples: int | None) -> Indices:
    """Return `samples` row numbers below `everything`, spread evenly; all if there are no more."""
    rows = np.linspace(0, everything - 1, min(samples or everything, everything))
    return rows.astype(np.int64)


def with_photos(
    report: VerifyReport, decoded: Decoded | None, assumptions: tuple[str, ...]
) -> VerifyReport:
    """Return a report with assumptions about the photos and a warning about those left out."""
    report = dataclasses.replace(report, assumptions=assumptions)
    if decoded is None:
        return report
    missing = (decoded.warning,) if decoded.left_out else ()
    return dataclasses.replace(
        report,
        warnings=(*report.warnings, *missing),
        unreadable=decoded.left_out,
        ignored=decoded.ignored,
    )


def centred(shape: tuple[int, int, int]) -> Callable[[Pixels], Pixels]:
    """Return a function that crops a photo to its largest centred part and resizes it."""

    def fit(pixels: Pixels) -> Pixels:
        return resize(centre_crop(pixels, *shape[:2]), *shape[:2])

    return fit


def labels_by_count(dataset: Dataset, classes: int) -> Indices | None:
    """Return the labels, in the folders' order, if the data set has as many classes.

    Args:
        dataset: The data set.
        classes: Number of the files' outputs; a single one decides between two classes.
    """
    return dataset.labels if len(dataset.class_names) == max(classes, 2) else None


def labels_by_name(dataset: Dataset, names: Sequence[str]) -> Indices | None:
    """Return labels numbered like the classes; None without folders, or if one is named otherwise.

    Names may differ in what readers overlook; see `data.class_names.places`.
    """
    places = [
        place for place in class_names.places(dataset.class_names, names) if place is not None
    ]
    if not places or len(places) < len(dataset.class_names):
        return None
    return np.array(places, np.int64)[dataset.labels]
