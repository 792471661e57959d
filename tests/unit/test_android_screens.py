"""The comparison of screens: it lets anti-aliasing pass, and nothing else."""

from pathlib import Path

import numpy as np
import pytest
from android import screens
from PIL import Image, ImageDraw


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    """A card with a button and two lines of text."""
    image = Image.new("RGB", (360, 640), "#f6f7f9")
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((20, 40, 340, 300), 16, fill="#ffffff", outline="#d6dce4")
    draw.rounded_rectangle((40, 230, 320, 278), 16, fill="#0b6a5c")
    draw.text((40, 60), "The five best answers will stand here", fill="#14181f")
    draw.text((150, 248), "Run self-test", fill="#ffffff")
    path = tmp_path / "screen.png"
    image.save(path)
    return path


def changed(golden: Path, pixels: np.ndarray) -> Path:
    path = golden.with_name("changed.png")
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


def pixels(golden: Path) -> np.ndarray:
    return np.asarray(Image.open(golden)).astype(int)


def test_the_same_picture_passes(golden: Path) -> None:
    assert screens.complaint(golden, golden) == ""


def test_a_grey_level_of_noise_passes(golden: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 2, (640, 360, 1)) * np.array([1, 1, 1]) // 2
    noisy = np.clip(pixels(golden) + noise, 0, 255)
    assert screens.complaint(changed(golden, noisy), golden) == ""


def test_content_that_moved_by_two_pixels_is_detected(golden: Path) -> None:
    moved = np.roll(pixels(golden), 2, axis=0)
    assert "differs" in screens.complaint(changed(golden, moved), golden)


def test_a_missing_text_is_detected_with_its_place(golden: Path) -> None:
    wiped = pixels(golden)
    wiped[58:76, 38:300] = 255
    said = screens.complaint(changed(golden, wiped), golden)
    assert "differs" in said
    assert ", 64)" in said


def test_another_colour_is_detected(golden: Path) -> None:
    other = pixels(golden)
    other[235:275, 45:140] += (30, 0, 0)
    assert "differs" in screens.complaint(changed(golden, np.clip(other, 0, 255)), golden)


def test_another_size_is_detected(golden: Path) -> None:
    cut = pixels(golden)[:600]
    assert "expected 360 x 640 pixels, received 360 x 600" in screens.complaint(
        changed(golden, cut), golden
    )
