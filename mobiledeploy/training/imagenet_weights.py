"""ImageNet weights, from where Keras applications has them.

Keras publishes no digests of these files. The one digest that could be confirmed from
independent sources is pinned; any other file's digest is recorded beside it when it first comes,
and must be the same ever after.
"""

import hashlib
import http.client
import os
import urllib.request
from pathlib import Path
from typing import Final, assert_never

from mobiledeploy.base import cache as caching
from mobiledeploy.base import files
from mobiledeploy.base.errors import CorruptFileError, DownloadError
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.spec.config import Arch, ModelConfig

BASE_URL: Final = "https://storage.googleapis.com/tensorflow/keras-applications/"
URL_VARIABLE: Final = "MOBILEDEPLOY_WEIGHTS_URL"
"""Environment variable with another base URL, such as a company's mirror."""

SIZES: Final[dict[Arch, tuple[int, ...]]] = {
    "v1": (128, 160, 192, 224),
    "v2": (96, 128, 160, 192, 224),
}
"""Image sizes that weights were published for; other sizes take those of 224 px, as in Keras."""

DIGESTS: Final = {
    "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5": (
        "3e195a2857356cfc092cbbb460beb2a5bce279015d7792598b8d3d9e451902e3"
    ),
}
"""SHA-256 by file name."""

TIMEOUT: Final = 30.0
"""Seconds without a byte after which the download is given up."""
CHUNK: Final = 1 << 18
LARGEST: Final = 1 << 26
"""Bytes; the largest published file, V2 1.4, has 25 million."""

_V1_ALPHA: Final = {0.25: "2_5", 0.5: "5_0", 0.75: "7_5", 1.0: "1_0"}


def download(
    arch: Arch,
    *,
    alpha: float,
    image_size: int,
    sha256: str | None = None,
    base_url: str | None = None,
    cache: Path | None = None,
    progress: Progress = silent,
    stage: str = "train",
) -> Path:
    """Return the path of ImageNet weights with their head, downloading them the first time.

    Args:
        arch: `v1` or `v2`.
        alpha: Width multiplier.
        image_size: Of the network; decides which of the published files is meant.
        sha256: What the file must have, in hexadecimal; by default what is known of it.
        base_url: Where from; by default `MOBILEDEPLOY_WEIGHTS_URL`, else Keras's own place.
        cache: Where to keep it; by default `MOBILEDEPLOY_CACHE`, else the user's cache folder.
        progress: Told bytes as they come.
        stage: The stage's name in the events.

    Raises:
        RequestError: There is no such architecture with this alpha.
        DownloadError: The file cannot be had, or is not the one expected.
        CorruptFileError: The file in the cache is not the one that once came.
        StorageError: The cache cannot be written.
    """
    ModelConfig(arch=arch, alpha=alpha, image_size=image_size)
    place, name = _place(arch, alpha, image_size)
    folder = cache or caching.folder()
    path, note = folder / name, folder / f"{name}.sha256"
    known = sha256 or DIGESTS.get(name)
    expected = known or _recorded(note)
    if path.is_file() and expected:
        if files.sha256(path) != expected:
            raise CorruptFileError(
                f"{path} is not the file that was downloaded: expected SHA-256 {expected}",
                hint=f"delete {path} to download it again",
            )
        return path
    url = (base_url or os.environ.get(URL_VARIABLE) or BASE_URL).rstrip("/") + f"/{place}/{name}"
    data = _fetch(url, progress, stage)
    found = hashlib.sha256(data).hexdigest()
    if expected and found != expected:
        raise DownloadError(
            f"{url} has SHA-256 {found}, expected {expected}",
            hint="the place holds another file, or the connection was tampered with; "
            f"if the new file is right, delete {note}"
            if not known
            else "the place holds another file, or the connection was tampered with",
        )
    if not expected:
        message = f"SHA-256 of {name} was not known beforehand, it is recorded as {found}"
        progress(Event(stage, message))
        files.write_atomic(note, f"{found}\n".encode())
    files.write_atomic(path, data)
    return path


def _place(arch: Arch, alpha: float, image_size: int) -> tuple[str, str]:
    """Return Keras's folder and file name."""
    size = image_size if image_size in SIZES[arch] else 224
    match arch:
        case "v1":
            return "mobilenet", f"mobilenet_{_V1_ALPHA[alpha]}_{size}_tf.h5"
        case "v2":
            kernels = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels"
            return "mobilenet_v2", f"{kernels}_{float(alpha)}_{size}.h5"
        case _:
            assert_never(arch)


def _recorded(note: Path) -> str | None:
    return note.read_text(encoding="ascii").strip() if note.is_file() else None


def _fetch(url: str, progress: Progress, stage: str) -> bytes:
    if not url.startswith(("https://", "http://")):
        raise DownloadError(f"expected an http or https URL, received {url}")
    data = bytearray()
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response:  # noqa: S310  checked above
            length = response.headers.get("Content-Length", "")
            total = int(length) if length.isdecimal() else None
            while chunk := response.read(CHUNK):
                data += chunk
                if len(data) > LARGEST:
                    raise DownloadError(f"{url} has more than {LARGEST} bytes, expected weights")
                progress(Event(stage, "downloading weights", len(data), total))
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(
            f"cannot download {url}: {error}",
            hint="without a network, name a file: `--weights FILE.h5`",
        ) from error
    if total is not None and len(data) != total:
        raise DownloadError(f"{url} ended after {len(data)} of {total} bytes", hint="try again")
    return bytes(data)
