"""Images to compare on: given ones, natural-looking ones, and extremes beyond all photos."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.data.dataset import Pixels
from mobiledeploy.data.evaluation import Evaluation
from mobiledeploy.verify.parity import Answers

RANDOM_IMAGES = 16
IMPULSES = 8
NATURAL_IMAGES: Final = 64
_CANVAS: Final = 3
"""Sides of the canvas, in sides of an image."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageSet:
    """Images to compare on, made or decoded when they are needed.

    Attributes:
        name: What they are, in the plural.
        names: One an image.
        pixels: Gives images start..stop, uint8, shape (images, height, width, 3 or 1).
        labels: int64, shape (images,), or None where there are none.
        float_logits: What the float network says, float32, shape (images, classes), or None.
        recorded: Answers that were recorded when the files were built, or None.
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
    """Return what files are compared on when they are built: held-back images, and extremes."""
    height, width, channels = evaluation.pixels.shape[1:]
    return held_back(evaluation), synthetic_extremes((height, width, channels))


def synthetic_extremes(shape: tuple[int, int, int]) -> ImageSet:
    """Return `extremes` as a set of images."""
    codes, names = extremes(shape)
    pixels = codes.view(np.uint8) ^ np.uint8(128)
    return ImageSet(
        name="synthetic extremes", names=names, pixels=lambda start, stop: pixels[start:stop]
    )


def natural(shape: tuple[int, int, int], *, images: int = NATURAL_IMAGES) -> ImageSet:
    """Return images with the statistics of photos: smooth, with edges, of every brightness.

    Each is a piece of one canvas whose spectrum falls with the frequency, as that of photos does,
    mirrored, turned, mixed with another piece behind an edge, and with its own contrast. The
    same number gives the same image whatever was asked for before.
    """
    canvas = _canvas(max(shape[:2]) * _CANVAS)

    def pixels(start: int, stop: int) -> Pixels:
        return np.stack([_scene(canvas, shape, number) for number in range(start, stop)])

    return ImageSet(
        name="natural-looking images",
        names=[f"natural {number}" for number in range(images)],
        pixels=pixels,
    )


def extremes(
    shape: tuple[int, int, int], *, seed: int = 0
) -> tuple[npt.NDArray[np.int8], tuple[str, ...]]:
    """Return int8 images at the edges of what an input can hold, and their names.

    Saturated images drive accumulators to their largest values, impulses show padding and
    kernel orientation, uniform noise reaches codes that smooth photos never produce.

    Args:
        shape: (height, width, channels).
        seed: Of the noise and of the impulses' places.

    Returns:
        int8 of shape (images, height, width, channels), and one name an image.
    """
    rng = np.random.default_rng(seed)
    height, width, channels = shape
    rows, columns = np.indices((height, width))
    checker = np.where((rows + columns) % 2, 127, -128)[..., None].repeat(channels, -1)
    ramp = np.linspace(-128, 127, width).astype(np.int64)[None, :, None]
    named: list[tuple[str, npt.NDArray[np.int64]]] = [
        ("all -128", np.full(shape, -128)),
        ("all 127", np.full(shape, 127)),
        ("all 0", np.zeros(shape, np.int64)),
        ("checkerboard", checker),
        ("ramp", np.broadcast_to(ramp, shape)),
    ]
    corners = [(0, 0), (0, width - 1), (height - 1, 0), (height - 1, width - 1)]
    inside = [(int(rng.integers(height)), int(rng.integers(width))) for _ in range(IMPULSES - 4)]
    for row, column in corners + inside:
        impulse = np.full(shape, -128)
        impulse[row, column] = 127
        named.append((f"impulse at {row},{column}", impulse))
    named += [(f"uniform noise {i}", rng.integers(-128, 128, shape)) for i in range(RANDOM_IMAGES)]
    return np.stack([image for _, image in named]).astype(np.int8), tuple(n for n, _ in named)


def _canvas(side: int) -> npt.NDArray[np.float32]:
    """Return (side, side, 3) values of mean 0 and deviation 1 whose spectrum falls steeply."""
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
    values: npt.NDArray[np.float32] = (canvas / canvas.std()).astype(np.float32)
    return values


def _scene(canvas: npt.NDArray[np.float32], shape: tuple[int, int, int], number: int) -> Pixels:
    rng = np.random.default_rng([1, number])
    height, width, channels = shape
    behind, before = (_piece(canvas, height, width, rng) for _ in range(2))
    angle, offset = rng.uniform(0, 2 * np.pi), rng.uniform(-0.3, 0.3)
    rows, columns = np.indices((height, width)) / max(height, width) - 0.5
    edge = (np.cos(angle) * rows + np.sin(angle) * columns > offset)[..., None]
    values = np.where(edge, behind, before + np.float32(rng.normal(0, 0.7)))
    contrast, brightness = rng.uniform(25, 70), rng.uniform(70, 185)
    pixels = np.clip(values * np.float32(contrast) + np.float32(brightness), 0, 255)
    rounded: Pixels = np.rint(pixels[..., :channels]).astype(np.uint8)
    return rounded


def _piece(
    canvas: npt.NDArray[np.float32], height: int, width: int, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    top, left = rng.integers(len(canvas) - height), rng.integers(len(canvas) - width)
    piece = canvas[top : top + height, left : left + width]
    turned = piece[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])]
    return turned[..., rng.permutation(3)]
