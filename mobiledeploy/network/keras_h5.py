"""Read the two layouts in which Keras stores weights in HDF5 files.

Keras 3, and Keras 2.12 and later: groups named by class. `layers/conv2d_7/vars/0` is the first
variable of the eighth Conv2D. Layers of one class are numbered in running order; the order of
layers of different classes is only in the configuration.

Keras before 2.12, and whole models as `.h5`: groups named by layer. The attribute `layer_names`
gives the running order; `weight_names` of a layer's group gives paths such as `Conv1/kernel:0`. A
nested model is one group with all its weights.
"""

import re
from collections.abc import Mapping
from typing import Final

from mobiledeploy.base.errors import CorruptFileError, RequestError
from mobiledeploy.network.fold import BatchNorm
from mobiledeploy.network.hdf5 import Dataset, Group, arrays, entry, string
from mobiledeploy.network.keras_config import (
    EPSILON,
    KERNEL_KINDS,
    NORM_CLASSES,
    KernelKind,
    snake_case,
)
from mobiledeploy.network.keras_variables import ROOTS, groups_by_class, groups_by_layer, numbered
from mobiledeploy.network.keras_weights import KerasBatchNorm, KerasKernel, KerasWeights
from mobiledeploy.network.network import Float

_KINDS_BY_STEM: Final = {snake_case(name): kind for name, kind in KERNEL_KINDS.items()}
_NORM_STEMS: Final = frozenset(map(snake_case, NORM_CLASSES))
KERNELS: Final = frozenset({"kernel", "depthwise_kernel"})
ROLES: Final = KERNELS | {"bias", "gamma", "beta", "moving_mean", "moving_variance"}
"""The variables that are read; other layers store counters of any type, for example."""


def read_by_class_name(file: Group, origin: str) -> KerasWeights:
    """Read weights in groups named by class.

    Args:
        file: The opened HDF5 file.
        origin: Its name, for messages.

    Raises:
        CorruptFileError: The file is damaged.
        RequestError: It holds something that cannot be understood without a configuration.
    """
    names: dict[str, str] = {}
    datasets: dict[str, list[Dataset]] = {}
    for path, variables in groups_by_class(file):
        if _stem(path) in _KINDS_BY_STEM.keys() | _NORM_STEMS:
            plain = path.replace(ROOTS[1], ROOTS[0])
            names[plain] = _name(variables, path)
            datasets[plain] = _variables(variables, path)
    kernels, norms = [], []
    values = arrays(datasets)
    for path in sorted(values, key=_order):
        if _stem(path) in _NORM_STEMS:
            norm = _batch_norm_in_order(names[path], values[path])
            norms.append(KerasBatchNorm(name=names[path], batch_norm=norm))
        else:
            if not 1 <= len(values[path]) <= 2:
                raise CorruptFileError(f"{origin}: layer `{names[path]}` lacks its weights")
            kernel, *bias = values[path]
            kernels.append(
                KerasKernel(
                    name=names[path],
                    kind=_KINDS_BY_STEM[_stem(path)],
                    kernel=kernel,
                    bias=bias[0] if bias else None,
                )
            )
    return KerasWeights(origin=origin, kernels=tuple(kernels), norms=tuple(norms))


def _stem(path: str) -> str:
    """Return the class name in a path: `conv2d` for `layers/conv2d_7`."""
    return re.sub(r"_\d+$", "", path.rsplit("/", 1)[-1])


def _order(path: str) -> list[tuple[str, int]]:
    """Return a sort key by number, not by digits: `conv2d_10` comes after `conv2d_9`."""
    parts = []
    for part in path.split("/"):
        match = re.fullmatch(r"(.*?)(?:_(\d+))?", part)
        stem, number = match.groups() if match else (part, None)
        parts.append((stem, int(number or 0)))
    return parts


def _name(variables: Group, path: str) -> str:
    """Return the layer's name, which Keras writes since 3.6; otherwise the path."""
    return string(variables, "name") or path


def _variables(variables: Group, path: str) -> list[Dataset]:
    datasets = numbered(variables)
    if not datasets:
        raise CorruptFileError(f"`{path}` lacks its weights")
    return datasets


def _batch_norm_in_order(name: str, values: list[Float]) -> BatchNorm:
    match values:
        case [gamma, beta, mean, variance]:
            pass
        case [mean, variance]:
            gamma, beta = mean * 0 + 1, mean * 0
        case _:
            raise RequestError(
                f"batch normalisation `{name}`: expected gamma, beta, mean and variance, "
                f"received {len(values)} variables",
                hint="save the whole model as .keras: its configuration says which they are",
            )
    return BatchNorm(gamma=gamma, beta=beta, mean=mean, variance=variance, epsilon=EPSILON)


def read_by_layer_name(weights: Group, origin: str) -> KerasWeights:
    """Read weights in groups named by layer.

    Args:
        weights: The group with the attribute `layer_names`.
        origin: The file's name, for messages.

    Raises:
        CorruptFileError: The file is damaged.
    """
    datasets = _datasets(weights)
    values = arrays({name: roles.values() for name, roles in datasets.items()})
    layers = {
        name: dict(zip(roles, values[name], strict=True)) for name, roles in datasets.items()
    }
    kernels, norms = [], []
    for name, variables in layers.items():
        if role := next(iter(KERNELS & variables.keys()), None):
            kernels.append(
                KerasKernel(
                    name=name,
                    kind=_kind_by_shape(name, role, variables[role]),
                    kernel=variables[role],
                    bias=variables.get("bias"),
                )
            )
        elif "moving_mean" in variables:
            norm = _batch_norm_by_role(name, variables)
            norms.append(KerasBatchNorm(name=name, batch_norm=norm))
    return KerasWeights(origin=origin, kernels=tuple(kernels), norms=tuple(norms))


def _datasets(weights: Group) -> dict[str, dict[str, Dataset]]:
    """Return the data sets by layer and by role (`kernel`, `gamma`, ...), in running order."""
    datasets: dict[str, dict[str, Dataset]] = {}
    for group_name, group, paths in groups_by_layer(weights):
        owners = {path.rpartition("/")[0] for path in paths}
        # A group has the name of its layer, or that of a nested model: then paths name the layers.
        single = len(owners) == 1
        for path in paths:
            owner, _, variable = path.rpartition("/")
            role = variable.partition(":")[0]
            if role not in ROLES:
                continue
            layer = group_name if single else owner.rpartition("/")[2]
            roles = datasets.setdefault(layer, {})
            if role in roles:
                raise CorruptFileError(f"layer `{layer}` has two weights named `{role}`")
            roles[role] = entry(group, path)
    return datasets


def _kind_by_shape(name: str, role: str, kernel: Float) -> KernelKind:
    """Return the kind of a kernel by its shape: HWC1 is depthwise."""
    if role == "depthwise_kernel" or (kernel.ndim == 4 and kernel.shape[-1] == 1):
        return "depthwise"
    if kernel.ndim == 4:
        return "conv"
    if kernel.ndim == 2:
        return "dense"
    raise CorruptFileError(f"layer `{name}`: expected a kernel, received shape {kernel.shape}")


def _batch_norm_by_role(name: str, variables: Mapping[str, Float]) -> BatchNorm:
    mean = variables["moving_mean"]
    if "moving_variance" not in variables:
        raise CorruptFileError(f"batch normalisation `{name}` lacks its variance")
    return BatchNorm(
        gamma=variables.get("gamma", mean * 0 + 1),
        beta=variables.get("beta", mean * 0),
        mean=mean,
        variance=variables["moving_variance"],
        epsilon=EPSILON,
    )
