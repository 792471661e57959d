"""Install clients into the cache of downloads, each with its own packages, and run them."""

import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mobiledeploy.base import download_cache
from mobiledeploy.base.progress import silent

PROGRAMS = Path(__file__).with_name("programs")
NODE_PACKAGES = ("onnxruntime-web@1.30.0", "@litertjs/core@2.5.3", "playwright-core@1.65.1")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a client gave for all images.

    Attributes:
        version: The client's own word for its version.
        outputs: Shape (images, classes).
        names: What the client calls the classes; empty if it does not name them.
    """

    version: str
    outputs: npt.NDArray[np.float64]
    names: tuple[str, ...] = ()

    def difference(self, expected: npt.NDArray[Any]) -> float:
        """The largest difference, in steps if the output is int8 or uint8."""
        assert self.outputs.shape == expected.shape
        return float(np.abs(self.outputs - expected.astype(np.float64)).max())

    def agreement(self, expected: npt.NDArray[Any]) -> float:
        """The part of the images with the same first class."""
        return float(np.mean(self.outputs.argmax(axis=1) == expected.argmax(axis=1)))


def python(*requirements: str, alone: bool = False) -> tuple[str, ...]:
    """The command of this Python with these packages, what they need, and no others.

    Args:
        *requirements: The packages.
        alone: Whether what they need is left out, unless it is among them.
    """
    install = (
        sys.executable, "-m", "pip", "install", "--quiet", "--no-compile",
        *(("--no-deps",) if alone else ()), "--target",
    )  # fmt: skip
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    site = _installed("-".join((version, *requirements)), install, requirements)
    # -S leaves out this environment's own packages.
    return ("env", f"PYTHONPATH={site}", sys.executable, "-S")


def node() -> Path:
    """A folder with the packages that programs in JavaScript need."""
    install = ("npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix")
    name = "node-" + "-".join(package.replace("/", "+") for package in NODE_PACKAGES)
    return _installed(name, install, NODE_PACKAGES)


def chromium() -> str:
    path = shutil.which("chromium")
    assert path is not None, "apt-get install chromium"
    return path


def _installed(name: str, install: Sequence[str], packages: Sequence[str]) -> Path:
    """A folder is complete as soon as it has its name."""
    place = download_cache.folder() / "clients" / name
    if not place.is_dir():
        with download_cache.hold(place.parent, wait=600, progress=silent, stage="clients"):
            if not place.is_dir():
                with download_cache.staging(place.parent) as folder:
                    inside = folder / "packages"
                    inside.mkdir()
                    subprocess.run([*install, inside, *packages], check=True, timeout=500)
                    inside.rename(place)
    return place


def answers(
    command: Sequence[str | Path],
    program: str,
    model: bytes,
    inputs: npt.NDArray[Any],
    folder: Path,
    *more: str,
    cwd: Path | None = None,
) -> Answers:
    """Run one of `programs/` on a model: one image after the other.

    Args:
        command: What runs the program.
        program: Its name.
        model: The file.
        inputs: Shape (images, height, width, channels).
        folder: Where model and inputs are written.
        *more: Further arguments of the program.
        cwd: Where it runs.

    Raises:
        subprocess.CalledProcessError: The client refuses the file.
    """
    file, images = folder / "model", folder / "inputs"
    file.write_bytes(model)
    images.write_bytes(np.ascontiguousarray(inputs).tobytes())
    shape = ",".join(map(str, (1, *inputs.shape[1:])))
    done = subprocess.run(
        [*command, PROGRAMS / program, file, images, str(inputs.dtype), shape, *more],
        cwd=cwd or folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    printed = json.loads(done.stdout.splitlines()[-1])
    return Answers(
        version=printed["version"],
        outputs=np.array(printed["outputs"], np.float64),
        names=tuple(printed.get("names", ())),
    )
