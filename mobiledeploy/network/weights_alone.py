"""Match the weights of a file without a model with the layers of an architecture.

By the layers' names if all of them are those of the architecture, which are those of Keras
applications; otherwise in running order. All shapes are checked.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from mobiledeploy.base.errors import RequestError
from mobiledeploy.network.fold import BatchNorm, Variables, check_shapes
from mobiledeploy.network.keras_weights import KerasKernel, KerasWeights
from mobiledeploy.ops.architecture import Architecture, Layer

TAKEN: Final = "trunk and head were taken, its outputs as the classes in the order of the folders"


def convolutions_of(architecture: Architecture) -> list[Layer]:
    """Return the layers of an architecture that have a kernel, but for the head."""
    return [layer for layer in architecture.layers if layer.op in {"conv", "depthwise"}]


def trunk_of(
    weights: KerasWeights, architecture: Architecture
) -> tuple[dict[str, Variables], list[KerasKernel]]:
    """Return the variables of all layers but the dense one, and the remaining kernels."""
    layers = convolutions_of(architecture)
    named = {kernel.name: kernel for kernel in weights.kernels}
    norms: list[BatchNorm | None] | None
    if all(layer.name in named for layer in layers):
        kernels = [named[layer.name] for layer in layers]
        norms = _norms_by_name(weights, layers)
    else:
        kernels = _kernels_in_order(weights, layers)
        norms = None
    if norms is None:
        norms = _norms_in_order(weights, layers)
    variables = {}
    for layer, kernel, norm in zip(layers, kernels, norms, strict=True):
        variables[layer.name] = Variables(kernel=kernel.kernel, bias=kernel.bias, batch_norm=norm)
        check_shapes(layer, variables[layer.name])
    taken = set(map(id, kernels))
    rest = [kernel for kernel in weights.kernels if id(kernel) not in taken]
    for kernel in rest:
        if not _could_be_head(kernel):
            raise RequestError(
                f"there is no layer for `{kernel.name}` with a kernel of shape "
                f"{kernel.kernel.shape}"
            )
    return variables, rest


def _kernels_in_order(weights: KerasWeights, layers: list[Layer]) -> list[KerasKernel]:
    waiting: dict[str, Iterator[KerasKernel]] = {
        kind: iter([kernel for kernel in weights.kernels if kernel.kind == kind])
        for kind in ("conv", "depthwise")
    }
    kernels = []
    for layer in layers:
        kernel = next(waiting[layer.op], None)
        if kernel is None:
            raise RequestError(
                f"layer `{layer.name}` expects a kernel of shape {layer.kernel_shape}, "
                f"received no more {layer.op} kernels"
            )
        if kernel.kernel.shape != layer.kernel_shape:
            raise RequestError(
                f"layer `{layer.name}` expects a kernel of shape {layer.kernel_shape}, "
                f"received `{kernel.name}` of shape {kernel.kernel.shape}"
            )
        kernels.append(kernel)
    return kernels


def _norms_by_name(weights: KerasWeights, layers: list[Layer]) -> list[BatchNorm | None] | None:
    named = {norm.name: norm.batch_norm for norm in weights.norms}
    norms = [
        next((named[n] for n in _norm_names(layer.name) if n in named), None) for layer in layers
    ]
    return norms if all(norms) else None


def _norm_names(name: str) -> tuple[str, ...]:
    """Return the names that our batch normalisations and those of Keras applications have."""
    return f"{name}_BN", f"{name}_bn", f"bn_{name}"


def _norms_in_order(weights: KerasWeights, layers: list[Layer]) -> list[BatchNorm | None]:
    if not weights.norms:
        return [None] * len(layers)
    if len(weights.norms) < len(layers):
        raise RequestError(
            f"expected a batch normalisation after each of {len(layers)} convolutions, or none, "
            f"received {len(weights.norms)}"
        )
    return [norm.batch_norm for norm in weights.norms[: len(layers)]]


def _could_be_head(kernel: KerasKernel) -> bool:
    return kernel.kind == "dense" or (kernel.kind == "conv" and kernel.kernel.shape[:2] == (1, 1))


def head_of(
    rest: list[KerasKernel], architecture: Architecture, *, spare_norms: bool
) -> tuple[dict[str, Variables], str]:
    """Return the dense layer's variables, or nothing, with a note that says which."""
    layer = architecture.logits
    if not rest:
        return {}, "the trunk was taken; it has no head, so the head is new"
    if len(rest) > 1 or spare_norms:
        return {}, "the trunk was taken; its head has several layers, so the head is new"
    # The head of Keras applications' V1 is a 1x1 convolution of a 1x1 image: a dense layer.
    kernel = rest[0].kernel.reshape(rest[0].kernel.shape[-2:])
    if kernel.shape != layer.kernel_shape:
        return {}, (
            f"the trunk was taken; its head `{rest[0].name}` has shape {kernel.shape}, "
            f"{layer.kernel_shape} is needed, so the head is new"
        )
    bias = np.zeros(layer.out_channels, np.float32) if rest[0].bias is None else rest[0].bias
    variables = Variables(kernel=kernel, bias=bias)
    check_shapes(layer, variables)
    return {
        layer.name: variables
    }, "trunk and head were taken, its outputs as the classes in the order of the folders"
