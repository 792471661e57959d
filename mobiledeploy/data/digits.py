"""The built-in data set: 1797 handwritten digits of 8 x 8 pixels from scikit-learn.

Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, UCI Machine Learning
Repository, 1998 (its test part). Nothing is downloaded.
"""

import gzip
import hashlib
import importlib.util
import zlib
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import CorruptFileError, MissingDependencyError
from mobiledeploy.data.dataset import Dataset, Pixels, content_digest
from mobiledeploy.data.split import split
from mobiledeploy.spec.config import DIGITS

_SHAPE: Final = (1797, 65)
"""One row per image: 64 grey values of 0..16, then the digit."""


def load() -> Dataset:
    """Return the digits, white on black.

    A value v of 0..16 becomes the grey `floor(255 v / 16 + 1/2)` in all three channels.

    Raises:
        MissingDependencyError: scikit-learn is not installed.
        CorruptFileError: Its copy of the digits is damaged.
    """
    table = _table()
    grey = ((table[:, :64].astype(np.int64) * 255 + 8) // 16).astype(np.uint8).reshape(-1, 8, 8)
    images: npt.NDArray[np.uint8] = np.repeat(grey[..., None], 3, axis=3)
    labels = table[:, 64].astype(np.int64)
    class_names = tuple(str(digit) for digit in range(10))
    image_names = tuple(f"{label}/{index:04d}" for index, label in enumerate(labels))
    contents = tuple(hashlib.sha256(image.tobytes()).digest() for image in images)

    def decode(index: int) -> Pixels:
        pixels: Pixels = images[index]
        return pixels

    return Dataset(
        name=DIGITS,
        class_names=class_names,
        image_names=image_names,
        labels=labels,
        splits=split(labels, contents, class_names),
        digest=content_digest(class_names, image_names, labels, contents),
        contents=contents,
        decode=decode,
    )


def _table() -> npt.NDArray[np.uint8]:
    """Read scikit-learn's file without importing scikit-learn, which takes most of a second."""
    package = importlib.util.find_spec("sklearn")
    if package is None or package.origin is None:
        raise MissingDependencyError(
            "the built-in digits come with scikit-learn, which is not installed",
            hint="pip install 'mobiledeploy[build]', or give a folder of photos with `--data`",
        )
    path = Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"
    if not path.is_file():
        raise CorruptFileError(
            f"expected scikit-learn's digits at {path}, there is no such file",
            hint="install scikit-learn again, or give a folder of photos with `--data`",
        )
    return parse_table(path)


def parse_table(path: Path) -> npt.NDArray[np.uint8]:
    """Return the table in a gzipped CSV file, checked.

    Raises:
        CorruptFileError: It is not a table of 1797 digits.
    """
    try:
        rows = gzip.decompress(path.read_bytes()).decode("ascii").split()
        table = np.loadtxt(rows, delimiter=",", dtype=np.uint8) if rows else np.empty(0, np.uint8)
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise CorruptFileError(f"cannot read the digits in {path}: {error}") from error
    if table.shape != _SHAPE or table[:, :64].max() > 16 or table[:, 64].max() > 9:
        raise CorruptFileError(
            f"expected {_SHAPE[0]} digits of 64 values 0..16 in {path}, "
            f"received a table of shape {table.shape}"
        )
    return table
