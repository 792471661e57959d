"""Which operators of a graph lie between some of its tensors and another one."""

from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from mobiledeploy.base.errors import ConversionError, CorruptFileError

Name = TypeVar("Name", int, str)


def between(
    operators: Sequence[tuple[Sequence[Name], Sequence[Name]]],
    constants: Collection[Name],
    *,
    inputs: Sequence[Name],
    output: Name,
    called: Callable[[Name], str] = str,
) -> tuple[int, ...]:
    """Return the places of the operators that compute a tensor from given ones, in their order.

    Args:
        operators: What each reads and writes, in running order.
        constants: Tensors that nothing needs to compute.
        inputs: Where to stop.
        output: The tensor.
        called: A tensor's name for messages.

    Raises:
        ConversionError: The tensor is an input itself, does not depend on one of the inputs, or
            depends on something else that is not computed from them.
        CorruptFileError: Two operators write one tensor.
    """
    writers: dict[Name, int] = {}
    for place, (_, written) in enumerate(operators):
        for name in written:
            if name in writers:
                raise CorruptFileError(f"two operators write `{called(name)}`")
            writers[name] = place
    if output in inputs:
        raise ConversionError(f"there is nothing between `{called(output)}` and itself")
    taken: set[int] = set()
    seen: set[Name] = set()
    waiting = [output]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in inputs or name in constants:
            continue
        if name not in writers:
            raise ConversionError(f"`{called(output)}` also depends on `{called(name)}`")
        taken.add(writers[name])
        waiting.extend(operators[writers[name]][0])
    idle = [name for name in inputs if name not in seen]
    if idle:
        raise ConversionError(f"`{called(output)}` does not depend on `{called(idle[0])}`")
    return tuple(sorted(taken))
