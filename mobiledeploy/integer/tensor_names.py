"""Names by which the tensors of a `.tflite` can be told apart.

The schema wants no names, and none that differ: runtimes go by numbers. Everything here goes by
names, so that tensors without one of their own get one.
"""

from collections import Counter
from collections.abc import Sequence


def distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names, each one once: a repeated or empty one gets its tensor's number."""
    count = Counter(names)
    taken = {name for name in names if name and count[name] == 1}
    found = []
    for number, name in enumerate(names):
        own = name if name in taken and count[name] == 1 else f"{name}#{number}"
        while own != name and own in taken:
            own += "'"
        taken.add(own)
        found.append(own)
    return tuple(found)
