"""Whether two files that are not on the same grids hold the same network.

The dequantised weights are compared: codes and scales of two quantisations have nothing in common,
but each code is the real weight rounded to its grid. Two quantisations of one weight therefore
differ by at most half a step of the one grid plus half a step of the other. A file that keeps its
weights in floats has no steps.
"""

import dataclasses
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.compare.align import Alignment
from mobiledeploy.reading import INPUT, Reading, StoredLayer, StoredWeights

Reals: TypeAlias = npt.NDArray[np.float64]

SLACK: Final = 1.01
"""Factor on half a step, for the rounding of float32."""
ROUNDED: Final = 1e-4
"""Relative difference of scales that comes from rounding the same range differently."""
SEVEN_BITS: Final = 64
"""Largest code of weights that use only seven bits."""
STRANGE: Final = 0.5
"""Relative distance above which weights are unrelated; random ones are about 1.4 apart."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ChannelOrder:
    """Channels of one layer that are in another order in the second file.

    Attributes:
        colours: Whether they are the image's channels; otherwise they are the classes.
        moved: Classes that moved: number in the first file, number in the second.
        count: Number of channels.
    """

    colours: bool
    moved: tuple[tuple[int, int], ...]
    count: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """Whether two files' weights are quantised from the same real numbers.

    Attributes:
        names: Names of the first file's layers.
        weighted: Number of layers with weights in both files.
        unlike: Indices in the first file of those whose weights are not roundings of the same
            numbers.
        scaled: Those of `unlike` in which each output channel differs by a factor only.
        distances: For each of `unlike`, the distance of the weights relative to their size.
        orders: Layers in which the colours or the classes are in another order.
        reduced: Number of layers whose weights use seven bits in the second file and eight in the
            first, then the reverse.
        ratios: For each layer with another scale, its index and second scale / first scale.
    """

    names: tuple[str, ...]
    weighted: int
    unlike: tuple[int, ...]
    scaled: tuple[int, ...]
    distances: tuple[float, ...]
    orders: tuple[ChannelOrder, ...]
    reduced: tuple[int, int]
    ratios: tuple[tuple[int, float], ...]

    @property
    def same(self) -> bool:
        """Whether all weights are the same numbers, in the same order."""
        return self.weighted > 0 and not self.unlike and not self.orders

    @property
    def strangers(self) -> bool:
        """Whether weights of some layers have nothing in common."""
        return any(distance >= STRANGE for distance in self.distances) and not self.rescaled

    @property
    def rescaled(self) -> bool:
        """Whether all weights that differ do so by a factor of each channel only."""
        return len(self.scaled) == len(self.unlike)


def origins(a: Reading, b: Reading, alignment: Alignment) -> Origins:
    """Return whether two files' weights are quantised from the same real numbers."""
    weighted = 0
    reduced = [0, 0]
    unlike: list[int] = []
    scaled: list[int] = []
    distances: list[float] = []
    orders: list[ChannelOrder] = []
    ratios: list[tuple[int, float]] = []
    for j, i in sorted(alignment.matched.items()):
        one, two = a.layers[i], b.layers[j]
        ratio = _ratio(one.output.scale, two.output.scale)
        if ratio is not None and abs(ratio - 1) > ROUNDED:
            ratios.append((i, ratio))
        mine, other = _real(one), _real(two)
        if mine is None or other is None:
            continue
        weighted += 1
        if one.weights is not None and two.weights is not None:
            spans = [_largest(weights) for weights in (one.weights, two.weights)]
            reduced[0] += spans[1] <= SEVEN_BITS < spans[0]
            reduced[1] += spans[0] <= SEVEN_BITS < spans[1]
        if mine[0].ndim != other[0].ndim:
            # A convolution over one pixel may be read as a dense layer.
            mine, other = _as_rows(mine), _as_rows(other)
        if mine[0].shape != other[0].shape:
            unlike.append(i)
            distances.append(np.inf)
            continue
        if _alike(mine, other):
            continue
        order = _order(mine, other, image=one.reads[0].source == INPUT, last=a.logits is one)
        if order is not None:
            orders.append(order)
            continue
        unlike.append(i)
        distances.append(_distance(mine[0], other[0]))
        if _alike(_rescaled(mine, other[0]), other):
            scaled.append(i)
    return Origins(
        names=tuple(layer.name.partition(";")[0] for layer in a.layers),
        weighted=weighted,
        unlike=tuple(unlike),
        scaled=tuple(scaled),
        distances=tuple(distances),
        orders=tuple(orders),
        reduced=(reduced[0], reduced[1]),
        ratios=tuple(ratios),
    )


def clauses(origin: Origins) -> tuple[str, ...]:
    """Return in words whether the files hold the same network; nothing if no weights are known."""
    if not origin.weighted:
        return ()
    said = [*(_order_words(order) for order in origin.orders), _origin(origin)]
    for which, count in zip(("second", "first"), origin.reduced, strict=True):
        if 2 * count > origin.weighted:
            said.append(
                f"the {which} file's weights take 7 of their 8 bits, as with `reduce_range`, so "
                "that products cannot saturate on a CPU without VNNI"
            )
    if origin.ratios and not origin.strangers:
        said.append(_scales(origin))
    return tuple(said)


