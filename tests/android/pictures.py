"""Coloured pictures of six simple things, to train on and to ask about: colours must matter."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

THINGS: Final = ("blue bar", "green disc", "grey cross", "orange bar", "red disc", "violet frame")
_COLOURS: Final = {
    "blue": (30, 60, 230),
    "green": (20, 190, 60),
    "grey": (150, 150, 150),
    "orange": (240, 140, 10),
    "red": (220, 30, 40),
    "violet": (150, 40, 200),
}


def write_classes(folder: Path, *, each: int, side: int) -> None:
    """Write a folder of photos, a sub-folder a class, `each` of them in each."""
    rng = np.random.default_rng(1)
    for thing in THINGS:
        place = folder / thing.replace(" ", "_")
        place.mkdir(parents=True)
        for number in range(each):
            draw(rng, thing, (side, side)).save(place / f"{number}.png")


def write_photos(folder: Path) -> list[Path]:
    """Write 20 photos of all formats, proportions and orientations; return their paths."""
    from PIL import Image

    rng = np.random.default_rng(2)
    folder.mkdir(parents=True)
    paths = []
    for number, (ending, options) in enumerate(_formats()):
        size = tuple(int(side) for side in rng.integers(90, 400, 2))
        picture = draw(rng, THINGS[number % len(THINGS)], (size[0], size[1]))
        path = folder / f"{number:02}.{ending}"
        exif = Image.Exif()
        if ending == "jpg" and number % 2:
            exif[0x0112] = number % 8 + 1
        picture.save(path, exif=exif, **options)
        paths.append(path)
    return paths


def draw(rng: np.random.Generator, thing: str, size: tuple[int, int]) -> Any:
    """Draw a thing somewhere on a noisy ground."""
    from PIL import Image, ImageDraw

    width, height = size
    ground = rng.integers(0, 120, 3) + rng.integers(0, 60, (height, width, 3))
    image = Image.fromarray(ground.astype(np.uint8))
    pen = ImageDraw.Draw(image)
    colour, shape = thing.split(" ")
    ink = tuple(int(value) for value in np.add(_COLOURS[colour], rng.integers(-10, 11, 3)))
    unit = min(width, height) // 8
    x, y = (int(rng.integers(2 * unit, side - 2 * unit)) for side in size)
    box = (x - 2 * unit, y - 2 * unit, x + 2 * unit, y + 2 * unit)
    match shape:
        case "disc":
            pen.ellipse(box, fill=ink)
        case "bar":
            pen.rectangle((box[0], y - unit // 2, box[2], y + unit // 2), fill=ink)
        case "cross":
            pen.line(box, fill=ink, width=unit)
            pen.line((box[0], box[3], box[2], box[1]), fill=ink, width=unit)
        case "frame":
            pen.rectangle(box, outline=ink, width=max(1, unit // 2))
        case _:
            raise AssertionError(shape)
    return image


def _formats() -> Iterator[tuple[str, dict[str, Any]]]:
    for number in range(20):
        match number % 5:
            case 0 | 1:
                yield "jpg", {"quality": 80 + number}
            case 2:
                yield "jpg", {"progressive": True, "subsampling": 2}
            case 3:
                yield "png", {}
            case _:
                yield "webp", {"lossless": True}
