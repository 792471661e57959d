"""Which images train, which choose, which judge: a pure function of labels and contents.

Neither names nor a seed take part: a folder may be renamed or moved, its files too, and builds
with different seeds are judged on the same images.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from mobiledeploy.base.errors import RequestError
from mobiledeploy.data.dataset import Indices, Split

SHARE: Final[Mapping[Split, int]] = {"test": 20, "validation": 10}
"""Percent of each class that is held back."""
LIMIT: Final = 500
"""Images that a held-back split has at most, over all classes: more would cost time and tell
little (at 98 % right, the 95 % interval of 500 images reaches 1.2 points to each side)."""


def split(
    labels: Indices,
    contents: Sequence[bytes],
    class_names: Sequence[str],
    *,
    given: Sequence[Split] | None = None,
) -> dict[Split, Indices]:
    """Return the indices of each split's images, ascending.

    Each class gives 20 % to test and 10 % to validation, or its part of `LIMIT` if that is
    less, but at least one image. Within a class the order of the contents' hashes decides.
    Images of equal contents stay together; those that stand in several classes train.

    Args:
        labels: int64, one an image.
        contents: A cryptographic hash of each image.
        class_names: By label, for messages.
        given: The split that each image's owner has put it in: train, and test or validation or
            both. What is missing is taken from train. Of equal contents in several splits, all
            belong to the one that is held back the most, so that nothing is judged by an image
            that was learnt.

    Raises:
        RequestError: A class has too few different images to be in every split.
    """
    missing = [part for part in SHARE if given is None or part not in given]
    chosen: dict[Split, list[int]] = {"train": [], "validation": [], "test": []}
    classes: list[list[list[int]]] = [[] for _ in class_names]
    for group in _equal_contents(contents):
        part = _most_held_back([given[index] for index in group]) if given else "train"
        group_labels = {int(labels[index]) for index in group}
        if part == "train" and len(group_labels) == 1:
            classes[group_labels.pop()].append(group)
        else:
            chosen[part] += group
    total = sum(len(group) for groups in classes for group in groups)
    for name, groups in zip(class_names, classes, strict=True):
        if len(groups) <= len(missing):
            raise RequestError(
                f"class `{name}` has {len(groups)} different images to train with, expected at "
                f"least {len(missing) + 1}: one of them for each of "
                f"{', '.join(['train', *reversed(missing)])}",
                hint="add images to the class, or remove it",
            )
        size = sum(map(len, groups))
        for part in missing:
            quota = min(size * SHARE[part] // 100, size * LIMIT // total)
            chosen[part] += _take(groups, quota)
        chosen["train"] += [index for group in groups for index in group]
    splits = {part: np.array(sorted(found), np.int64) for part, found in chosen.items()}
    _check_classes(splits, labels, class_names)
    return splits


def undivided(images: int) -> dict[Split, Indices]:
    """Return all images as the test split."""
    nothing = np.empty(0, np.int64)
    return {"train": nothing, "validation": nothing, "test": np.arange(images, dtype=np.int64)}


def _equal_contents(contents: Sequence[bytes]) -> list[list[int]]:
    """Return groups of images with the same content, the smallest groups first, then by hash."""
    groups: dict[bytes, list[int]] = {}
    for index, content in enumerate(contents):
        groups.setdefault(content, []).append(index)
    return [groups[key] for key in sorted(groups, key=lambda key: (len(groups[key]), key))]


def _most_held_back(parts: Sequence[Split]) -> Split:
    return next((part for part in SHARE if part in parts), "train")


def _take(groups: list[list[int]], quota: int) -> list[int]:
    """Remove groups from the front until the quota is full, at least one; return their images."""
    taken = groups.pop(0)
    while groups and len(taken) + len(groups[0]) <= quota:
        taken = taken + groups.pop(0)
    return taken


def _check_classes(
    splits: Mapping[Split, Indices], labels: Indices, class_names: Sequence[str]
) -> None:
    for part, indices in splits.items():
        absent = sorted(set(range(len(class_names))) - set(labels[indices].tolist()))
        if absent:
            raise RequestError(
                f"class `{class_names[absent[0]]}` has no images in the {part} split",
                hint=f"add images of it to `{part}`, or remove the class from the other splits",
            )
