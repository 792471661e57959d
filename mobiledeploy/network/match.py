"""Find out which weights of a foreign model belong to which layer of an architecture."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np

from mobiledeploy.base.errors import RequestError
from mobiledeploy.models import registry
from mobiledeploy.network.fold import BatchNorm, Variables, check_shapes
from mobiledeploy.network.keras_graph import Node
from mobiledeploy.network.pairing import HINT, Paired, Scaled, pair
from mobiledeploy.network.stored import Stored, StoredKernel, StoredNorm
from mobiledeploy.ops.architecture import Activation, Architecture, Layer
from mobiledeploy.spec.config import ALPHAS, SCALINGS, Arch, BuildConfig

_Entry = TypeVar("_Entry", StoredKernel, StoredNorm)


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
    """Which of our architectures weights have the shapes of.

    Attributes:
        arch: Its name.
        alpha: Its width multiplier.
    """

    arch: Arch
    alpha: float


def architecture_for(config: BuildConfig, stored: Stored | None, *, classes: int) -> Architecture:
    """Return the network that a build is asked for, with the activation that its weights need.

    Args:
        config: The build.
        stored: The weights that it starts from, None for none.
        classes: Length of the output.
    """
    model = config.model
    return registry.architecture(
        model.arch,
        alpha=model.alpha,
        image_size=model.image_size,
        classes=classes,
        stem_stride=model.stem_stride,
        activation="relu6" if stored is None else _activation(stored),
        scaling=config.preprocessing.scaling,
    )


def match(stored: Stored, architecture: Architecture, *, take_head: bool = True) -> Matched:
    """Give every layer its weights.

    Where the file is a whole model, it must compute what the architecture computes, layer by
    layer; only what is done to the pixels need not be in it. Of weights alone every shape is
    checked, and the note says what could not be. They go by name if the foreign model has all our
    names, which are those of Keras applications; otherwise in running order.

    Args:
        stored: The foreign model.
        architecture: Ours; only the number of classes may differ.
        take_head: Whether the foreign head is looked at; otherwise there is to be a new one.

    Raises:
        RequestError: It is another network; names the first layer that differs, and what is
            expected and received. Or it takes pixels otherwise.
    """
    paired = _paired(stored, architecture)
    try:
        trunk, rest = _trunk(stored, architecture, paired)
    except RequestError as error:
        raise RequestError(
            f"{stored.origin} does not fit {architecture.name}: {error}", hint=_whose(stored)
        ) from error
    scaled = paired.scaled if paired else None
    _check_input_range(stored, scaled, architecture)
    taken = sum(variables.batch_norm is not None for variables in trunk.values())
    head, note = _head(
        rest if take_head else [],
        architecture,
        paired,
        origin=stored.origin,
        spare_norms=len(stored.norms) > taken,
    )
    variables = {**trunk, **head}
    said = stored.input_range is not None or scaled is not None
    return Matched(
        variables=variables,
        head=bool(head),
        note=" ".join(
            (f"{stored.origin}: {note}.", *_unchecked(stored, architecture, range_known=said))
        ),
    )


def _paired(stored: Stored, architecture: Architecture) -> Paired | None:
    if stored.graph is None:
        return None
    try:
        return pair(stored.graph, architecture)
    except RequestError as error:
        raise RequestError(
            f"{stored.origin} does not fit {architecture.name}: {error}",
            hint=error.hint or _whose(stored),
        ) from error


def _whose(stored: Stored) -> str:
    found = recognise(stored)
    if found is None:
        return "expected the weights of a MobileNet V1 or V2 with standard layers"
    return f"the weights are those of `--arch {found.arch} --alpha {found.alpha}`"


def _activation(stored: Stored) -> Activation:
    """Return relu6, as in the papers, unless the file says relu and nowhere relu6."""
    nodes = stored.graph.nodes if stored.graph else ()
    found = {node.what for node in nodes if node.op == "activation"}
    return "relu" if "relu" in found and "relu6" not in found else "relu6"


def recognise(stored: Stored) -> Recognised | None:
    """Return which architecture and width the weights have the shapes of, or None."""
    for arch in registry.NAMES:
        for alpha in ALPHAS[arch]:
            architecture = registry.architecture(arch, alpha=alpha, image_size=224, classes=2)
            try:
                _trunk(stored, architecture, None)
            except RequestError:
                continue
            return Recognised(arch=arch, alpha=alpha)
    return None


def _check_input_range(stored: Stored, scaled: Scaled | None, architecture: Architecture) -> None:
    """Check that the network is given what the foreign model makes of pixels, as far as known."""
    theirs = scaled.input_range if scaled else stored.input_range
    if scaled is not None and theirs is None:
        raise RequestError(
            f"{stored.origin} makes {scaled} of a pixel, which is no range that a network is "
            f"given here ({', '.join(SCALINGS)})",
            hint="train it with one of these; or take its weights alone (save_weights, "
            "`.weights.h5`) and train on from them",
        )
    if theirs is not None and SCALINGS[theirs] != architecture.scaling:
        raise RequestError(
            f"{stored.origin} takes pixels as {theirs}, this network would take them as "
            f"{_in_words(architecture)}",
            hint=f"build with `--input-range {theirs}`",
        )


def _trunk(
    stored: Stored, architecture: Architecture, paired: Paired | None
) -> tuple[dict[str, Variables], list[StoredKernel]]:
    """Return the variables of all layers but the dense one, and the kernels that are left."""
    layers = [layer for layer in architecture.layers if layer.op in {"conv", "depthwise"}]
    named = {kernel.name: kernel for kernel in stored.kernels}
    norms: list[BatchNorm | None] | None
    if paired is not None:
        kernels = _kernels_of(stored, paired, layers)
        norms = _norms_of(stored, paired, layers)
    elif all(layer.name in named for layer in layers):
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


def _kernels_of(stored: Stored, paired: Paired, layers: list[Layer]) -> list[StoredKernel]:
    return [_of(paired.kernels[layer.name], stored.kernels) for layer in layers]


def _norms_of(stored: Stored, paired: Paired, layers: list[Layer]) -> list[BatchNorm | None]:
    nodes = [paired.norms.get(layer.name) for layer in layers]
    return [_of(node, stored.norms).batch_norm if node else None for node in nodes]


def _of(node: Node, entries: Sequence[_Entry]) -> _Entry:
    """Return the weights of one layer of the file's graph.

    Raises:
        RequestError: The file holds none, or several of this name.
    """
    by_path = [entry for entry in entries if entry.path == node.path]
    found = by_path or [entry for entry in entries if entry.path == node.name]
    if len(found) != 1:
        raise RequestError(
            f"expected the weights of one layer {node.label} in the file, received "
            f"{len(found) or 'none'}"
        )
    return found[0]


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


def _could_be_head(kernel: StoredKernel) -> bool:
    return kernel.kind == "dense" or (kernel.kind == "conv" and kernel.kernel.shape[:2] == (1, 1))


def _head(
    rest: list[StoredKernel],
    architecture: Architecture,
    paired: Paired | None,
    *,
    origin: str,
    spare_norms: bool,
) -> tuple[dict[str, Variables], str]:
    """Return the dense layer's variables, or nothing, and a note that says so.

    Raises:
        RequestError: The head has our shape, and computes something else.
    """
    layer = architecture.logits
    if not rest:
        return {}, "the trunk was taken; it has no head, so the head is new"
    if len(rest) > 1 or spare_norms:
        return {}, "the trunk was taken; its head has several layers, so the head is new"
    # The head of Keras applications' V1 is a 1x1 convolution of a 1x1 image: a dense layer.
    kernel = rest[0].kernel.reshape(rest[0].kernel.shape[-2:])
    if kernel.shape != layer.kernel_shape:
        differs = paired.head_differs if paired else ""
        return {}, (
            f"the trunk was taken; its head `{rest[0].name}` has shape {kernel.shape}, "
            f"{layer.kernel_shape} is needed, so the head is new"
        ) + (
            f": a mean over the image and a dense layer, where the file has {differs}"
            if differs
            else ""
        )
    if paired is not None:
        differs = paired.head_differs
        if not differs and (paired.head is None or _of(paired.head, rest) is not rest[0]):
            differs = "another layer"
        if differs:
            raise RequestError(
                f"{origin} does not fit {architecture.name}: after the last convolution, expected "
                f"a mean over the image, a dense layer, and a softmax or nothing; received "
                f"{differs}",
                hint=HINT,
            )
    bias = np.zeros(layer.out_channels, np.float32) if rest[0].bias is None else rest[0].bias
    variables = Variables(kernel=kernel, bias=bias)
    check_shapes(layer, variables)
    return (
        {layer.name: variables},
        "trunk and head were taken, its outputs as the classes in the order of the folders",
    )


def _unchecked(stored: Stored, architecture: Architecture, *, range_known: bool) -> Iterator[str]:
    """Yield what the foreign model may compute otherwise than ours."""
    size = architecture.input_shape[:2]
    if stored.graph is None:
        yield (
            "It holds weights alone: whether it had this network's strides, padding, activations "
            "and pooling could not be checked."
        )
    elif stored.graph.image_size not in (None, size):
        theirs, ours = (" x ".join(map(str, side)) for side in (stored.graph.image_size, size))
        yield f"It took images of {theirs} pixels where this network takes {ours}."
    if not range_known:
        yield (
            f"It does not say how it took pixels: it is given {_in_words(architecture)} "
            "(`--input-range`)."
        )


def _in_words(architecture: Architecture) -> str:
    named = {scaling: name for name, scaling in SCALINGS.items()}
    mean, std = architecture.scaling
    return named.get((mean, std), f"(pixel - {mean:g}) / {std:g}")
