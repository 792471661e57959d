"""Bundles and photos that are wrong in one way each."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any


def bundles(good: Path, other: Path, folder: Path) -> None:
    """Copy a bundle to `mobiledeploy` beside broken ones, which BrokenBundles.kt names.

    Args:
        good: A bundle's folder.
        other: Another model's bundle, of the same classes and image size.
        folder: Where to put them.
    """
    for name in ("mobiledeploy", "damaged", "cut", "mismatch", "nonsense", "other-golden"):
        shutil.copytree(good, folder / name)
    _flip(folder / "damaged/model.tflite")
    contract = folder / "cut/contract.json"
    contract.write_bytes(contract.read_bytes()[:200])
    _scale(folder / "mismatch/contract.json")
    nonsense = folder / "nonsense/model.tflite"
    nonsense.write_bytes(nonsense.read_bytes()[:1000] + b"nonsense")
    _name(folder / "nonsense", "model.tflite")
    shutil.copyfile(other / "golden.npz", folder / "other-golden/golden.npz")


def photos(good: Path, folder: Path) -> None:
    """Write files that pretend to be photos.

    Args:
        good: Photos.
        folder: Where to put them.
    """
    for name in ("turned.jpg", "upright.png", "lossless.webp", "progressive.jpg"):
        data = (good / name).read_bytes()
        target = "truncated.jpg" if name == "turned.jpg" else f"truncated-{name}"
        (folder / target).write_bytes(data[: len(data) * 2 // 3])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("no photo at all\n" * 99, encoding="utf-8")
    (folder / "head.png").write_bytes((good / "upright.png").read_bytes()[:20])


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _scale(path: Path) -> None:
    """Give the contract another grid of the output than the model has."""
    contract = json.loads(path.read_bytes())
    contract["output"]["grid"]["scale"] *= 2
    path.write_text(json.dumps(contract), encoding="utf-8")


def _name(folder: Path, model: str) -> None:
    """Give a model's size and digest to the contract."""
    path = folder / "contract.json"
    contract: dict[str, Any] = json.loads(path.read_bytes())
    data = (folder / model).read_bytes()
    for file in contract["files"]:
        if file["path"] == model:
            file |= {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    path.write_text(json.dumps(contract), encoding="utf-8")
