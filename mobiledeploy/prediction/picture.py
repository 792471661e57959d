"""Draw the photos of a report with their likeliest classes, as a PNG."""

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from mobiledeploy.prediction.predict import TILE, Predicted
from mobiledeploy.prediction.report import Candidate, Kind, PhotoAnswer

if TYPE_CHECKING:
    from PIL import ImageDraw, ImageFont

MOST_COLUMNS: Final = 8
_GAP: Final = 8
_LINE: Final = 16
_FONT: Final = 13
_PAPER, _INK, _FAINT, _ALARM = "white", "black", "#666666", "#c00000"


def draw(predicted: Predicted) -> bytes:
    """Return a picture of the photos in rows: each with its name and its likeliest class.

    Where two files differ, both answers are below the photo, in red. The bytes are those of a PNG.

    Args:
        predicted: At least one photo, with `tiles`.
    """
    from PIL import Image, ImageDraw, ImageFont

    report, tiles = predicted.report, predicted.tiles
    columns = min(MOST_COLUMNS, math.ceil(math.sqrt(len(tiles))))
    rows = math.ceil(len(tiles) / columns)
    lines = 1 + len(report.files)
    width, height = TILE + _GAP, TILE + lines * _LINE + _GAP
    image = Image.new("RGB", (columns * width + _GAP, rows * height + _GAP), _PAPER)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(_FONT)
    kinds = [file.values for file in report.files]
    for place, (tile, photo) in enumerate(zip(tiles, report.photos, strict=False)):
        left, top = _GAP + place % columns * width, _GAP + place // columns * height
        image.paste(Image.fromarray(tile), (left, top))
        texts = [
            (text, _ALARM if photo.equal is False else _INK) for text in captions(photo, kinds)
        ]
        texts.append((photo.name.rpartition("/")[2], _FAINT))
        for line, (text, colour) in enumerate(texts):
            spot = left, top + TILE + 2 + line * _LINE
            pen.text(spot, _cut(pen, text, font), colour, font)
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return buffer.getvalue()


def captions(photo: PhotoAnswer, kinds: Sequence[Kind]) -> list[str]:
    """Return the likeliest class of a photo, once for each file if the files differ."""
    texts = [caption(top[0], kind) for top, kind in zip(photo.top, kinds, strict=True)]
    return texts if photo.equal is False else texts[:1]


def caption(candidate: Candidate, kind: Kind) -> str:
    """Return a class with its value: a score in percent, or the output itself."""
    return f"{value(candidate, kind)}  {label(candidate)}"


def label(candidate: Candidate) -> str:
    """Return the name of a class, or its number where names are not known."""
    return f"class {candidate.number}" if candidate.label is None else candidate.label


def value(candidate: Candidate, kind: Kind) -> str:
    """Return the value of a class, for people."""
    return f"{candidate.value:.1%}" if kind == "scores" else f"{candidate.value:.4g}"


def _cut(
    pen: "ImageDraw.ImageDraw", text: str, font: "ImageFont.FreeTypeFont | ImageFont.ImageFont"
) -> str:
    """Return a text that fits below a photo; letters that the font lacks become `?`."""
    text = text.encode("latin-1", "replace").decode("latin-1")
    if pen.textlength(text, font) <= TILE:
        return text
    while text and pen.textlength(text + "...", font) > TILE:
        text = text[:-1]
    return text + "..."
