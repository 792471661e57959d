"""What the app must make of a camera's YUV 4:2:0 image, computed by NumPy.

android_demo/library/src/test holds the app's code to `tests/golden/yuv.json`.
"""

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
CASES = (
    # width, height, pixelStride of U and V, padding of a row, crop (left, top, width, height)
    (6, 4, 1, 0, (0, 0, 6, 4)),  # three planes
    (7, 5, 2, 3, (0, 0, 7, 5)),  # interleaved colours, padded rows, odd sides
    (8, 6, 2, 8, (1, 1, 5, 4)),  # a crop that begins inside a square of colour
)


def rgb_of(y: Bytes, u: Bytes, v: Bytes) -> Bytes:
    """Convert full-range BT.601 by the integers of libjpeg; shapes (..., ) of equal size."""
    cb, cr = u.astype(np.int64) - 128, v.astype(np.int64) - 128
    red = y + (91881 * cr + 32768 >> 16)
    green = y + (-22554 * cb - 46802 * cr + 32768 >> 16)
    blue = y + (116130 * cb + 32768 >> 16)
    return np.stack([red, green, blue], axis=-1).clip(0, 255).astype(np.uint8)


def plane(values: Bytes, pixel_stride: int, padding: int) -> dict[str, Any]:
    """Lay a plane out as a camera does: the last row ends at its last value."""
    rows, columns = values.shape
    row_stride = columns * pixel_stride + padding
    data = np.full(rows * row_stride, 0xEE, np.uint8)
    for row in range(rows):
        data[row * row_stride :][: columns * pixel_stride : pixel_stride] = values[row]
    end = (rows - 1) * row_stride + (columns - 1) * pixel_stride + 1
    return {
        "bytes": data[:end].tobytes().hex(),
        "row_stride": row_stride,
        "pixel_stride": pixel_stride,
    }


def test_the_app_is_given_these_images(golden: Callable[[str, str], None]) -> None:
    rng = np.random.default_rng(13)
    cases = []
    for width, height, stride, padding, (left, top, columns, rows) in CASES:
        y = rng.integers(0, 256, (height, width), np.uint8)
        u, v = rng.integers(0, 256, (2, (height + 1) // 2, (width + 1) // 2), np.uint8)
        whole = [c.repeat(2, 0).repeat(2, 1)[:height, :width] for c in (u, v)]
        rgb = rgb_of(y, *whole)[top : top + rows, left : left + columns]
        cases.append(
            {
                "planes": [plane(y, 1, padding), *(plane(c, stride, padding) for c in (u, v))],
                "left": left,
                "top": top,
                "width": columns,
                "height": rows,
                "rgb": rgb.tobytes().hex(),
            }
        )
    golden("yuv.json", json.dumps({"cases": cases}, indent=1) + "\n")


def test_the_conversion_is_that_of_libjpeg() -> None:
    """A JPEG is decoded twice, without and with the conversion to RGB."""
    from PIL import Image, JpegImagePlugin

    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise, "RGB").save(file, "JPEG", quality=95, subsampling=0)
    raw = Image.open(file)
    assert isinstance(raw, JpegImagePlugin.JpegImageFile)
    raw.draft("YCbCr", raw.size)
    assert raw.mode == "YCbCr"
    y, u, v = np.moveaxis(np.asarray(raw), -1, 0)
    assert np.array_equal(rgb_of(y, u, v), np.asarray(Image.open(file)))
    assert np.ptp(u) > 200


def test_no_value_is_a_step_from_the_real_formula() -> None:
    """Of all triples of a grid of 17 values a channel, ends and middle included."""
    values = np.append(np.arange(0, 256, 15), [127, 128, 129])
    y, u, v = (c.ravel() for c in np.meshgrid(values, values, values))
    cb, cr = u - 128.0, v - 128.0
    real = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], axis=-1)
    assert np.abs(rgb_of(y, u, v) - real.clip(0, 255)).max() < 0.51
