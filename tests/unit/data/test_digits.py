"""The built-in digits are those of scikit-learn, with a fixed split."""

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.data.digits import load, parse_table
from mobiledeploy.data.sources import open_dataset


def test_digits_are_those_of_scikit_learn_on_an_exact_grey_scale() -> None:
    from sklearn.datasets import load_digits  # more than a second, in every worker

    theirs, dataset = load_digits(), load()
    assert dataset.labels.tolist() == theirs.target.tolist()
    for index, image in enumerate(theirs.images):
        grey = np.floor(image * 255 / 16 + 0.5)
        assert np.array_equal(dataset.decode(index), np.stack([grey] * 3, axis=2))
    assert dataset.decode(0).dtype == np.uint8


def test_the_split_of_the_digits_is_fixed() -> None:
    dataset = open_dataset("digits")
    assert {part: len(indices) for part, indices in dataset.splits.items()} == {
        "train": 1266,
        "validation": 176,
        "test": 355,
    }
    assert dataset.class_names == tuple("0123456789")
    assert dataset.digest == "4f35148944d6301a98e6dfdfad1dba1cd4ebb5f2697170c066a79ccdb8568da3"


def test_reading_the_digits_does_not_import_scikit_learn() -> None:
    code = (
        "import sys; from mobiledeploy.data.digits import load; load(); "
        "sys.exit(bool({'sklearn', 'scipy', 'PIL'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not gzip",
        gzip.compress(b"1,2,3\n"),
        gzip.compress(b"a,b\n"),
        gzip.compress((",".join(["17"] * 64) + ",0\n").encode() * 1797),
        gzip.compress((",".join(["16"] * 64) + ",10\n").encode() * 1797),
        gzip.compress((",".join(["16"] * 64) + ",9\n").encode() * 1797)[:-10],
    ],
    # Names, as gzip writes the time into the bytes: xdist's workers must collect the same tests.
    ids=["empty", "no gzip", "short row", "no numbers", "no grey", "no digit", "cut"],
)
def test_a_damaged_table_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "digits.csv.gz"
    path.write_bytes(data)
    with pytest.raises(CorruptFileError, match="digits"):
        parse_table(path)
