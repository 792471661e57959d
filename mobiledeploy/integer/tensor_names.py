"""Names by which the tensors of a `.tflite` can be told apart.

The schema wants no names, and none that differ: runtimes go by numbers. Everything here goes by
names, so that tensors without one of their own get one.
"""

from collections.abc import Sequence


def distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names, each one once: the first keeps it, others get their tensor's number."""
    own, taken = set(names), set[str]()
    found = []
    for number, name in enumerate(names):
        unique = name
        if not name or name in taken:
            unique = f"{name or 'tensor'}#{number}"
            while unique in own or unique in taken:
                unique += "'"
        taken.add(unique)
        found.append(unique)
    return tuple(found)
