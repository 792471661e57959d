"""The digest of a data set covers all its parts."""

from typing import Any

import numpy as np
import pytest

from mobiledeploy.data.dataset import content_digest

CLASSES, NAMES = ("cat", "dog"), ("cat/1.jpg", "dog/1.jpg")
LABELS, CONTENTS = np.array([0, 1]), (b"\x01\x02", b"\x03\x04")


def test_the_digest_can_be_computed_elsewhere() -> None:
    # printf '["cat", "dog"]\n["cat/1.jpg", 0, "0102"]\n["dog/1.jpg", 1, "0304"]' | sha256sum
    assert content_digest(CLASSES, NAMES, LABELS, CONTENTS) == (
        "5e4d998a328ac3639dc36b3cf91b4d5dd21cb6a3f9f17ed44f15379419b649bf"
    )


@pytest.mark.parametrize(
    "other",
    [
        (("cat", "dogs"), NAMES, LABELS, CONTENTS),
        (CLASSES, ("cat/1.jpg", "dog/2.jpg"), LABELS, CONTENTS),
        (CLASSES, NAMES, np.array([1, 0]), CONTENTS),
        (CLASSES, NAMES, LABELS, CONTENTS[::-1]),
        (CLASSES, NAMES[:1], LABELS[:1], CONTENTS[:1]),
    ],
    ids=["classes", "names", "labels", "contents", "count"],
)
def test_the_digest_changes_with_every_part(other: tuple[Any, ...]) -> None:
    assert content_digest(*other) != content_digest(CLASSES, NAMES, LABELS, CONTENTS)
