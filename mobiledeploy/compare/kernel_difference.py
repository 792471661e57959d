"""In what two kernels of the same shape differ: swapped channels, a flip, other numbers."""

import numpy as np

from mobiledeploy.compare.difference import FieldDifference, in_each
from mobiledeploy.compare.reachable_codes import Ints, centred
from mobiledeploy.reading import StoredLayer


def kernels_differ(
    a: StoredLayer, b: StoredLayer, *, at_input: bool, at_logits: bool
) -> FieldDifference | None:
    """Return how two layers' kernels differ, or None if they do not.

    Args:
        a: A layer with weights.
        b: Its counterpart, with weights.
        at_input: Whether it reads the image.
        at_logits: Whether its outputs are the classes.
    """
    if a.weights is None or b.weights is None:
        return None
    mine, other = _outputs_first(a), _outputs_first(b)
    if np.array_equal(mine, other):
        return None
    if mine.shape != other.shape:
        same = sorted(mine.shape) == sorted(other.shape)
        return FieldDifference(
            field="kernel order" if same else "kernel shape",
            detail="the kernel's axes are in another order" if same else "another kernel",
            expected=_sides(a),
            received=_sides(b),
        )
    rows = tuple(
        int(channel)
        for channel in np.flatnonzero((mine != other).reshape(len(mine), -1).any(axis=1))
    )
    depthwise = a.kind == "depthwise"
    # Height and width: axes 1 and 2 in OHWI; 2 and 3 in a depthwise kernel with outputs first.
    sides = (2, 3) if depthwise else (1, 2)
    return (
        (None if depthwise else _inputs_moved(mine, other, rows, at_input=at_input))
        or (_turned(mine, other, rows, sides=sides) if mine.ndim == 4 else None)
        or _outputs_moved(mine, other, rows, at_logits=at_logits)
        or _numbers(mine, other, rows, a, b)
    )


def _outputs_first(layer: StoredLayer) -> Ints:
    """Return a kernel minus its zero points, shape (outputs, ...)."""
    if layer.weights is None:
        return np.zeros(0, np.int64)
    kernel = centred(layer.weights, layer)
    return np.moveaxis(kernel, -1, 0) if layer.kind == "depthwise" else kernel


def _turned(
    mine: Ints, other: Ints, rows: tuple[int, ...], *, sides: tuple[int, int]
) -> FieldDifference | None:
    high, wide = sides
    square = mine.shape[high] == mine.shape[wide]
    if square and np.array_equal(other, mine.swapaxes(high, wide)):
        words = "height and width of the kernel are transposed"
        return FieldDifference(field="kernel order", detail=words, channels=rows)
    for axes, words in (
        ((high,), "the kernel is flipped upside down"),
        ((wide,), "the kernel is flipped left to right"),
        ((high, wide), "the kernel is turned by 180 degrees"),
    ):
        if np.array_equal(other, np.flip(mine, axes)):
            return FieldDifference(field="kernel order", detail=words, channels=rows)
    return None


def _inputs_moved(
    mine: Ints, other: Ints, rows: tuple[int, ...], *, at_input: bool
) -> FieldDifference | None:
    inputs = mine.shape[-1]
    if inputs < 2 or len(rows) == 1:
        return None
    order = _permutation(np.moveaxis(mine, -1, 0), np.moveaxis(other, -1, 0))
    if order is None:
        return None
    if at_input and inputs == 3 and order.tolist() == [2, 1, 0]:
        return FieldDifference(
            field="channel order",
            detail="the image's channels are taken in the order BGR instead of RGB",
            channels=rows,
            expected="RGB",
            received="BGR",
        )
    return FieldDifference(
        field="channels swapped",
        detail=f"input channels {_moved(order)} are swapped",
        channels=rows,
    )


