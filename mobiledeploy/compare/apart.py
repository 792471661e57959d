"""Say of two files whose grids differ in many layers that they were quantised apart, and how."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from mobiledeploy.compare.difference import Difference, Field

SEPARATE: Final = 4
"""So many layers with other grids are no accident."""
IN_FLOATS: Final = "in floats"
LAST_PLACE: Final = "last place"

_ACTIVATIONS: Final[frozenset[Field]] = frozenset({"scale", "zero point", "input grid"})
_KERNELS: Final[frozenset[Field]] = frozenset({"kernel scale", "per-tensor weights"})
_NETWORK: Final = frozenset({"conv", "depthwise", "dense", "add"})
"""Kinds of layers that make the network; others may be a matter of form."""


def words(
    harmful: Sequence[Difference], *, layers: int, place: str, origin: Callable[[], str]
) -> str:
    """Return how the files were quantised apart; nothing if they were not.

    Args:
        harmful: Differences that may change an output.
        layers: Of the first file.
        place: Where the first difference stands, in words.
        origin: Gives in words whether the files hold one network.
    """
    other = _other_network(harmful, layers)
    if other:
        return other
    enough = max(SEPARATE, layers // 8)
    in_floats = [found for found in harmful if IN_FLOATS in found.detail]
    if len(_places(in_floats)) >= enough:
        which = "first" if in_floats[-1].expected == "floats" else "second"
        return (
            f"the {which} file keeps {len(_places(in_floats))} of {layers} layers in floats where "
            "the other one has codes, so that they cannot be equal: what differs is the cost of "
            "quantising"
        )
    grids = [found for found in harmful if found.field in _ACTIVATIONS | _KERNELS]
    rounded = [found for found in grids if LAST_PLACE in found.detail]
    others = [found for found in grids if LAST_PLACE not in found.detail]
    if not others and len(_places(rounded)) >= enough:
        return (
            "scales were rounded otherwise, by units in the last place, in "
            f"{len(_places(rounded))} of {layers} layers: the first is {place}"
        )
    if len(_places(others)) < enough:
        return ""
    calibrated = any(found.field in _ACTIVATIONS for found in others)
    said = [
        f"the files were quantised separately: {len(_places(others))} of {layers} layers have "
        f"other scales or zero points, the first is {place}"
        if calibrated
        else f"the weights were quantised otherwise, the activations alike: "
        f"{len(_places(others))} of {layers} layers have other scales of weights, the first is "
        f"{place}"
    ]
    for field, said_of in (
        ("per-tensor weights", ""),
        ("kernel zero point", "the weights have a zero point other than 0"),
    ):
        some = [found for found in harmful if found.field == field]
        said += [f"in {len(_places(some))} of them {said_of or some[0].detail}"] if some else []
    said += operators(harmful)
    return "; ".join([*said, *filter(None, [origin()])])


def operators(harmful: Sequence[Difference]) -> list[str]:
    """Return which operators are layers in one file only, such as activations or batch norm."""
    said = []
    for which, field in (("first", "missing layer"), ("second", "extra layer")):
        alone = [found for found in harmful if found.field == field]
        names = Counter(found.expected if which == "first" else found.received for found in alone)
        if names:
            listed = ", ".join(f"{count} {name}" for name, count in names.most_common(4))
            said.append(f"in the {which} file only, these are layers of their own: {listed}")
    return said


def _other_network(harmful: Sequence[Difference], layers: int) -> str:
    """Return in words that the layers themselves are others, if half of them are."""
    known = [found for found in harmful if found.kind in _NETWORK]
    missing, extra, shapes = (
        sum(found.field == field for found in known)
        for field in ("missing layer", "extra layer", "kernel shape")
    )
    # Where the second file has few layers of its own, it is rather that it is not understood.
    if 2 * (missing + extra + shapes) < layers or min(missing, extra) + shapes < SEPARATE:
        return ""
    return (
        f"the files hold different networks: {missing} layers are in the first file only and "
        f"{extra} in the second, and {shapes} kernels have another shape"
    )


def _places(found: Iterable[Difference]) -> set[int]:
    """Return the layers that differences stand in; the input is none."""
    return {one.position for one in found if one.position >= 0}
