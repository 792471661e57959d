"""Image files become upright RGB pixels, or an error names the file."""

import importlib.util
import io
import re
import struct
import sys
import threading
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mobiledeploy.base.errors import RequestError
from mobiledeploy.data.dataset import Pixels
from mobiledeploy.data.preprocess import (
    decode,
    preprocess,
    to_float32,
    to_int8,
)
from mobiledeploy.spec.config import Preprocessing

HEIGHT, WIDTH = 6, 10


def picture() -> Pixels:
    return np.random.default_rng(5).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def encoded(image: Image.Image, fmt: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, fmt, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, bits: int, colour: int, rows: bytes, *extra: bytes) -> bytes:
    """Return a PNG file with these header fields and rows."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + b"".join(extra) + chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


@pytest.mark.parametrize(
    "fmt", ["PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM", "JPEG2000", "ICO", "QOI", "SGI", "PCX"]
)
def test_lossless_formats_give_the_original_pixels(fmt: str) -> None:
    image = Image.fromarray(picture() & 0xF0)
    if fmt == "GIF":
        image = image.quantize(64)
    options = {"sizes": [image.size]} if fmt == "ICO" else {"lossless": True}
    if fmt == "JPEG2000":
        options = {"irreversible": False}
    pixels = decode(encoded(image, fmt, **options), "a")
    assert np.array_equal(pixels, np.asarray(image.convert("RGB")))
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous


def test_jpeg_gives_the_decoders_pixels() -> None:
    data = encoded(Image.fromarray(picture()), "JPEG", quality=90)
    assert np.array_equal(decode(data, "a"), np.asarray(Image.open(io.BytesIO(data))))


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("fmt", ["PNG", "JPEG", "WEBP"])
def test_the_exif_orientation_is_applied(fmt: str, value: int) -> None:
    upright = picture()
    # Where the first row and column of the stored image stand in the scene: EXIF 2.3, tag 274.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: upright[:, ::-1].swapaxes(0, 1),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: upright[::-1].swapaxes(0, 1),
    }[value]
    image = Image.fromarray(np.ascontiguousarray(stored))
    data = encoded(image, fmt, exif=orientation(value), lossless=True, quality=95)
    plain = encoded(image, fmt, lossless=True, quality=95)
    pixels = decode(data, "a")
    assert pixels.shape == upright.shape
    if fmt == "JPEG":
        # Lossy: the pixels of the file without orientation, turned as Pillow turns them.
        with Image.open(io.BytesIO(plain)) as lossy:
            turn = {
                2: Image.Transpose.FLIP_LEFT_RIGHT,
                3: Image.Transpose.ROTATE_180,
                4: Image.Transpose.FLIP_TOP_BOTTOM,
                5: Image.Transpose.TRANSPOSE,
                6: Image.Transpose.ROTATE_270,
                7: Image.Transpose.TRANSVERSE,
                8: Image.Transpose.ROTATE_90,
            }.get(value)
            upright = np.asarray(lossy if turn is None else lossy.transpose(turn))
    assert np.array_equal(pixels, upright)


@pytest.mark.parametrize("value", [0, 9, 65_535])
def test_an_invalid_orientation_is_ignored(value: int) -> None:
    image = Image.fromarray(picture())
    assert np.array_equal(decode(encoded(image, "PNG", exif=orientation(value)), "a"), picture())


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08\0\x09\x01", b"junk" * 9])
def test_damaged_exif_is_ignored(exif: bytes) -> None:
    image = Image.fromarray(picture())
    assert np.array_equal(decode(encoded(image, "PNG", exif=exif), "a"), picture())


@pytest.mark.parametrize("mode", ["1", "L"])
def test_grey_becomes_three_equal_channels(mode: str) -> None:
    image = Image.fromarray(picture()).convert(mode)
    grey = np.asarray(image.convert("L"))
    assert np.array_equal(decode(encoded(image, "PNG"), "a"), np.stack([grey] * 3, axis=2))


def test_of_sixteen_bits_the_high_byte_is_used() -> None:
    grey = png(2, 1, 16, 0, bytes.fromhex("00 12ff 3400"))
    assert decode(grey, "a")[0].tolist() == [[0x12] * 3, [0x34] * 3]
    colour = png(2, 1, 16, 2, bytes.fromhex("00 12ff 3400 56aa ffff 0000 0102"))
    assert decode(colour, "a")[0].tolist() == [[0x12, 0x34, 0x56], [0xFF, 0, 1]]
    grey_alpha = png(2, 1, 16, 4, bytes.fromhex("00 12ff ffff 3400 0000"))
    assert decode(grey_alpha, "a")[0].tolist() == [[0x12] * 3, [255] * 3]


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_fewer_bits_are_scaled_to_eight(bits: int) -> None:
    rows = {1: "00 40", 2: "00 10", 4: "00 0f"}[bits]
    assert decode(png(2, 1, bits, 0, bytes.fromhex(rows)), "a")[0, :, 0].tolist() == [
        0,
        {1: 255, 2: 85, 4: 255}[bits],
    ]


def test_cmyk_becomes_rgb() -> None:
    image = Image.new("CMYK", (16, 16), (10, 100, 200, 50))
    pixels = decode(encoded(image, "JPEG", quality=100), "a")
    expected = [205 - round(ink * 205 / 255) for ink in (10, 100, 200)]
    assert np.abs(pixels.astype(int) - expected).max() <= 1  # JPEG is lossy


def test_alpha_is_blended_with_white_and_rounded_to_nearest() -> None:
    rng = np.random.default_rng(6)
    rgba = rng.integers(0, 256, (64, 64, 4), dtype=np.uint8)
    colour, alpha = rgba[..., :3].astype(int), rgba[..., 3:].astype(int)
    exact = (colour * alpha + 255 * (255 - alpha)) / 255
    assert np.array_equal(decode(encoded(Image.fromarray(rgba), "PNG"), "a"), np.rint(exact))
    grey_alpha = Image.fromarray(rgba[..., 2:])
    assert grey_alpha.mode == "LA"
    pixels = decode(encoded(grey_alpha, "PNG"), "a")
    assert np.array_equal(pixels, np.rint(exact[..., 2:]).repeat(3, axis=2))


def test_transparent_palette_entries_are_white() -> None:
    image = Image.fromarray(picture() // 4).quantize(8)
    index = np.asarray(image)
    for fmt, transparency in (
        ("PNG", 3),
        ("PNG", bytes([255, 255, 255, 0])),
        ("GIF", 3),
    ):
        pixels = decode(encoded(image, fmt, transparency=transparency), "a")
        assert (pixels[index == 3] == 255).all()
        assert (pixels[index != 3] < 64).all()


def test_a_transparent_colour_is_white() -> None:
    image = Image.fromarray(picture() // 4)
    key = image.getpixel((4, 2))
    pixels = decode(encoded(image, "PNG", transparency=key), "a")
    assert pixels[2, 4].tolist() == [255, 255, 255]
    assert (pixels == 255).sum() == 3


@pytest.mark.parametrize("fmt", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_used(fmt: str) -> None:
    first, second = Image.new("RGB", (8, 8), (200, 0, 0)), Image.new("RGB", (8, 8), (0, 0, 200))
    data = encoded(first, fmt, save_all=True, append_images=[second], lossless=True)
    assert set(map(tuple, decode(data, "a").reshape(-1, 3).tolist())) == {(200, 0, 0)}


def test_phones_multi_picture_jpegs_are_jpegs() -> None:
    image = Image.fromarray(picture())
    data = encoded(image, "MPO", save_all=True, append_images=[image.rotate(90)])
    assert decode(data, "a").shape == (HEIGHT, WIDTH, 3)


DAMAGED = {
    "empty": b"",
    "text": b"Not an image, whatever its name says.\n" * 20,
    "html": b"<!doctype html><title>404</title>",
    "zeros": bytes(2000),
    "half a JPEG": encoded(Image.effect_noise((64, 64), 90), "JPEG")[:900],
    "half a PNG": encoded(Image.effect_noise((64, 64), 90), "PNG")[:900],
    "a GIF's start": encoded(Image.effect_noise((64, 64), 90), "GIF")[:40],
    "half a WebP": encoded(Image.effect_noise((64, 64), 90), "WEBP")[:300],
    "half a BMP": encoded(Image.effect_noise((64, 64), 90), "BMP")[:1300],
    "a broken checksum": encoded(Image.new("L", (9, 9)), "PNG")[:-20] + b"xxxx",
    "half a TIFF": encoded(Image.effect_noise((64, 64), 90), "TIFF")[:900],
    "PostScript": encoded(Image.new("L", (9, 9)), "EPS"),
    "no pixels": png(0, 1, 8, 0, b""),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_an_error_names_a_file_that_is_not_an_image(what: str) -> None:
    with pytest.raises(RequestError, match=r"`cats/näme 1\.jpg`") as caught:
        decode(DAMAGED[what], "cats/näme 1.jpg")
    assert "\n" not in str(caught.value)
    assert "BytesIO" not in str(caught.value)
    assert caught.value.hint


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.heic", HEIC, "is HEIC, for which the package pillow-heif is needed"),
        ("a.jpg", HEIC, "is HEIC, for which the package pillow-heif is needed"),
        ("a.jxl", b"\xff\x0a rest", "is JPEG XL, which is not read"),
        ("a.jpg", b"\0\0\0\x0cJXL rest", "is JPEG XL, which is not read"),
        ("a.eps", b"%!PS-Adobe", "is PostScript, which is not read"),
        ("a.jpg", b"  <!DOCTYPE html>", "is a web page, which is not read"),
        ("a.nef", b"nonsense", "is a camera's raw file, which is not read"),
        ("a.DNG", encoded(Image.new("L", (9, 9)), "TIFF"), "is a camera's raw file"),
        ("a.jpg", encoded(Image.new("L", (9, 9)), "TIFF", tiffinfo={50706: b"\1\4\0\0"}),
         "is a camera's raw file"),
        ("a.tif", encoded(Image.new("L", (9, 9)), "TIFF", tiffinfo={254: 1}), "a small preview"),
        ("a.jpg", b"", "is empty"),
        ("a.jpg", b"nonsense", "is none of JPEG, PNG, WebP"),
    ],
)  # fmt: skip
def test_what_a_file_is_that_is_not_read_is_said(
    name: str, data: bytes, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(RequestError, match=re.escape(reason)) as caught:
        decode(data, name)
    assert caught.value.hint
    if data == HEIC:
        assert "mobiledeploy[heic]" in caught.value.hint


def test_heic_is_read_where_its_package_is_installed() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    image = Image.fromarray(picture()).resize((64, 48))
    data = encoded(image, "HEIF", quality=95)
    pixels = decode(data, "a.heic")
    assert np.abs(pixels.astype(int) - np.asarray(image)).mean() < 16
    with pytest.raises(RequestError, match=r"`a\.heic`"):
        decode(data[:200], "a.heic")


def test_of_a_16_bit_pgm_and_tiff_the_high_byte_is_used() -> None:
    values = np.array([[0, 255, 256, 65_535]], np.uint16)
    pgm = b"P5\n4 1\n65535\n" + values.astype(">u2").tobytes()
    tiff = encoded(Image.fromarray(values), "TIFF")
    for data in (pgm, tiff):
        assert decode(data, "a")[0, :, 0].tolist() == [0, 0, 1, 255]


def test_a_tiff_is_upright_and_its_first_page_counts() -> None:
    image = Image.fromarray(picture())
    data = encoded(image, "TIFF", exif=orientation(6))
    assert np.array_equal(
        decode(data, "a"), decode(encoded(image, "PNG", exif=orientation(6)), "a")
    )
    pages = encoded(image, "TIFF", save_all=True, append_images=[image.rotate(90)])
    assert np.array_equal(decode(pages, "a"), picture())


@pytest.mark.parametrize(
    ("width", "height"), [(65_535, 65_535), (12_000, 12_000), (70_000, 1), (2**31 - 1, 1)]
)
def test_a_header_with_too_many_pixels_is_refused_before_decoding(width: int, height: int) -> None:
    with pytest.raises(RequestError, match=r"at most 134217728 pixels .*`bomb\.png`"):
        decode(png(width, height, 8, 0, b"\0" * 100), "bomb.png")


def test_a_large_image_within_the_limit_is_accepted_without_a_warning() -> None:
    """A file that states 90 million pixels and holds none; warnings are errors here."""
    with pytest.raises(RequestError, match=r"cannot decode `large`: .*truncated"):
        decode(png(10_000, 9_000, 1, 0, b""), "large")


def test_many_threads_decode_the_same_pixels() -> None:
    data = encoded(Image.fromarray(picture()), "PNG", exif=orientation(6))
    expected = decode(data, "a")
    results: list[Pixels] = []

    def work() -> None:
        results.extend(decode(data, "a") for _ in range(50))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 200
    assert all(np.array_equal(result, expected) for result in results)


@pytest.mark.parametrize(
    ("shape", "rows", "columns"),
    [
        ((20, 20), slice(0, 20), slice(0, 20)),
        ((20, 31), slice(0, 20), slice(5, 25)),
        ((31, 20), slice(5, 25), slice(0, 20)),
        ((20, 32), slice(0, 20), slice(6, 26)),
    ],
)
def test_the_centre_crop_is_the_largest_square_rounded_to_the_top_left(
    shape: tuple[int, int], rows: slice, columns: slice
) -> None:
    pixels = np.random.default_rng(7).integers(0, 256, (*shape, 3), dtype=np.uint8)
    cropped = preprocess(pixels, Preprocessing(image_size=20, crop="center"))
    assert np.array_equal(cropped, pixels[rows, columns])


def test_stretching_keeps_the_whole_image() -> None:
    pixels = np.zeros((20, 80, 3), np.uint8)
    pixels[:, 40:] = 200
    stretched = preprocess(pixels, Preprocessing(image_size=20, crop="stretch"))
    assert stretched.shape == (20, 20, 3)
    assert (stretched[:, :9] == 0).all()
    assert (stretched[:, 11:] == 200).all()


def test_int8_is_the_pixel_minus_128() -> None:
    every = np.arange(256, dtype=np.uint8)
    assert to_int8(every).tolist() == list(range(-128, 128))
    assert to_int8(every).dtype == np.int8


@pytest.mark.parametrize(("mean", "std"), [(128.0, 128.0), (127.5, 127.5), (123.68, 58.393)])
def test_float32_is_the_real_value_rounded_once(mean: float, std: float) -> None:
    every = np.arange(256, dtype=np.uint8).reshape(16, 16)
    values = to_float32(every, (mean, std))
    assert values.dtype == np.float32
    assert values.shape == (16, 16)
    for pixel, value in zip(every.flat, values.flat, strict=True):
        assert value == np.float32((int(pixel) - mean) / std)


@pytest.mark.parametrize(
    "wrong", [{"std": 0.0}, {"std": -1.0}, {"std": float("nan")}, {"mean": float("inf")}]
)
def test_an_invalid_mean_or_std_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match=f"expected {next(iter(wrong))} in"):
        Preprocessing(image_size=16, **wrong)


def test_with_the_default_scaling_int8_and_float_inputs_are_the_same_numbers() -> None:
    every = np.arange(256, dtype=np.uint8)
    assert np.array_equal(
        to_float32(every, Preprocessing(image_size=16).scaling), to_int8(every) / 128
    )