def _scales(origin: Origins) -> str:
    distances = sorted(abs(np.log(ratio)) for _, ratio in origin.ratios)
    middle = 100 * float(np.expm1(distances[len(distances) // 2]))
    position, ratio = max(origin.ratios, key=lambda pair: abs(np.log(pair[1])))
    most = _layer(origin, position)
    if len(origin.ratios) == 1:
        return f"the scale of {most} is {ratio:.4g} times the first file's"
    return (
        f"{len(origin.ratios)} layers have another scale, half of them by {_percent(middle)} or "
        f"more; that of {most} differs most and is {ratio:.4g} times the first file's"
    )


def _percent(value: float) -> str:
    return f"{value:.0f} %" if value >= 10 else f"{value:.2g} %"


def _origin(origin: Origins) -> str:
    if not origin.unlike:
        layers = f"all {origin.weighted} layers are" if origin.weighted > 1 else "the layer are"
        return (
            f"they hold the same network: the weights of {layers} the same numbers, rounded to "
            "each file's own steps"
        )
    count = f"{len(origin.unlike)} of {origin.weighted}"
    first = _layer(origin, origin.unlike[0])
    if origin.rescaled:
        return (
            f"the weights of {count} layers are the same but for a factor of each channel, from "
            f"{first} on: batch norm is folded in otherwise"
        )
    most = max(origin.distances)
    if not origin.strangers:
        return (
            f"the weights of {count} layers are close, but no roundings of the same numbers (up "
            f"to {most:.2g} of their size apart), from {first} on: one of the files was trained "
            "further, as in quantisation-aware training"
        )
    strange = sum(distance >= STRANGE for distance in origin.distances)
    return (
        f"the files do not hold the same network: the weights of {strange} of {origin.weighted} "
        f"layers have nothing in common, from {first} on"
    )


def _layer(origin: Origins, position: int) -> str:
    return f"layer {position + 1} `{origin.names[position]}`"


def _real(layer: StoredLayer) -> tuple[Reals, Reals] | None:
    """Return the real weights, outputs first, and the step of each output channel.

    The step of weights that are floats is 0. None if the layer has no weights that are known.
    """
    if layer.weights is None:
        if layer.real_kernel is None:
            return None
        kernel = _outputs_first(layer, layer.real_kernel)
        return kernel, np.zeros((len(kernel), *[1] * (kernel.ndim - 1)))
    kernel, weights = _outputs_first(layer, layer.weights.kernel), layer.weights
    one_each = (-1, *[1] * (kernel.ndim - 1))
    step = np.broadcast_to(weights.kernel_scale, (len(kernel),)).astype(np.float64)
    zero = np.broadcast_to(weights.kernel_zero, (len(kernel),))
    step = step.reshape(one_each)
    return (kernel - zero.reshape(one_each)) * step, step


def _as_rows(weights: tuple[Reals, Reals]) -> tuple[Reals, Reals]:
    kernel, step = weights
    return kernel.reshape(len(kernel), -1), step.reshape(len(kernel), -1)


def _outputs_first(layer: StoredLayer, kernel: npt.NDArray[Any]) -> Reals:
    reals = kernel.astype(np.float64)
    return np.moveaxis(reals, -1, 0) if layer.kind == "depthwise" else reals


def _alike(a: tuple[Reals, Reals], b: tuple[Reals, Reals]) -> bool:
    """Whether two tensors may be roundings of the same real numbers."""
    difference = np.abs(a[0] - b[0])
    return bool((difference <= SLACK * (a[1] + b[1]) / 2).all())


def _rescaled(a: tuple[Reals, Reals], other: Reals) -> tuple[Reals, Reals]:
    """Return weights with each output channel scaled to fit another tensor's best."""
    rest = tuple(range(1, other.ndim))
    size = (a[0] ** 2).sum(axis=rest, keepdims=True)
    factor = (a[0] * other).sum(axis=rest, keepdims=True) / np.where(size > 0, size, 1)
    return a[0] * factor, a[1] * np.abs(factor)


def _largest(weights: StoredWeights) -> int:
    """Return the largest absolute code minus zero point."""
    zero = np.broadcast_to(weights.kernel_zero, weights.kernel_scale.shape)
    low, high = int(weights.kernel.min(initial=0)), int(weights.kernel.max(initial=0))
    return max(high - int(zero.min()), int(zero.max()) - low) if zero.size else 0


def _distance(mine: Reals, other: Reals) -> float:
    size = float(np.linalg.norm(mine))
    share = float(np.linalg.norm(mine - other)) / size if size else np.inf
    return share if np.isfinite(share) else np.inf


def _order(
    mine: tuple[Reals, Reals], other: tuple[Reals, Reals], *, image: bool, last: bool
) -> ChannelOrder | None:
    """Return the other order of the colours or the classes, if that explains the difference."""
    if image and other[0].shape[-1] == 3 and _alike(mine, (other[0][..., ::-1], other[1])):
        return ChannelOrder(colours=True, moved=(), count=3)
    if not last:
        return None
    rows, others = (tensor[0].reshape(len(tensor[0]), -1) for tensor in (mine, other))
    closest = np.array([np.linalg.norm(others - row, axis=1).argmin() for row in rows])
    moved = np.flatnonzero(closest != np.arange(len(rows)))
    if not _permutes(closest) or not _alike(mine, (other[0][closest], other[1][closest])):
        return None
    return ChannelOrder(
        colours=False,
        moved=tuple((int(place), int(closest[place])) for place in moved),
        count=len(rows),
    )


def _order_words(order: ChannelOrder) -> str:
    if order.colours:
        return "the image's colours are taken in another order (RGB/BGR)"
    shown = ", ".join(f"{place} at {other}" for place, other in order.moved[:4])
    rest = " ..." if len(order.moved) > 4 else ""
    return (
        f"the classes are in another order: {len(order.moved)} of {order.count} are moved "
        f"({shown}{rest} in the second file)"
    )


def _permutes(order: npt.NDArray[Any]) -> bool:
    return len(set(order.tolist())) == len(order)


def _ratio(mine: np.float32 | None, other: np.float32 | None) -> float | None:
    if mine is None or other is None or not (0 < mine < np.inf and 0 < other < np.inf):
        return None
    return float(other) / float(mine)
