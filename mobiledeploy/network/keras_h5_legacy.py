"""The weights layout of Keras before 2.12, and of whole models as `.h5`: groups named by layer.

The attribute `layer_names` gives the running order; `weight_names` of a layer's group gives
paths such as `Conv1/kernel:0`. A model inside the model is one group with all its weights.
"""

from collections.abc import Mapping
from typing import Final

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.network.fold import BatchNorm
from mobiledeploy.network.hdf5 import Dataset, Group, arrays, child, strings
from mobiledeploy.network.keras_config import EPSILON, KINDS, ConfigLayer, KerasConfig, Kind
from mobiledeploy.network.network import Float
from mobiledeploy.network.stored import Stored, StoredKernel, StoredNorm

KERNELS: Final = frozenset({"kernel", "depthwise_kernel"})
ROLES: Final = KERNELS | {"bias", "gamma", "beta", "moving_mean", "moving_variance"}
"""What is read; other layers keep counters and the like, of any type."""


def read(weights: Group, origin: str, config: KerasConfig | None) -> Stored:
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
                StoredKernel(
                    name=name,
                    path=name,
                    kind=KINDS.get(class_name) or _kind(name, role, found[role]),
                    kernel=found[role],
                    bias=found.get("bias"),
                )
            )
        elif "moving_mean" in found:
            epsilon = known[name].epsilon if name in known else EPSILON
            norms.append(
                StoredNorm(name=name, path=name, batch_norm=_batch_norm(name, found, epsilon))
            )
    return Stored(origin=origin, kernels=tuple(kernels), norms=tuple(norms))


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


def _kind(name: str, role: str, kernel: Float) -> Kind:
    """Tell what a kernel belongs to by its shape: HWC1 is depthwise."""
    if role == "depthwise_kernel" or (kernel.ndim == 4 and kernel.shape[-1] == 1):
        return "depthwise"
    if kernel.ndim == 4:
        return "conv"
    if kernel.ndim == 2:
        return "dense"
    raise CorruptFileError(f"layer `{name}`: expected a kernel, received shape {kernel.shape}")


def _batch_norm(name: str, found: Mapping[str, Float], epsilon: float) -> BatchNorm:
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
