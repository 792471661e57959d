"""Photos of handwritten digits, and what Python says they show: the app must say the same."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base import codec
from mobiledeploy.data import digits, preprocess
from mobiledeploy.runtimes import litert, ort
from mobiledeploy.spec.config import Io, Preprocessing
from mobiledeploy.spec.contract import Contract

EXPECTED: Final = "expected.tsv"
TOP: Final = 5
ENGINES: Final = {"LiteRT": "model.tflite", "ONNX Runtime": "model.onnx"}
_UNDO: Final = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
"""EXIF orientation to the Pillow transposition that stores an upright picture so."""


def write(folder: Path) -> None:
    """Draw photos in every format, size and orientation that matters."""
    from PIL import Image

    for name, picture, options in _pictures():
        stored = picture
        if orientation := options.pop("orientation", 0):
            exif = Image.Exif()
            exif[0x0112] = orientation
            stored = picture.transpose(Image.Transpose(_UNDO[orientation]))
            options["exif"] = exif
        stored.save(folder / name, **options)


def expect(build: Path, folder: Path) -> None:
    """Write `EXPECTED`: each photo's five best answers by each engine."""
    labels = (build / "labels.txt").read_text(encoding="utf-8").splitlines()
    lines = []
    photos = sorted(path for path in folder.iterdir() if path.name != EXPECTED)
    for (engine, name), values in scores(build, photos).items():
        rows = [f"{labels[index]} {_percent(values[index])}" for index in best(values)]
        lines.append("\t".join([name, engine, *rows]))
    (folder / EXPECTED).write_text("\n".join(lines) + "\n", encoding="utf-8")


def scores(build: Path, paths: Sequence[Path]) -> dict[tuple[str, str], npt.NDArray[np.float64]]:
    """Return a probability for each class, by engine and file name."""
    contract = codec.from_json(
        Contract, (build / "contract.json").read_bytes(), where="contract.json"
    )
    loaders: dict[str, Any] = {"LiteRT": litert.load, "ONNX Runtime": ort.load}
    sessions = {
        engine: loaders[engine]((build / file).read_bytes()) for engine, file in ENGINES.items()
    }
    by_engine = {}
    for path in paths:
        pixels = preprocess.preprocess(
            preprocess.decode(path.read_bytes(), path.name), contract.for_photos()
        )
        image = _encoded(pixels, contract.input.dtype, contract.for_photos())[None]
        for engine, session in sessions.items():
            by_engine[engine, path.name] = _scores(session.run(image)[0][0], contract)
    return by_engine


def best(values: npt.NDArray[np.float64]) -> list[int]:
    """Return the five likeliest classes, the lower index first among equals."""
    return [int(index) for index in np.argsort(-values, kind="stable")[:TOP]]


def _pictures() -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Name, upright picture and how to save it, for each photo."""
    from PIL import Image

    data = digits.load()

    def digit(index: int, size: tuple[int, int]) -> Any:
        pixels = data.decode(index)
        return Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)

    yield "upright.png", digit(3, (320, 320)), {"format": "png"}
    yield "turned.jpg", digit(17, (300, 400)), {"format": "jpeg", "quality": 92, "orientation": 6}
    for orientation in range(2, 9):
        name = f"exif{orientation}.jpg"
        options = {"format": "jpeg", "quality": 90, "orientation": orientation}
        yield name, digit(20 + orientation, (211, 160)), options
    yield "wide.jpg", digit(4, (500, 201)), {"format": "jpeg", "subsampling": 2}
    yield "tall.png", digit(5, (97, 333)), {"format": "png"}
    yield "grey.jpg", digit(6, (160, 160)).convert("L"), {"format": "jpeg"}
    yield "progressive.jpg", digit(7, (222, 111)), {"format": "jpeg", "progressive": True}
    yield "grey.png", digit(8, (64, 64)).convert("L"), {"format": "png"}
    yield "palette.png", digit(9, (80, 90)).quantize(16), {"format": "png"}
    yield "lossless.webp", digit(10, (120, 130)), {"format": "webp", "lossless": True}
    yield "small.png", digit(11, (12, 9)), {"format": "png"}
    yield "bitmap.bmp", digit(12, (60, 70)), {"format": "bmp"}
    yield "seen.png", _seen_through(digit(13, (150, 140))), {"format": "png"}
    yield "large.jpg", digit(14, (3000, 2000)), {"format": "jpeg", "quality": 80}


def _seen_through(picture: Any) -> Any:
    """Give a picture an alpha that varies: colours must be taken straight, then put on white."""
    from PIL import Image

    width, height = picture.size
    ramp = np.add.outer(np.arange(height), np.arange(width)) % 256
    picture = picture.convert("RGBA")
    picture.putalpha(Image.fromarray(ramp.astype(np.uint8)))
    return picture


def _encoded(
    pixels: npt.NDArray[np.uint8], kind: Io, preprocessing: Preprocessing
) -> npt.NDArray[Any]:
    if kind == "int8":
        return preprocess.to_int8(pixels)
    return pixels if kind == "uint8" else preprocess.to_float32(pixels, preprocessing.scaling)


def _scores(values: npt.NDArray[Any], contract: Contract) -> npt.NDArray[np.float64]:
    real = values.astype(np.float64)
    if contract.output.grid is not None and values.dtype != np.float32:
        zero = contract.output.grid.zero_point + (128 if values.dtype == np.uint8 else 0)
        real = (real - zero) * contract.output.grid.scale
    if contract.head == "logits":
        real = np.exp(real - real.max())
        real /= real.sum()
    return real


def _percent(score: float) -> str:
    """As Java's percent format writes it: one to three digits after the point, half to even."""
    from decimal import ROUND_HALF_EVEN, Decimal

    digits = Decimal(score * 100).quantize(Decimal("0.1"), rounding=ROUND_HALF_EVEN)
    return f"{digits}%"
