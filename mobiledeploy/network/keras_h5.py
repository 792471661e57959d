"""The weights layout of Keras 3 and of Keras 2.12 and later: groups named after classes.

`layers/conv2d_7/vars/0`: the eighth Conv2D of the model, its first variable. Layers of one class
are numbered in running order; how the classes alternate is only in the configuration.
"""

import re
from typing import Final

from mobiledeploy.base.errors import CorruptFileError, RequestError
from mobiledeploy.network.fold import BatchNorm
from mobiledeploy.network.hdf5 import Dataset, Group, arrays, child, groups, string
from mobiledeploy.network.keras_config import (
    EPSILON,
    KINDS,
    NORMS,
    ConfigLayer,
    KerasConfig,
    snake_case,
)
from mobiledeploy.network.network import Float
from mobiledeploy.network.stored import Stored, StoredKernel, StoredNorm

ROOTS: Final = ("layers", "_layer_checkpoint_dependencies")
"""The top group; the second is what Keras 2.12 called it."""

_KINDS: Final = {snake_case(name): kind for name, kind in KINDS.items()}
_NORMS: Final = frozenset(map(snake_case, NORMS))


def read(file: Group, origin: str, config: KerasConfig | None) -> Stored:
    """Read the weights.

    Args:
        file: The opened HDF5 file.
        origin: Its name, for messages.
        config: The model's configuration, where the file came with one.

    Raises:
        CorruptFileError: The file is damaged.
        RequestError: It holds something that cannot be told without a configuration.
    """
    known = {layer.path: layer for layer in config.layers} if config else {}
    names: dict[str, str] = {}
    datasets: dict[str, list[Dataset]] = {}
    for root in ROOTS:
        top = child(file, root)
        if top is None:
            continue
        for path, group in groups(top, root):
            variables = child(group, "vars")
            if variables is not None and _stem(path) in _KINDS.keys() | _NORMS:
                plain = path.replace(ROOTS[1], ROOTS[0])
                names[plain] = known[plain].name if plain in known else _name(variables, path)
                datasets[plain] = _variables(variables, path)
    kernels, norms = [], []
    values = arrays(datasets)
    for path in sorted(values, key=_order):
        if _stem(path) in _NORMS:
            norm = _batch_norm(names[path], values[path], known.get(path))
            norms.append(StoredNorm(name=names[path], path=path, batch_norm=norm))
        else:
            if not 1 <= len(values[path]) <= 2:
                raise CorruptFileError(f"{origin}: layer `{names[path]}` lacks its weights")
            kernel, *bias = values[path]
            kernels.append(
                StoredKernel(
                    name=names[path],
                    path=path,
                    kind=_KINDS[_stem(path)],
                    kernel=kernel,
                    bias=bias[0] if bias else None,
                )
            )
    return Stored(origin=origin, kernels=tuple(kernels), norms=tuple(norms))


def _stem(path: str) -> str:
    """Return the class: `layers/conv2d_7` is a `conv2d`."""
    return re.sub(r"_\d+$", "", path.rsplit("/", 1)[-1])


def _order(path: str) -> list[tuple[str, int]]:
    """Sort by number, not by digits: `conv2d_10` comes after `conv2d_9`."""
    parts = []
    for part in path.split("/"):
        match = re.fullmatch(r"(.*?)(?:_(\d+))?", part)
        stem, number = match.groups() if match else (part, None)
        parts.append((stem, int(number or 0)))
    return parts


def _name(variables: Group, path: str) -> str:
    """Return the layer's name, which Keras 3 writes since 3.6, or the path."""
    return string(variables, "name") or path


def _variables(variables: Group, path: str) -> list[Dataset]:
    found: list[Dataset] = []
    while (dataset := child(variables, str(len(found)))) is not None:
        found.append(dataset)
    if not found:
        raise CorruptFileError(f"`{path}` lacks its weights")
    return found


def _batch_norm(name: str, values: list[Float], config: ConfigLayer | None) -> BatchNorm:
    epsilon = config.epsilon if config else EPSILON
    match values:
        case [gamma, beta, mean, variance]:
            pass
        case [only, mean, variance] if config:
            neutral = only * 0
            gamma, beta = (only, neutral) if config.scale else (neutral + 1, only)
        case [mean, variance]:
            gamma, beta = mean * 0 + 1, mean * 0
        case _:
            raise RequestError(
                f"batch normalisation `{name}`: expected gamma, beta, mean and variance, "
                f"received {len(values)} variables",
                hint="save the whole model as .keras: its configuration says which they are",
            )
    return BatchNorm(gamma=gamma, beta=beta, mean=mean, variance=variance, epsilon=epsilon)
