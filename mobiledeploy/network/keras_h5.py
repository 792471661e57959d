"""The weights layout of Keras 3 and of Keras 2.12 and later: groups named after classes.

`layers/conv2d_7/vars/0`: the eighth Conv2D of the model, its first variable. Layers of one class
are numbered in running order; how the classes alternate is only in the configuration.
"""

import re
from collections.abc import Mapping
from typing import Final

from mobiledeploy.base.errors import CorruptFileError, RequestError
from mobiledeploy.network.fold import BatchNorm
from mobiledeploy.network.hdf5 import Dataset, Group, arrays, child, groups, string, strings
from mobiledeploy.network.keras_config import (
    EPSILON,
    KERNEL_KINDS,
    NORM_CLASSES,
    ConfigLayer,
    KerasConfig,
    KernelKind,
    snake_case,
)
from mobiledeploy.network.keras_weights import KerasBatchNorm, KerasKernel, KerasWeights
from mobiledeploy.network.network import Float

ROOTS: Final = ("layers", "_layer_checkpoint_dependencies")
"""The top group; the second is what Keras 2.12 called it."""

_KINDS_BY_STEM: Final = {snake_case(name): kind for name, kind in KERNEL_KINDS.items()}
_NORM_STEMS: Final = frozenset(map(snake_case, NORM_CLASSES))


def read_by_class_name(file: Group, origin: str, config: KerasConfig | None) -> KerasWeights:
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
            if variables is not None and _stem(path) in _KINDS_BY_STEM.keys() | _NORM_STEMS:
                plain = path.replace(ROOTS[1], ROOTS[0])
                names[plain] = known[plain].name if plain in known else _name(variables, path)
                datasets[plain] = _variables(variables, path)
    kernels, norms = [], []
    values = arrays(datasets)
    for path in sorted(values, key=_order):
        if _stem(path) in _NORM_STEMS:
            norm = _batch_norm_in_order(names[path], values[path], known.get(path))
            norms.append(KerasBatchNorm(name=names[path], path=path, batch_norm=norm))
        else:
            if not 1 <= len(values[path]) <= 2:
                raise CorruptFileError(f"{origin}: layer `{names[path]}` lacks its weights")
            kernel, *bias = values[path]
            kernels.append(
                KerasKernel(
                    name=names[path],
                    path=path,
                    kind=_KINDS_BY_STEM[_stem(path)],
                    kernel=kernel,
                    bias=bias[0] if bias else None,
                )
            )
    return KerasWeights(origin=origin, kernels=tuple(kernels), norms=tuple(norms))


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


def _batch_norm_in_order(name: str, values: list[Float], config: ConfigLayer | None) -> BatchNorm:
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


KERNELS: Final = frozenset({"kernel", "depthwise_kernel"})
ROLES: Final = KERNELS | {"bias", "gamma", "beta", "moving_mean", "moving_variance"}
"""What is read; other layers keep counters and the like, of any type."""


def read_by_layer_name(weights: Group, origin: str, config: KerasConfig | None) -> KerasWeights:
    """Read the weights.

    Args:
        weights: The group with the attribute `layer_names`.
        origin: The file's name, for messages.
        config: The model's configuration, where the file came with one.

    Raises:
        CorruptFileError: The file is damaged.
    """
    known = {layer.name: layer for layer in config.layers} if config else {}
    datasets = _datasets(weights, known)
    values = arrays({name: roles.values() for name, roles in datasets.items()})
    layers = {
        name: dict(zip(roles, values[name], strict=True)) for name, roles in datasets.items()
    }
    kernels, norms = [], []
    for name, found in layers.items():
        if role := next(iter(KERNELS & found.keys()), None):
            class_name = known[name].class_name if name in known else ""
            kernels.append(
                KerasKernel(
                    name=name,
                    path=name,
                    kind=KERNEL_KINDS.get(class_name) or _kind_by_shape(name, role, found[role]),
                    kernel=found[role],
                    bias=found.get("bias"),
                )
            )
        elif "moving_mean" in found:
            epsilon = known[name].epsilon if name in known else EPSILON
            norms.append(
                KerasBatchNorm(
                    name=name, path=name, batch_norm=_batch_norm_by_role(name, found, epsilon)
                )
            )
    return KerasWeights(origin=origin, kernels=tuple(kernels), norms=tuple(norms))


def _datasets(weights: Group, known: Mapping[str, ConfigLayer]) -> dict[str, dict[str, Dataset]]:
    """Return the data sets by layer and by role (`kernel`, `gamma`, ...), in running order.

    Args:
        weights: The group with the attribute `layer_names`.
        known: The layers of the configuration by name, where there is one.
    """
    found: dict[str, dict[str, Dataset]] = {}
    for group_name in strings(weights, "layer_names"):
        group = child(weights, group_name)
        if group is None:
            raise CorruptFileError(f"`{group_name}` is listed in the file, but not there")
        paths = strings(group, "weight_names")
        owners = {path.rpartition("/")[0] for path in paths}
        # The group's name is the layer's own; inside a nested model only paths tell.
        single = group_name in known if known else len(owners) == 1
        for path in paths:
            owner, _, variable = path.rpartition("/")
            role = variable.partition(":")[0]
            if role not in ROLES:
                continue
            layer = group_name if single else owner.rpartition("/")[2]
            roles = found.setdefault(layer, {})
            if role in roles:
                raise CorruptFileError(f"layer `{layer}` has two weights named `{role}`")
            roles[role] = child(group, path)
    return found


def _kind_by_shape(name: str, role: str, kernel: Float) -> KernelKind:
    """Tell what a kernel belongs to by its shape: HWC1 is depthwise."""
    if role == "depthwise_kernel" or (kernel.ndim == 4 and kernel.shape[-1] == 1):
        return "depthwise"
    if kernel.ndim == 4:
        return "conv"
    if kernel.ndim == 2:
        return "dense"
    raise CorruptFileError(f"layer `{name}`: expected a kernel, received shape {kernel.shape}")


def _batch_norm_by_role(name: str, found: Mapping[str, Float], epsilon: float) -> BatchNorm:
    mean = found["moving_mean"]
    if "moving_variance" not in found:
        raise CorruptFileError(f"batch normalisation `{name}` lacks its variance")
    return BatchNorm(
        gamma=found.get("gamma", mean * 0 + 1),
        beta=found.get("beta", mean * 0),
        mean=mean,
        variance=found["moving_variance"],
        epsilon=epsilon,
    )
