"""Split a data set into training, validation and test images.

The split is a pure function of labels and contents, without names or a seed: folders and files
may be renamed or moved, and builds with different seeds are tested on the same images.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeAlias

import numpy as np

from mobiledeploy.base.errors import RequestError
from mobiledeploy.data.dataset import Indices, Split

Purpose: TypeAlias = Literal["training", "calibration", "comparison"]
"""What images are for. `training`: every class must be in every split. `calibration`: some decide
ranges, others are compared on, of any classes. `comparison`: all are in the test split."""

SHARE: Final[Mapping[Split, int]] = {"test": 20, "validation": 10}
"""Percentage of each class that a held-back split gets."""
LIMIT: Final = 500
"""Most images of a held-back split, over all classes. More would take time and add little: at an
accuracy of 98 %, the 95 % interval of 500 images is 1.2 points to each side."""


def split(
    labels: Indices,
    contents: Sequence[bytes],
    class_names: Sequence[str],
    *,
    purpose: Purpose = "training",
    given: Sequence[Split] | None = None,
) -> dict[Split, Indices]:
    """Return the indices of each split's images, ascending.

    Each class gives 20 % to test and 10 % to validation, or its share of `LIMIT` if that is less,
    but at least one image. Within a class, the order of the content hashes decides. Images of
    equal contents are in the same split; those with several classes are training images.

    For calibration, classes that are too small for that are divided together, as if they were one.

    Args:
        labels: int64, shape (images,).
        contents: A cryptographic hash of each image.
        class_names: Names of the classes by label, for messages.
        purpose: What the images are for.
        given: The split of each image, where the user has made splits: train, and test or
            validation or both. A missing split is taken from train. Where images of equal
            contents are in several splits, all go into test if one is there, otherwise into
            validation, so that no test image is a training image.

    Raises:
        RequestError: A class has too few different images for every split; for calibration: there
            are too few in all.
    """
    if purpose == "comparison":
        return undivided(len(labels))
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
    if purpose == "calibration":
        classes = _for_calibration(classes, len(missing), contents)
    else:
        _check_sizes(classes, class_names, missing)
    total = sum(len(group) for groups in classes for group in groups)
    for groups in classes:
        size = sum(map(len, groups))
        for part in missing:
            quota = min(size * SHARE[part] // 100, size * LIMIT // total)
            if purpose == "calibration" and part == "test" and len(classes) == 1:
                quota = max(quota, 2)
            chosen[part] += _take(groups, quota)
        chosen["train"] += [index for group in groups for index in group]
    splits = {part: np.array(sorted(indices), np.int64) for part, indices in chosen.items()}
    if purpose == "training":
        _check_classes(splits, labels, class_names)
    return splits


def _check_sizes(
    classes: Sequence[list[list[int]]], class_names: Sequence[str], missing: Sequence[Split]
) -> None:
    fewest = len(missing) + 1
    for name, groups in zip(class_names, classes, strict=True):
        if len(groups) < fewest:
            raise RequestError(
                f"class `{name}` has {len(groups)} different images to train with, expected at "
                f"least {fewest}: one of them for each of "
                f"{', '.join(['train', *reversed(missing)])}",
                hint="add images to the class, or remove it",
            )


def _for_calibration(
    classes: Sequence[list[list[int]]], missing: int, contents: Sequence[bytes]
) -> list[list[list[int]]]:
    """Return the classes; those with too few groups to be divided are one, or join the first.

    Raises:
        RequestError: There are too few groups in all.
    """
    fewest = missing + 2  # files are compared on two at least, since equal outputs prove nothing
    large = [groups for groups in classes if len(groups) >= fewest]
    small = [group for groups in classes if len(groups) < fewest for group in groups]
    if large and len(small) < fewest:
        small += large.pop(0)
    if len(small) < fewest:
        raise RequestError(
            f"expected at least {fewest} different images, received {len(small)}: some decide "
            "ranges, and others are compared on",
            hint="some hundred images of all kinds give good ranges",
        )
    return [*large, sorted(small, key=lambda group: (len(group), contents[group[0]]))]


def undivided(images: int) -> dict[Split, Indices]:
    """Return all images as the test split."""
    nothing = np.empty(0, np.int64)
    return {"train": nothing, "validation": nothing, "test": np.arange(images, dtype=np.int64)}


def _equal_contents(contents: Sequence[bytes]) -> list[list[int]]:
    """Return groups of images with equal contents, sorted by size, then by hash."""
    groups: dict[bytes, list[int]] = {}
    for index, content in enumerate(contents):
        groups.setdefault(content, []).append(index)
    return [groups[key] for key in sorted(groups, key=lambda key: (len(groups[key]), key))]


def _most_held_back(parts: Sequence[Split]) -> Split:
    return next((part for part in SHARE if part in parts), "train")


def _take(groups: list[list[int]], quota: int) -> list[int]:
    """Remove groups from the front, at least one, up to the quota; return their images."""
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