def _outputs_moved(
    mine: Ints, other: Ints, rows: tuple[int, ...], *, at_logits: bool
) -> FieldDifference | None:
    order = _permutation(mine, other)
    if order is None:
        return None
    if at_logits:
        return FieldDifference(
            field="label order",
            detail=f"classes {_moved(order)} are in another order",
            channels=rows,
        )
    return FieldDifference(
        field="channels swapped", detail=f"channels {_moved(order)} are swapped", channels=rows
    )


def _permutation(mine: Ints, other: Ints) -> np.ndarray[tuple[int], np.dtype[np.int64]] | None:
    """Return the order in which one kernel's rows make up the other's; None if they do not."""
    keys = [row.tobytes() for row in np.ascontiguousarray(mine)]
    others = [row.tobytes() for row in np.ascontiguousarray(other)]
    if sorted(keys) != sorted(others):
        return None
    places: dict[bytes, list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, []).append(place)
    # A row that is equal in place has not moved, even if other rows are equal to it.
    order = np.full(len(keys), -1)
    for place, key in enumerate(others):
        if keys[place] == key:
            order[place] = place
            places[key].remove(place)
    for place, key in enumerate(others):
        if order[place] < 0:
            order[place] = places[key].pop(0)
    return order


def _moved(order: np.ndarray[tuple[int], np.dtype[np.int64]]) -> str:
    moved = [place for place, source in enumerate(order) if place != source]
    if len(moved) == 2:
        return f"{moved[0]} and {moved[1]}"
    shown = ", ".join(str(place) for place in moved[:6])
    return f"{shown}{' ...' if len(moved) > 6 else ''}"


def _numbers(
    mine: Ints, other: Ints, rows: tuple[int, ...], a: StoredLayer, b: StoredLayer
) -> FieldDifference:
    if a.weights is not None and b.weights is not None:
        pair = a.weights.per_channel, b.weights.per_channel
        if pair[0] != pair[1]:
            named = {True: "a scale for each channel", False: "one scale for the whole kernel"}
            return FieldDifference(
                field="per-tensor weights",
                detail=f"the weights have {in_each(named[pair[0]], named[pair[1]])}",
                channels=rows,
                expected=named[pair[0]],
                received=named[pair[1]],
            )
    places = np.argwhere(mine != other)
    flipped = np.array_equal(mine[mine != other], -other[mine != other])
    if len(places) == 1:
        place = tuple(int(index) for index in places[0])
        values = int(mine[place]), int(other[place])
        sign = ", the other sign" if flipped else ""
        where = f"channel {place[0]} ({_spot(place, a)})"
        return FieldDifference(
            field="weights",
            detail=f"one weight of {where} is {in_each(*values)}{sign}",
            channels=rows,
            expected=str(values[0]),
            received=str(values[1]),
        )
    share = len(places) / mine.size
    channels = f"channel {rows[0]}" if len(rows) == 1 else f"{len(rows)} channels"
    if flipped:
        words = f"{len(places)} weights of {channels} have the other sign"
    else:
        words = f"{len(places)} of {mine.size} weights ({share:.0%}) differ in {channels}"
    largest = int(np.abs(mine - other).max())
    return FieldDifference(
        field="weights", detail=f"{words}, by up to {largest}", channels=rows,
        expected=_first(mine, places), received=_first(other, places),
    )  # fmt: skip


def _spot(place: tuple[int, ...], layer: StoredLayer) -> str:
    """Return the position of a weight within its output channel, in words."""
    if len(place) == 2:
        return f"input {place[1]}"
    if layer.kind == "depthwise":
        return f"row {place[2]}, column {place[3]}"
    return f"row {place[1]}, column {place[2]}, input {place[3]}"


def _first(kernel: Ints, places: Ints) -> str:
    shown = ", ".join(str(int(kernel[tuple(place)])) for place in places[:4])
    return f"{shown} ..." if len(places) > 4 else shown


def _sides(layer: StoredLayer) -> str:
    return "" if layer.weights is None else "x".join(str(n) for n in layer.weights.kernel.shape)
