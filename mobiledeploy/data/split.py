"""Which images train, which choose, which judge: a pure function of labels and contents.

Neither names nor a seed take part: a folder may be renamed or moved, its files too, and builds
with different seeds are judged on the same images.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from mobiledeploy.data.dataset import Indices, Split
from mobiledeploy.errors import RequestError

SHARE: Final[Mapping[Split, int]] = {"test": 20, "validation": 10}
"""Percent of each class that is held back."""
LIMIT: Final = 500
"""Images that a held-back split has at most, over all classes: more would cost time and tell
little (at 98 % the 95 % interval of 500 images is 1.2 points wide to each side)."""


def split(
    labels: Indices, contents: Sequence[bytes], class_names: Sequence[str]
) -> dict[Split, Indices]:
    """Return the images of each split, in ascending order.

    Each class gives 20 % to test and 10 % to validation, or its part of `LIMIT` if that is
    less, but at least one image. Within a class the order of the contents' hashes decides.
    Images with equal contents stay together; those that stand in several classes train.

    Args:
        labels: int64, one an image.
        contents: A cryptographic hash of each image.
        class_names: By label, for messages.

    Raises:
        RequestError: A class has fewer than three different images.
    """
    copies: dict[bytes, list[int]] = {}
    for index, content in enumerate(contents):
        copies.setdefault(content, []).append(index)
    chosen: dict[Split, list[int]] = {"train": [], "validation": [], "test": []}
    groups: list[list[list[int]]] = [[] for _ in class_names]
    for _, group in sorted(copies.items(), key=lambda item: (len(item[1]), item[0])):
        found = {int(labels[index]) for index in group}
        if len(found) > 1:
            chosen["train"] += group
        else:
            groups[found.pop()].append(group)
    for name, own in zip(class_names, groups, strict=True):
        if len(own) < 3:
            raise RequestError(
                f"class `{name}` has {len(own)} different images, expected at least 3: one each "
                "to train, to validate and to test",
                hint="add images to the class, or remove it",
            )
        images = sum(map(len, own))
        for part, percent in SHARE.items():
            quota = min(images * percent // 100, images * LIMIT // len(labels))
            taken = own.pop(0)
            while own and len(taken) + len(own[0]) <= quota:
                taken += own.pop(0)
            chosen[part] += taken
        chosen["train"] += [index for group in own for index in group]
    return {part: np.array(sorted(found), np.int64) for part, found in chosen.items()}
