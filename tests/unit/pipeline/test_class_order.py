"""The order of a network's classes is checked against its answers."""

from pathlib import Path

import numpy as np
import pytest

from mobiledeploy.base.errors import RequestError
from mobiledeploy.network.float_graph import FloatGraph
from mobiledeploy.network.importers.imported import Imported
from mobiledeploy.pipeline import class_order
from mobiledeploy.pipeline.class_order import names_of

NUMBERS = tuple(sorted(str(number) for number in range(1, 13)))


def imported(*labels: str) -> Imported:
    graph = FloatGraph(name="net", input_shape=(16, 16, 3), nodes=(), output="input")
    return Imported(graph=graph, source="onnx", labels=labels)


def test_names_come_from_the_nearest_source(tmp_path: Path) -> None:
    model = tmp_path / "net.onnx"
    folders = ("x", "y")
    assert names_of((), imported(), model, folders, 3).source == "numbers"
    assert names_of((), imported(), model, folders, 2).source == "folders"
    (tmp_path / "labels.txt").write_text("y\nx\n")
    beside = names_of((), imported(), model, folders, 2)
    assert (beside.source, beside.places, beside.known) == ("neighbour", (1, 0), True)
    own = names_of((), imported("y", "z"), model, folders, 2)
    assert (own.source, own.places, own.known) == ("file", (None, 0), False)
    given = names_of(("a", "b"), imported("y", "z"), model, folders, 2)
    assert (given.source, given.names) == ("option", ("a", "b"))
    with pytest.raises(RequestError, match="expected 2 labels"):
        names_of(("a",), imported(), model, folders, 2)


def test_folders_of_some_classes_only_are_known(tmp_path: Path) -> None:
    names = names_of(("cat", "dog", "bird"), imported(), tmp_path / "net", ("bird", "cat"), 3)
    assert names.known
    assert names.places == (2, 0)
    assert not names_of(("cat",), imported(), tmp_path / "net", (), 1).known


def test_folders_sorted_as_text_are_noticed_where_the_head_is_in_order_of_numbers() -> None:
    labels = np.repeat(np.arange(12), 3)
    predicted = np.array([int(name) - 1 for name in NUMBERS])[labels]
    order = class_order.check(predicted, labels, NUMBERS)
    assert order.better == "numbers"
    names = class_order.of_folders(NUMBERS)
    with pytest.raises(RequestError, match=r"on 36 sorted by the numbers in them") as caught:
        class_order.require_plausible(order, names, labels=True)
    assert "--labels" in (caught.value.hint or "")


def test_capitals_sorted_first_are_noticed() -> None:
    names = tuple(sorted(["Ant", "Cow", "bee", "dog"]))
    labels = np.repeat(np.arange(4), 6)
    predicted = np.array([0, 2, 1, 3])[labels]
    assert class_order.check(predicted, labels, names).better == "capitals ignored"


def test_a_permutation_is_named_and_not_refused() -> None:
    names = class_order.of_folders(("a", "b", "c"))
    labels = np.repeat(np.arange(3), 10)
    order = class_order.check(np.array([1, 2, 0])[labels], labels, names.names)
    assert order.permuted is not None
    assert (order.permuted.correct, order.permuted.total) == (15, 15)
    class_order.require_plausible(order, names, labels=True)
    (said,) = class_order.words(order, names)
    assert "in another order on 15 of 15 others" in said


def test_answers_by_chance_are_named_and_others_are_not() -> None:
    rng = np.random.default_rng(0)
    names = class_order.of_folders(tuple("abcdefgh"))
    labels = np.repeat(np.arange(8), 8)
    order = class_order.check(rng.integers(0, 8, 64), labels, names.names)
    assert order.near_chance
    assert order.permuted is None
    (said,) = class_order.words(order, names)
    assert "guessing among 8 classes" in said
    mostly = np.where(rng.random(64) < 0.5, labels, rng.integers(0, 8, 64))
    fine = class_order.check(mostly, labels, names.names)
    assert not class_order.words(fine, names)


def test_one_answer_to_everything_is_no_permutation() -> None:
    labels = np.repeat(np.arange(4), 10)
    order = class_order.check(np.full(40, 2), labels, tuple("abcd"))
    assert order.permuted is None
    assert order.near_chance


def test_folders_that_are_no_classes_are_named(tmp_path: Path) -> None:
    labels, folders = ("cat", "dog", "crane", "crane"), ("cat", "cow", "crane")
    names = names_of((), imported(*labels), tmp_path / "net", folders, 4)
    (said,) = class_order.words(None, names)
    assert "accuracy is not counted: 1 of 3 folders is not named like a class: `cow` (" in said
    assert "give the names with `--labels`" in said
    assert "1 of 3 folders has a name that several classes have: `crane`;" in said
    given = names_of(("cat", "dog"), imported(), tmp_path / "net", ("dog", "cow", "pig"), 2)
    assert class_order.no_classes(given) == (
        "2 of 3 folders are not named like a class: `cow`, `pig` (that of `--labels`: `cat`, "
        "`dog`); rename or remove the folders"
    )
