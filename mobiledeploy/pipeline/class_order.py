"""Which class each output of an imported network is, and whether its answers say otherwise."""

import dataclasses
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import RequestError
from mobiledeploy.data import class_names
from mobiledeploy.network.importers.imported import Imported
from mobiledeploy.spec.results import Accuracy, ClassOrder, OrderCandidate, Source
from mobiledeploy.verify.outputs.accuracy import mcnemar, wilson

Classes: TypeAlias = npt.NDArray[np.int64]
"""A class, by the number of its output, for each photo; shape (photos,)."""

PLAIN: Final = 0.01
"""p-value of McNemar's exact test below which one choice is plainly better than another."""
_MOST_NAMED: Final = 5
"""Most folders that a sentence names."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The names of an imported network's classes, in the order of its output.

    Attributes:
        names: One for each class.
        source: Who says so: `option` (`--labels`), `file` (the model file), `neighbour` (a file
            of labels beside it), `folders` (those of the photos) or `numbers` (nobody).
        places: The class of each folder of photos, None for one that is none of the classes, or
            whose name several classes have.
        folders: The folders of photos.
    """

    names: tuple[str, ...]
    source: Source
    places: tuple[int | None, ...]
    folders: tuple[str, ...]

    @property
    def known(self) -> bool:
        """Whether every folder of photos is a class."""
        return bool(self.places) and None not in self.places

    @property
    def numbers(self) -> Classes | None:
        """The class of each folder of photos; None unless every one is a class."""
        return np.array(self.places, np.int64) if self.known else None


def names_of(
    given: tuple[str, ...], imported: Imported, path: Path, folders: tuple[str, ...], classes: int
) -> Names:
    """Return the names of the classes.

    Args:
        given: What a user says; empty for nothing.
        imported: The network.
        path: Its file.
        folders: The names of the photos' folders; empty without photos.
        classes: Number of classes.

    Raises:
        RequestError: The labels that a user gives are of another number of classes, or one of
            them is there twice.
    """
    if given and len(given) != classes:
        raise RequestError(
            f"expected {classes} labels, one for each class, received {len(given)}",
            hint="name a file with one label a line with `--labels`",
        )
    twice = next((name for name in given if given.count(name) > 1), None)
    if twice is not None:
        raise RequestError(
            f"expected a name of its own for each class, received `{twice}` "
            f"{given.count(twice)} times",
            hint="name a file with one label a line with `--labels`",
        )
    sources: list[tuple[Source, tuple[str, ...]]] = [
        ("option", given),
        ("file", imported.labels),
        ("neighbour", class_names.beside(path)),
        ("folders", folders),
    ]
    for source, names in sources:
        if len(names) == classes:
            return _of(names, source, folders)
    return _of(tuple(f"class {number}" for number in range(classes)), "numbers", folders)


def _of(names: tuple[str, ...], source: Source, folders: tuple[str, ...]) -> Names:
    places = tuple(class_names.places(folders, names))
    return Names(names=names, source=source, places=places, folders=folders)


_KEYS: Final[Mapping[str, Callable[[str], Any]]] = {
    "text": lambda name: name,
    "capitals ignored": lambda name: (name.casefold(), name),
    "numbers": lambda name: [
        (0, int(part), "") if part.isdecimal() else (1, 0, part)
        for part in re.split(r"(\d+)", name)
        if part
    ],
}
"""By the name of an order: the key by which names are sorted."""


def orders(names: tuple[str, ...]) -> dict[str, Classes]:
    """Return other orders that a head may have been trained in.

    Returns:
        By the order's name, the output of each class in it, shape (classes,). Only orders that
        differ from that of `names`, and from each other.
    """
    given = np.arange(len(names))
    others: dict[str, Classes] = {}
    for order, key in _KEYS.items():
        keys = [key(name) for name in names]
        moved = np.empty(len(names), np.int64)
        moved[sorted(range(len(names)), key=keys.__getitem__)] = given
        if not any(np.array_equal(moved, known) for known in (given, *others.values())):
            others[order] = moved
    return others


def check(predicted: Classes, labels: Classes, names: tuple[str, ...]) -> ClassOrder:
    """Return how well a float network's answers fit the order of the classes, and other orders.

    Args:
        predicted: The outputs that are highest.
        labels: The outputs that should be, in the order of `names`.
        names: Names of the classes.
    """
    right = predicted == labels
    candidates = []
    better = ""
    for order, moved in orders(names).items():
        under = predicted == moved[labels]
        candidates.append(OrderCandidate(order=order, right=Accuracy.of(predicted, moved[labels])))
        if under.sum() > right.sum() and _p(under, right) < PLAIN:
            better = order
            right = under
    given = Accuracy.of(predicted, labels)
    permuted = None if better else _permuted(predicted, labels, len(names))
    return ClassOrder(
        given=given,
        candidates=tuple(candidates),
        better=better,
        permuted=permuted,
        near_chance=wilson(given.correct, given.total)[0] <= 1 / len(names),
    )


