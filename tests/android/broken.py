"""Bundles and photos that are wrong in one way each."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np


def bundles(good: Path, folder: Path) -> None:
    """Copy a bundle to `mobiledeploy` beside broken ones, which BrokenBundles.kt names.

    Args:
        good: A bundle's folder.
        folder: Where to put them.
    """
    for name in ("mobiledeploy", "damaged", "cut", "mismatch", "nonsense", "wrong-golden"):
        shutil.copytree(good, folder / name)
    _flip(folder / "damaged/model.tflite")
    contract = folder / "cut/contract.json"
    contract.write_bytes(contract.read_bytes()[:200])
    _unsigned(folder / "mismatch/contract.json")
    nonsense = folder / "nonsense/model.tflite"
    nonsense.write_bytes(nonsense.read_bytes()[:1000] + b"nonsense")
    _name(folder / "nonsense", "model.tflite")
    _step(folder / "wrong-golden/golden.npz")


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


def _unsigned(path: Path) -> None:
    """Say uint8 where the model takes and gives int8."""
    contract = json.loads(path.read_bytes())
    for tensor in ("input", "output"):
        contract[tensor]["dtype"] = "uint8"
    path.write_text(json.dumps(contract), encoding="utf-8")


def _step(path: Path) -> None:
    """Change one golden logit by one step."""
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays["logits"][-1, -1] += 1 if arrays["logits"][-1, -1] < 127 else -1
    np.savez(path, **arrays)


def _name(folder: Path, model: str) -> None:
    """Give a model's size and digest to the contract."""
    path = folder / "contract.json"
    contract: dict[str, Any] = json.loads(path.read_bytes())
    data = (folder / model).read_bytes()
    for file in contract["files"]:
        if file["path"] == model:
            file |= {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    path.write_text(json.dumps(contract), encoding="utf-8")
