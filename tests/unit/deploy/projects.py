"""Copies of `android_demo` that a test may change."""

import shutil
from pathlib import Path

DEMO = Path(__file__).parents[3] / "android_demo"


def copied_demo(folder: Path) -> Path:
    """Copy the project into a folder, without its assets, and return the copy."""
    shutil.copytree(DEMO, folder / "demo", ignore=shutil.ignore_patterns("assets"))
    return folder / "demo"


def edit(path: Path, old: str, new: str) -> None:
    """Replace text that a file must hold."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
