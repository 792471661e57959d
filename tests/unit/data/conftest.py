"""Folders of generated photos."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def jpeg(seed: int, height: int = 24, width: int = 32) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def photos(tmp_path: Path) -> Callable[..., Path]:
    """Write photos, all different, under `root`: `photos(cat=5, dog=4)`."""
    made = 0

    def make(root: Path | None = None, /, **classes: int) -> Path:
        nonlocal made
        root = root or tmp_path / "photos"
        for name, count in classes.items():
            (root / name).mkdir(parents=True, exist_ok=True)
            for index in range(count):
                (root / name / f"{index}.jpg").write_bytes(jpeg(made))
                made += 1
        return root

    return make
