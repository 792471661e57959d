"""Draw the sample photos of the app: digits in white strokes, as the built-in model knows them.

Run from the repository: `python android_demo/ci/samples/draw.py` writes them to `res/raw`.
"""

import io
import math
from pathlib import Path
from typing import Final, TypeAlias

Point: TypeAlias = tuple[float, float]
FOLDER: Final = Path(__file__).parents[2] / "app/src/main/res/raw"
SIDE: Final = 240
_FINER: Final = 4
_STROKE: Final = 0.16
_WIDER: Final = 1.3
_TALLER: Final = 1.45
"""The digits that the model learned fill their pictures."""


def _arc(centre: Point, radii: Point, start: float, end: float) -> list[Point]:
    """Return points on an ellipse, by degrees clockwise from the right."""
    angles = [math.radians(start + (end - start) * step / 40) for step in range(41)]
    (x, y), (across, down) = centre, radii
    return [(x + across * math.cos(angle), y + down * math.sin(angle)) for angle in angles]


STROKES: Final[dict[int, list[list[Point]]]] = {
    0: [_arc((0.5, 0.5), (0.2, 0.31), 0, 360)],
    2: [[*_arc((0.5, 0.36), (0.2, 0.18), 190, 400), (0.3, 0.82), (0.72, 0.81)]],
    3: [
        _arc((0.47, 0.34), (0.19, 0.16), 205, 450),
        _arc((0.47, 0.66), (0.21, 0.17), 270, 515),
    ],
    7: [[(0.28, 0.21), (0.71, 0.19), (0.44, 0.83)]],
}
"""The strokes of each digit, on a square of side 1."""


def draw(digit: int) -> bytes:
    """Return a digit as a grey PNG."""
    from PIL import Image, ImageDraw

    side = SIDE * _FINER
    image = Image.new("L", (side, side), 0)
    pen = ImageDraw.Draw(image)
    radius = _STROKE * side / 2
    for stroke in STROKES[digit]:
        points = [
            (((x - 0.5) * _WIDER + 0.5) * side, ((y - 0.5) * _TALLER + 0.5) * side)
            for x, y in stroke
        ]
        pen.line(points, fill=255, width=round(2 * radius), joint="curve")
        for x, y in (points[0], points[-1]):
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    png = io.BytesIO()
    image.resize((SIDE, SIDE), Image.Resampling.BOX).save(png, "PNG", optimize=True)
    return png.getvalue()


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for digit in STROKES:
        (FOLDER / f"sample_{digit}.png").write_bytes(draw(digit))
