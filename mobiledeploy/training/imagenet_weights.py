"""Download the ImageNet weights of Keras applications.

Keras publishes no digests of these files. The one digest that independent sources confirm is
pinned. The digest of any other file is recorded beside it at the first download, and the file
must have that digest from then on.
"""

import hashlib
import http.client
import os
import urllib.request
from pathlib import Path
from typing import Final, assert_never

from mobiledeploy.base import download_cache, files
from mobiledeploy.base.errors import CorruptFileError, DownloadError
from mobiledeploy.base.progress import Event, Progress, silent
from mobiledeploy.spec.config import Arch, ModelConfig

BASE_URL: Final = "https://storage.googleapis.com/tensorflow/keras-applications/"
URL_VARIABLE: Final = "MOBILEDEPLOY_WEIGHTS_URL"
"""Environment variable that names another base URL, such as a company's mirror."""

SIZES: Final[dict[Arch, tuple[int, ...]]] = {
    "v1": (128, 160, 192, 224),
    "v2": (96, 128, 160, 192, 224),
}
"""Image sizes with published weights; other sizes use the weights for 224 px, as in Keras."""

DIGESTS: Final = {
    "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5": (
        "3e195a2857356cfc092cbbb460beb2a5bce279015d7792598b8d3d9e451902e3"
    ),
}
"""Pinned SHA-256 by file name."""

TIMEOUT: Final = 30.0
"""Seconds without a byte after which the download fails."""
CHUNK: Final = 1 << 18
LARGEST: Final = 1 << 26
"""Most bytes of a file; the largest published one, V2 1.4, has 25 million."""

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
    """Return the path of ImageNet weights with their head; download them unless they are cached.

    Args:
        arch: `v1` or `v2`.
        alpha: Width multiplier.
        image_size: Height and width of the input, pixels; it selects the published file.
        sha256: Expected digest, hexadecimal; by default the pinned or recorded one.
        base_url: Folder to download from; by default `MOBILEDEPLOY_WEIGHTS_URL`, else Keras's own.
        cache: Folder to keep the file in; by default `MOBILEDEPLOY_CACHE`, else the user's cache.
        progress: Called with the number of bytes downloaded so far.
        stage: The stage's name in the events.

    Raises:
        RequestError: There is no such architecture with this alpha.
        DownloadError: The download fails, or brings a file with another digest.
        CorruptFileError: The cached file has another digest than when it was downloaded.
        StorageError: The cache cannot be written.
    """
    ModelConfig(arch=arch, alpha=alpha, image_size=image_size)
    keras_folder, name = _keras_path(arch, alpha, image_size)
    folder = cache or download_cache.folder()
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
    url = (base_url or os.environ.get(URL_VARIABLE) or BASE_URL).rstrip(
        "/"
    ) + f"/{keras_folder}/{name}"
    data = _fetch(url, progress, stage)
    received = hashlib.sha256(data).hexdigest()
    if expected and received != expected:
        raise DownloadError(
            f"{url} has SHA-256 {received}, expected {expected}",
            hint="the server has another file, or the connection was tampered with; "
            f"if the new file is right, delete {note}"
            if not known
            else "the server has another file, or the connection was tampered with",
        )
    if not expected:
        message = (
            f"no SHA-256 of {name} was known: {received} is recorded and required from now on"
        )
        progress(Event(stage, message))
        files.write_atomic(note, f"{received}\n".encode())
    files.write_atomic(path, data)
    return path


def _keras_path(arch: Arch, alpha: float, image_size: int) -> tuple[str, str]:
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