def _permuted(predicted: Classes, labels: Classes, classes: int) -> Accuracy | None:
    """Return how many photos a permutation of the classes gets right, if plainly more.

    Each class's most frequent answer is counted on one half of the photos, and tried on the other.
    """
    found, tried = slice(0, None, 2), slice(1, None, 2)
    moved = np.full(classes, -1)
    seen = np.unique(labels[found])
    for label in seen:
        moved[label] = np.bincount(predicted[found][labels[found] == label]).argmax()
    if len(np.unique(moved[seen])) < len(seen):
        return None  # two classes get the same answer: that is no permutation
    answers, true = predicted[tried], labels[tried]
    under, given = answers == moved[true], answers == true
    if under.sum() > given.sum() and _p(under, given) < PLAIN:
        return Accuracy.of(answers, moved[true])
    return None


def _p(one: npt.NDArray[np.bool_], two: npt.NDArray[np.bool_]) -> float:
    return mcnemar(int((one & ~two).sum()), int((two & ~one).sum()))


def of_folders(folders: tuple[str, ...]) -> Names:
    """Return the folders of photos as the classes, in their order."""
    return _of(folders, "folders", folders)


def require_plausible(order: ClassOrder, names: Names, *, labels: bool) -> None:
    """Refuse an order of the classes where another one is plainly better.

    Args:
        order: What was found.
        names: The classes in the order that is assumed.
        labels: Whether the command has `--labels`; otherwise the folders have to be renamed.

    Raises:
        RequestError: One is.
    """
    if not order.better:
        return
    best = next(candidate for candidate in order.candidates if candidate.order == order.better)
    sort = _SORTED[order.better]
    raise RequestError(
        f"the float network is right on {order.given.correct} of {order.given.total} photos with "
        f"its classes in the order {_some(names.names)} ({_SOURCES[names.source]}), and on "
        f"{best.right.correct} sorted {sort}: it was trained in that order",
        hint=f"write the names sorted {sort}, one a line, into a file, and name it with `--labels`"
        if labels
        else f"rename the folders so that text sorts them as they are sorted {sort}: 01, 02, 10",
    )


_SORTED: Final[Mapping[str, str]] = {
    "text": "as text",
    "capitals ignored": "without regard to capitals",
    "numbers": "by the numbers in them",
}
_SOURCES: Final[Mapping[Source, str]] = {
    "option": "that of `--labels`",
    "file": "that of the model file",
    "neighbour": "that of the labels beside the model file",
    "folders": "that of the folders",
    "numbers": "by number",
}


def no_classes(names: Names) -> str:
    """Return in words which folders of photos are no class, and what to do; empty if none is."""
    unknown = tuple(
        folder for folder, place in zip(names.folders, names.places, strict=True) if place is None
    )
    twice = class_names.shared(unknown, names.names)
    others = tuple(folder for folder in unknown if folder not in twice)
    total = f"of {len(names.folders)} folders"
    said = []
    if others:
        fix = (
            "rename or remove the folders"
            if names.source == "option"
            else "give the names with `--labels`"
        )
        said.append(
            f"{len(others)} {total} {'is' if len(others) == 1 else 'are'} not named like a class: "
            f"{_some(others)} ({_SOURCES[names.source]}: {_some(names.names)}); {fix}"
        )
    if twice:
        said.append(
            f"{len(twice)} {total} {'has' if len(twice) == 1 else 'have'} a name that several "
            f"classes have: {_some(twice)}; give each class a name of its own with `--labels`"
        )
    return "; ".join(said)


def words(order: ClassOrder | None, names: Names) -> list[str]:
    """Return warnings about the classes, a sentence each."""
    unknown = no_classes(names)
    said = [f"accuracy is not counted: {unknown}"] if unknown else []
    if order is None:
        return said
    count = f"{order.given.correct} of {order.given.total}"
    if order.permuted is not None:
        said.append(
            f"the float network is right on {count} photos, but with its classes in another order "
            f"on {order.permuted.correct} of {order.permuted.total} others: check the order of "
            f"the classes ({_SOURCES[names.source]}: {_some(names.names)})"
        )
    elif order.near_chance:
        said.append(
            f"the float network is right on {count} photos, which guessing among "
            f"{len(names.names)} classes may give as well: check the input range and the order of "
            "the classes"
        )
    return said


def _some(names: tuple[str, ...]) -> str:
    more = ", ..." if len(names) > _MOST_NAMED else ""
    return ", ".join(f"`{name}`" for name in names[:_MOST_NAMED]) + more
