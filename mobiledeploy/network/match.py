"""Find out which weights of a foreign model belong to which layer of an architecture."""

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np

from mobiledeploy.base.errors import RequestError
from mobiledeploy.models import registry
from mobiledeploy.network.fold import BatchNorm, Variables, check_shapes
from mobiledeploy.network.stored import Stored, StoredKernel
from mobiledeploy.ops.architecture import Architecture, Layer
from mobiledeploy.spec.config import ALPHAS, Arch
from mobiledeploy.spec.input_scaling import SCALINGS


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Matched:
    """Weights for an architecture.

    Attributes:
        variables: By layer name: the whole trunk, and the dense layer if `head`.
        head: Whether the foreign head fits; otherwise the network's own has to be trained.
        note: What was taken, what was not and what differs; sentences for people.
    """

    variables: Mapping[str, Variables]
    head: bool
    note: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """Which of our architectures a foreign model is.

    Attributes:
        arch: Its name.
        alpha: Its width multiplier.
        classes: Length of its output, or None if it has no head that we know.
        image_size: Height and width of its input, if it says so.
    """

    arch: Arch
    alpha: float
    classes: int | None
    image_size: tuple[int, int] | None


def match(stored: Stored, architecture: Architecture) -> Matched:
    """Give every layer its weights.

    By name if the foreign model has all our names, which are those of Keras applications;
    otherwise in running order. Every shape is checked.

    Args:
        stored: The foreign model.
        architecture: Ours; only the number of classes may differ.

    Raises:
        RequestError: It is another network; names the first layer that differs, and both shapes.
            Or it takes pixels otherwise.
    """
    try:
        trunk, rest = _trunk(stored, architecture)
    except RequestError as error:
        found = recognise(stored)
        raise RequestError(
            f"{stored.origin} does not fit {architecture.name}: {error}",
            hint=f"the weights are those of `--arch {found.arch} --alpha {found.alpha}`"
            if found
            else "expected the weights of a MobileNet V1 or V2 with standard layers",
        ) from error
    theirs = stored.input_range
    if theirs is not None and SCALINGS[theirs] != architecture.scaling:
        raise RequestError(
            f"{stored.origin} takes pixels as {theirs}, this network would take them as "
            f"{_in_words(architecture)}",
            hint=f"build with `--input-range {theirs}`",
        )
    head, note = _head(rest, architecture, spare_norms=_spare_norms(stored, trunk))
    variables = {**trunk, **head}
    return Matched(
        variables=variables,
        head=bool(head),
        note=" ".join((f"{stored.origin}: {note}.", *_differences(stored, architecture))),
    )


def recognise(stored: Stored) -> Recognised | None:
    """Return which architecture and width the weights belong to, or None."""
    for arch in registry.NAMES:
        for alpha in ALPHAS[arch]:
            architecture = registry.architecture(arch, alpha=alpha, image_size=224, classes=2)
            try:
                trunk, rest = _trunk(stored, architecture)
            except RequestError:
                continue
            plain = len(rest) == 1 and not _spare_norms(stored, trunk)
            return Recognised(
                arch=arch,
                alpha=alpha,
                classes=rest[0].kernel.shape[-1] if plain else None,
                image_size=stored.image_size,
            )
    return None


def _trunk(
    stored: Stored, architecture: Architecture
) -> tuple[dict[str, Variables], list[StoredKernel]]:
    """Return the variables of all layers but the dense one, and the kernels that are left."""
    layers = [layer for layer in architecture.layers if layer.op in {"conv", "depthwise"}]
    named = {kernel.name: kernel for kernel in stored.kernels}
    if all(layer.name in named for layer in layers):
        kernels = [named[layer.name] for layer in layers]
        norms = _norms_by_name(stored, layers)
    else:
        kernels = _kernels_in_order(stored, layers)
        norms = None
    if norms is None:
        norms = _norms_in_order(stored, layers)
    variables = {}
    for layer, kernel, norm in zip(layers, kernels, norms, strict=True):
        variables[layer.name] = Variables(kernel=kernel.kernel, bias=kernel.bias, batch_norm=norm)
        check_shapes(layer, variables[layer.name])
    taken = set(map(id, kernels))
    rest = [kernel for kernel in stored.kernels if id(kernel) not in taken]
    for kernel in rest:
        if not _could_be_head(kernel):
            raise RequestError(
                f"there is no layer for `{kernel.name}` with a kernel of shape "
                f"{kernel.kernel.shape}"
            )
    return variables, rest


def _kernels_in_order(stored: Stored, layers: list[Layer]) -> list[StoredKernel]:
    waiting: dict[str, Iterator[StoredKernel]] = {
        kind: iter([kernel for kernel in stored.kernels if kernel.kind == kind])
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


def _norms_by_name(stored: Stored, layers: list[Layer]) -> list[BatchNorm | None] | None:
    named = {norm.name: norm.batch_norm for norm in stored.norms}
    found = [
        next((named[n] for n in _norm_names(layer.name) if n in named), None) for layer in layers
    ]
    return found if all(found) else None


def _norm_names(name: str) -> tuple[str, ...]:
    """Return how ours, and those of Keras applications, are called."""
    return f"{name}_BN", f"{name}_bn", f"bn_{name}"


def _norms_in_order(stored: Stored, layers: list[Layer]) -> list[BatchNorm | None]:
    if not stored.norms:
        return [None] * len(layers)
    if len(stored.norms) < len(layers):
        raise RequestError(
            f"expected a batch normalisation after each of {len(layers)} convolutions, or none, "
            f"received {len(stored.norms)}"
        )
    return [norm.batch_norm for norm in stored.norms[: len(layers)]]


def _spare_norms(stored: Stored, trunk: Mapping[str, Variables]) -> bool:
    return bool(stored.norms) and len(stored.norms) > len(trunk)


def _could_be_head(kernel: StoredKernel) -> bool:
    return kernel.kind == "dense" or (kernel.kind == "conv" and kernel.kernel.shape[:2] == (1, 1))


def _head(
    rest: list[StoredKernel], architecture: Architecture, *, spare_norms: bool
) -> tuple[dict[str, Variables], str]:
    """Return the dense layer's variables, or nothing, and a note that says so."""
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
    return {layer.name: variables}, "trunk and head were taken"


def _differences(stored: Stored, architecture: Architecture) -> Iterator[str]:
    """Yield what the foreign model computes otherwise than ours."""
    size = architecture.input_shape[:2]
    if stored.image_size and stored.image_size != size:
        theirs, ours = (" x ".join(map(str, side)) for side in (stored.image_size, size))
        yield f"It took images of {theirs} pixels where this network takes {ours}."
    wanted = {layer.activation for layer in architecture.layers} - {"none"}
    if stored.activations and not wanted <= stored.activations:
        yield (
            f"It was trained with {', '.join(sorted(stored.activations))} where this network "
            f"has {', '.join(sorted(wanted))}."
        )
    if stored.input_range is None:
        yield (
            f"It does not say how it took pixels: it is given {_in_words(architecture)} "
            "(`--input-range`)."
        )
    if stored.others:
        yield f"Its layers {', '.join(stored.others)} are not taken over."


def _in_words(architecture: Architecture) -> str:
    named = {scaling: name for name, scaling in SCALINGS.items()}
    mean, std = architecture.scaling
    return named.get((mean, std), f"(pixel - {mean:g}) / {std:g}")
