"""Decide which weights of a Keras model belong to which layer of an architecture."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np

from mobiledeploy.base.errors import RequestError
from mobiledeploy.models import registry
from mobiledeploy.network.fold import BatchNorm, Variables, check_shapes
from mobiledeploy.network.graph_matching import HINT, GraphMatch, PixelScaling, match_graph
from mobiledeploy.network.keras_graph import KerasNode
from mobiledeploy.network.keras_weights import KerasBatchNorm, KerasKernel, KerasWeights
from mobiledeploy.ops.architecture import Activation, Architecture, Layer
from mobiledeploy.spec.config import ALPHAS, SCALINGS, Arch, BuildConfig

_Entry = TypeVar("_Entry", KerasKernel, KerasBatchNorm)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MatchedWeights:
    """Weights for an architecture.

    Attributes:
        variables: By layer name: the whole trunk, and the dense layer if `head`.
        head: Whether the model's head fits; otherwise a new one has to be trained.
        note: Which weights were taken and what differs, in sentences.
    """

    variables: Mapping[str, Variables]
    head: bool
    note: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """An architecture whose kernels have the shapes of a model's weights.

    Attributes:
        arch: The architecture's name.
        alpha: The width multiplier.
    """

    arch: Arch
    alpha: float


def architecture_for(
    config: BuildConfig, weights: KerasWeights | None, *, classes: int
) -> Architecture:
    """Return the architecture that a build asks for, with the activation that its weights need.

    Args:
        config: The build's configuration.
        weights: The weights that it starts from; None for none.
        classes: Length of the output.
    """
    model = config.model
    return registry.architecture(
        model.arch,
        alpha=model.alpha,
        image_size=model.image_size,
        classes=classes,
        stem_stride=model.stem_stride,
        activation="relu6" if weights is None else _activation(weights),
        scaling=config.preprocessing.scaling,
    )


def match_weights(
    weights: KerasWeights, architecture: Architecture, *, take_head: bool = True
) -> MatchedWeights:
    """Return the weights of every layer of an architecture.

    A whole model must compute the same as the architecture, layer by layer; it may lack the
    scaling of the pixels. Of a file with weights only, all shapes are checked, and the note says
    what could not be. Such weights are matched by name if all layer names are those of the
    architecture, which are those of Keras applications; otherwise in running order.

    Args:
        weights: The weights of the Keras model.
        architecture: The architecture; only the number of classes may differ.
        take_head: Whether to use the model's head where it fits.

    Raises:
        RequestError: The model is another network; names the first layer that differs, what is
            expected and what is received. Or its input range is another one.
    """
    match = _match(weights, architecture)
    try:
        trunk, rest = _trunk(weights, architecture, match)
    except RequestError as error:
        raise RequestError(
            f"{weights.origin} does not fit {architecture.name}: {error}", hint=_hint(weights)
        ) from error
    scaled = match.pixel_scaling if match else None
    _check_input_range(weights, scaled, architecture)
    taken = sum(variables.batch_norm is not None for variables in trunk.values())
    head, note = _head(
        rest if take_head else [],
        architecture,
        match,
        origin=weights.origin,
        spare_norms=len(weights.norms) > taken,
    )
    variables = {**trunk, **head}
    said = weights.input_range is not None or scaled is not None
    return MatchedWeights(
        variables=variables,
        head=bool(head),
        note=" ".join(
            (f"{weights.origin}: {note}.", *_unchecked(weights, architecture, range_known=said))
        ),
    )


def _match(weights: KerasWeights, architecture: Architecture) -> GraphMatch | None:
    if weights.graph is None:
        return None
    try:
        return match_graph(weights.graph, architecture)
    except RequestError as error:
        raise RequestError(
            f"{weights.origin} does not fit {architecture.name}: {error}",
            hint=error.hint or _hint(weights),
        ) from error


def _hint(weights: KerasWeights) -> str:
    recognised = recognise(weights)
    if recognised is None:
        return "expected the weights of a MobileNet V1 or V2 with standard layers"
    return f"the weights are those of `--arch {recognised.arch} --alpha {recognised.alpha}`"


def _activation(weights: KerasWeights) -> Activation:
    """Return relu6, as in the papers, unless the graph has relu and no relu6."""
    nodes = weights.graph.nodes if weights.graph else ()
    functions = {node.what for node in nodes if node.op == "activation"}
    return "relu" if "relu" in functions and "relu6" not in functions else "relu6"


def recognise(weights: KerasWeights) -> Recognised | None:
    """Return the architecture and width whose kernels have the shapes of the weights, or None."""
    for arch in registry.NAMES:
        for alpha in ALPHAS[arch]:
            architecture = registry.architecture(arch, alpha=alpha, image_size=224, classes=2)
            try:
                _trunk(weights, architecture, None)
            except RequestError:
                continue
            return Recognised(arch=arch, alpha=alpha)
    return None


def _check_input_range(
    weights: KerasWeights, scaled: PixelScaling | None, architecture: Architecture
) -> None:
    """Check that the network's input range is the model's, as far as that is known."""
    theirs = scaled.input_range if scaled else weights.input_range
    if scaled is not None and theirs is None:
        raise RequestError(
            f"{weights.origin} computes {scaled} from a pixel, which is none of the supported "
            f"input ranges ({', '.join(SCALINGS)})",
            hint="train it with one of these; or take its weights alone (save_weights, "
            "`.weights.h5`) and train them further",
        )
    if theirs is not None and SCALINGS[theirs] != architecture.scaling:
        raise RequestError(
            f"{weights.origin} has the input range {theirs}, this network would have "
            f"{_in_words(architecture)}",
            hint=f"build with `--input-range {theirs}`",
        )


def _trunk(
    weights: KerasWeights, architecture: Architecture, match: GraphMatch | None
) -> tuple[dict[str, Variables], list[KerasKernel]]:
    """Return the variables of all layers but the dense one, and the remaining kernels."""
    layers = [layer for layer in architecture.layers if layer.op in {"conv", "depthwise"}]
    named = {kernel.name: kernel for kernel in weights.kernels}
    norms: list[BatchNorm | None] | None
    if match is not None:
        kernels = _kernels_of(weights, match, layers)
        norms = _norms_of(weights, match, layers)
    elif all(layer.name in named for layer in layers):
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


def _kernels_of(
    weights: KerasWeights, match: GraphMatch, layers: list[Layer]
) -> list[KerasKernel]:
    return [_of(match.kernels[layer.name], weights.kernels) for layer in layers]


def _norms_of(
    weights: KerasWeights, match: GraphMatch, layers: list[Layer]
) -> list[BatchNorm | None]:
    nodes = [match.norms.get(layer.name) for layer in layers]
    return [_of(node, weights.norms).batch_norm if node else None for node in nodes]


def _of(node: KerasNode, entries: Sequence[_Entry]) -> _Entry:
    """Return the weights of one node of the graph.

    Raises:
        RequestError: The file holds none, or several of this name.
    """
    by_path = [entry for entry in entries if entry.path == node.path]
    chosen = by_path or [entry for entry in entries if entry.path == node.name]
    if len(chosen) != 1:
        raise RequestError(
            f"expected the weights of one layer {node.label} in the file, received "
            f"{len(chosen) or 'none'}"
        )
    return chosen[0]


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


def _head(
    rest: list[KerasKernel],
    architecture: Architecture,
    match: GraphMatch | None,
    *,
    origin: str,
    spare_norms: bool,
) -> tuple[dict[str, Variables], str]:
    """Return the dense layer's variables, or nothing, with a note that says which.

    Raises:
        RequestError: The head has the right shape, but computes something else.
    """
    layer = architecture.logits
    if not rest:
        return {}, "the trunk was taken; it has no head, so the head is new"
    if len(rest) > 1 or spare_norms:
        return {}, "the trunk was taken; its head has several layers, so the head is new"
    # The head of Keras applications' V1 is a 1x1 convolution of a 1x1 image: a dense layer.
    kernel = rest[0].kernel.reshape(rest[0].kernel.shape[-2:])
    if kernel.shape != layer.kernel_shape:
        differs = match.head_differs if match else ""
        return {}, (
            f"the trunk was taken; its head `{rest[0].name}` has shape {kernel.shape}, "
            f"{layer.kernel_shape} is needed, so the head is new"
        ) + (
            f": a mean over the image and a dense layer, where the file has {differs}"
            if differs
            else ""
        )
    if match is not None:
        differs = match.head_differs
        if not differs and (match.head is None or _of(match.head, rest) is not rest[0]):
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


def _unchecked(
    weights: KerasWeights, architecture: Architecture, *, range_known: bool
) -> Iterator[str]:
    """Yield sentences on what the model may compute differently."""
    size = architecture.input_shape[:2]
    if weights.graph is None:
        yield (
            "It holds weights alone: whether it had this network's strides, padding, activations "
            "and pooling could not be checked."
        )
    elif weights.graph.image_size not in (None, size):
        theirs, ours = (" x ".join(map(str, side)) for side in (weights.graph.image_size, size))
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
