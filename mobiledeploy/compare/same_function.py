"""`verdict_on`: whether two corresponding layers give the same codes for every input.

Operators with few possible inputs, such as an addition, are computed for all of them with the
arithmetic of every kernel of the runtimes that apps use. A convolution's or dense layer's code
grows with its sum in at most 255 steps; two such staircases are equal if they are equal around
every step of either. A "yes" holds for all inputs. A "no" rests on sums within the bounds of
`reachable_codes`, which real images might not reach.
"""

import dataclasses
import functools
import itertools
from collections.abc import Hashable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.compare.reachable_codes import (
    Ints,
    Span,
    along,
    centred,
    multipliers,
    others,
    stepped,
    sums,
)
from mobiledeploy.formats.model import Format
from mobiledeploy.ops import table
from mobiledeploy.ops.capabilities import (
    Cases,
    Certified,
    CountsCodes,
    MovesCodes,
    Sampled,
    StatesMultiplier,
)
from mobiledeploy.ops.certificate import all_codes
from mobiledeploy.ops.each_kernel import (
    by_each_kernel,
    by_own_kernel,
    computes_unsigned,
    limits,
)
from mobiledeploy.ops.each_pair import all_pairs
from mobiledeploy.ops.node import Node
from mobiledeploy.ops.onnx import IMAGE_AXES
from mobiledeploy.ops.operator import Operator, has_weights
from mobiledeploy.ops.stored import cases_of_channels, on_grid_of
from mobiledeploy.ops.tensors import QMAX, QMIN, Codes, QTensor, Shape
from mobiledeploy.ops.weights import MOST_STEPS, WIDEST_MULTIPLIER
from mobiledeploy.reading import LayerInput, StoredLayer, StoredTensor

LARGEST = 2**26
"""Largest sum that is compared. Float32 holds only every fourth whole number up there."""
AROUND = 12
"""Sums tried on either side of where a step should be: more than rounding the sum and the product
to float32 can move it, up to the largest sum."""
NEXT_TO = (0, 1)
"""The sums next to where a step should be: most differences show there."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Verdict:
    """How two layers compare as functions of codes.

    Attributes:
        equal: Whether they give the same codes.
        lsb: Largest difference of their outputs, in LSB; None if that is not known.
        channels: Output channels that can differ; empty if that is not known.
        method: How this was found, in words.
        cases: Number of inputs on which they differ; None if they were not counted.
    """

    equal: bool
    lsb: int | None
    channels: tuple[int, ...]
    method: str
    cases: int | None = None


UNKNOWN = Verdict(equal=False, lsb=None, channels=(), method="not computed")


def compare_weighted(a: StoredLayer, b: StoredLayer, source: Span) -> Verdict:
    """Compare two convolutions or dense layers.

    Args:
        a: A layer.
        b: Its counterpart.
        source: Codes that their input can take, for each channel.
    """
    spans = sums(a, source), sums(b, source)
    factors = multipliers(a), multipliers(b)
    delta = _delta(a, b, source)
    if None in spans or factors[0] is None or factors[1] is None or delta is None:
        return UNKNOWN
    first, second = spans
    if first is None or second is None or not _usable(*factors):
        return UNKNOWN
    largest = max(int(np.abs(s).max()) for s in (first.low, first.high, second.low, second.high))
    if largest * max(float(f.max()) for f in factors if f is not None) >= MOST_STEPS:
        return UNKNOWN
    if largest > LARGEST:
        same = np.array_equal(factors[0], factors[1]) and not (delta.low.any() or delta.high.any())
        if same and (a.clamp, a.output.zero_point) == (b.clamp, b.output.zero_point):
            return Verdict(equal=True, lsb=0, channels=(), method="the same sums and multipliers")
        return UNKNOWN
    pair = _Staircases(
        layers=(a, b), factors=(factors[0], factors[1]), spans=(first, second), delta=delta
    )
    by_channel = np.zeros(first.low.size, np.int64)
    suspects = np.flatnonzero(pair.may_differ())
    for near in (np.array(NEXT_TO), np.arange(-AROUND, AROUND + 1)):
        # A few sums find most differences; the rest are tried only where those found none.
        by_channel[suspects] = pair.largest_differences(suspects, near)
        suspects = suspects[by_channel[suspects] == 0]
    channels = tuple(int(channel) for channel in np.flatnonzero(by_channel))
    count = int((first.high - first.low).max()) + 1
    return Verdict(
        equal=not channels,
        lsb=int(by_channel.max()),
        channels=channels,
        method=f"every sum that its inputs allow, up to {count:,} a channel",
    )


def _usable(*factors: npt.NDArray[np.float32] | None) -> bool:
    return all(
        # Beyond `WIDEST_MULTIPLIER` the runtimes choose other kernels.
        f is not None and bool(((f > 0) & (f < WIDEST_MULTIPLIER)).all())
        for f in factors
    )


def _delta(a: StoredLayer, b: StoredLayer, source: Span) -> Span | None:
    """Return the range of the second layer's sums minus the first's, for the same input."""
    if a.weights is None or b.weights is None:
        return None
    mine, other = centred(a.weights, a), centred(b.weights, b)
    zeros = a.reads[0].zero_point, b.reads[0].zero_point
    if mine.shape != other.shape or zeros[0] is None or zeros[1] is None:
        return None
    low, high = along(source.low, mine, a), along(source.high, mine, a)
    if low is None or high is None:
        return None
    ends = [other * (end - zeros[1]) - mine * (end - zeros[0]) for end in (low, high)]
    least, most = np.minimum(*ends), np.maximum(*ends)
    if any(a.pads) or any(b.pads):
        least, most = np.minimum(least, 0), np.maximum(most, 0)
    bias = b.weights.bias.astype(np.int64) - a.weights.bias
    axes = others(a)
    return Span(low=least.sum(axis=axes) + bias, high=most.sum(axis=axes) + bias)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Staircases:
    """The output codes of two layers as functions of the sum, channel by channel.

    Attributes:
        layers: Both layers.
        factors: Their multipliers.
        spans: The range of their sums.
        delta: The range of the second layer's sums minus the first's, for the same input.
    """

    layers: tuple[StoredLayer, StoredLayer]
    factors: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
    spans: tuple[Span, Span]
    delta: Span

    def may_differ(self) -> npt.NDArray[np.bool_]:
        """Return a mask of the channels in which some numbers differ."""
        a, b = self.layers
        if (a.clamp, a.output.zero_point) != (b.clamp, b.output.zero_point):
            return np.ones(self.delta.low.size, bool)
        moved: npt.NDArray[np.bool_] = self.delta.low != 0
        moved |= (self.delta.high != 0) | (self.factors[0] != self.factors[1])
        return moved

    def largest_differences(self, channels: Ints, near: Ints) -> Ints:
        """Return the largest difference of each channel's codes, in LSB, at sums near any step."""
        if not channels.size:
            return np.zeros(0, np.int64)
        (a, b), (mine, other) = self.layers, (factor[channels] for factor in self.factors)
        tried = self._sums(channels, near)
        codes = stepped(a, mine, tried)
        second = self.spans[1]
        worst = np.zeros(channels.size, np.int64)
        for moved in (self.delta.low, self.delta.high):
            # The second layer's sums cannot leave their own range.
            low, high = second.low[channels, None], second.high[channels, None]
            sums_there = np.clip(tried + moved[channels, None], low, high)
            off = np.abs(stepped(b, other, sums_there) - codes).max(axis=1)
            worst = np.maximum(worst, off)
        return worst

    def _sums(self, channels: Ints, near: Ints) -> Ints:
        """Return sums next to the steps of both staircases, shape (channels, tried)."""
        low, high = (end[channels, None] for end in (self.spans[0].low, self.spans[0].high))
        halves = np.arange(QMIN, QMAX) + 0.5
        tried = [low, high]
        nothing = np.zeros_like(self.delta.low)
        for layer, factor, moves in zip(
            self.layers,
            self.factors,
            ((nothing,), (self.delta.low, self.delta.high)),
            strict=True,
        ):
            at = (halves - (layer.output.zero_point or 0)) / factor[channels, None].astype(float)
            # Steps beyond the span are cut to it below.
            at = np.floor(np.clip(at, -2 * LARGEST, 2 * LARGEST)).astype(np.int64)
            around = (at[:, :, None] + near).reshape(channels.size, -1)
            tried.extend(around - move[channels, None] for move in moves)
        cut: Ints = np.clip(np.concatenate(tried, axis=1), low, high)
        return cut


SAME: Final = Verdict(equal=True, lsb=0, channels=(), method="the same integers")


def verdict_on(
    a: StoredLayer,
    b: StoredLayer,
    formats: tuple[Format, Format],
    source: Span,
    shapes: tuple[Sequence[Shape], Sequence[Shape]],
    *,
    crossed: bool = False,
) -> Verdict:
    """Return how two layers compare as functions of the codes that they read.

    Args:
        a: A layer.
        b: Its counterpart.
        formats: Formats of their files.
        source: Codes that the (first) input can take, for each channel.
        shapes: Shapes of each layer's inputs, in its own order.
        crossed: Whether the second layer reads the two operands in the other order.
    """
    if a.faults or b.faults or len(a.reads) != len(b.reads):
        return UNKNOWN
    operator = table.of_kind(a.kind)
    if "table" in {a.kind, b.kind} or isinstance(operator, Certified):
        if _places(a) != _places(b):
            return UNKNOWN  # a case is what a window meets, wherever that is
        return _compare_all_cases(
            _Function.of(a, formats[0], shapes[0]),
            _Function.of(b, formats[1], shapes[1]),
            crossed=crossed,
        )
    if operator is not None and has_weights(operator):
        if not _same_windows(a, b):
            return UNKNOWN
        return SAME if _same_integers(a, b) else compare_weighted(a, b, source)
    if isinstance(operator, Sampled):
        return SAME if operator.same_numbers(a, b) and a.clamp == b.clamp else UNKNOWN
    if isinstance(operator, MovesCodes):
        kept = keeps_its_grid(a) and keeps_its_grid(b)
        same = a.kind == b.kind and _same_windows(a, b) and a.clamp == b.clamp
        return SAME if kept and same and _grids_agree(a, b) else UNKNOWN
    return SAME if a.kind != "unknown" and _same_numbers(a, b) else UNKNOWN


def keeps_its_grid(layer: StoredLayer) -> bool:
    """Whether a layer reads all its inputs by the grid that it writes on, stated or not."""
    grids = _grids(layer)
    stated = grids[-1] != (None, None) or layer.output.unstated
    return stated and len(set(grids)) == 1


def needs_no_grid(layer: StoredLayer) -> bool:
    """Whether a layer gives the same codes on any grid, and its file states none."""
    module: object = table.of_kind(layer.kind)
    by_codes = isinstance(module, MovesCodes) or (
        isinstance(module, CountsCodes) and module.by_codes(layer)
    )
    return by_codes and layer.output.unstated and keeps_its_grid(layer)


def on_any_grid(layer: StoredLayer, scale: np.float32, zero_point: int) -> StoredLayer:
    """Return a layer that needs no grid on the one that is given."""
    reads = tuple(
        dataclasses.replace(read, scale=scale, zero_point=zero_point) for read in layer.reads
    )
    return on_grid_of(dataclasses.replace(layer, reads=reads), reads[0])


def node_of(
    layer: StoredLayer, file: Format, shapes: Sequence[Shape]
) -> tuple[Operator[Any], Node, tuple[QTensor, ...]] | None:
    """Return a layer's operator, its node in an integer graph without clamp, and its inputs.

    Args:
        layer: A layer of a file.
        file: Format of the file.
        shapes: Shapes of its inputs; one that is not known is empty.

    Returns:
        None if integer graphs have no such layer.
    """
    operator = table.of_kind(layer.kind)
    if operator is None or layer.faults or len(shapes) != len(layer.reads):
        return None
    if isinstance(operator, StatesMultiplier):
        layer = operator.by_multiplier(layer)
    if needs_no_grid(layer):
        layer = on_any_grid(layer, np.float32(1), layer.output.zero_point or 0)
    out = layer.output
    images = operator.IMAGES or any(len(shape) == IMAGE_AXES for shape in shapes)
    try:
        inputs = tuple(
            _on_grid(f"input {number}", _lifted(shape, images=images), read)
            for number, (read, shape) in enumerate(zip(layer.reads, shapes, strict=True))
        )
        output = _on_grid("the layer", out.shape or (1,), out)
        output = dataclasses.replace(output, unsigned=computes_unsigned(file, out.dtype))
        return operator, operator.node_of(layer, inputs, output), inputs
    except ConversionError:
        return None


def codes_of_all_cases(
    layer: StoredLayer, file: Format, shapes: Sequence[Shape]
) -> tuple[Cases, list[Codes]] | None:
    """Return all possible inputs of a layer, and the output codes of each kernel that may run it.

    Args:
        layer: A layer of a file.
        file: Format of the file.
        shapes: Shapes of its inputs.

    Returns:
        None where they are too many, or where the arithmetic is not known. First comes the kernel
        that this architecture most likely runs.
    """
    function = _Function.of(layer, file, shapes)
    try:
        cases = _cases_of(function)
    except ConversionError:
        return None
    by_kernel = [] if cases is None else _by_each_kernel(function, cases)
    return None if cases is None or not by_kernel else (cases, by_kernel)


def _lifted(shape: Shape, *, images: bool) -> Shape:
    """Return a shape as in an integer graph, where a vector is an image of one pixel."""
    if images and len(shape) == 1:
        return (1, 1, *shape)
    return shape or (1,)


def _on_grid(name: str, shape: Shape, grid: LayerInput | StoredTensor) -> QTensor:
    if grid.scale is None or grid.zero_point is None:
        raise ConversionError(f"`{name}` has no codes")
    return QTensor(name=name, shape=shape, scale=grid.scale, zero_point=grid.zero_point)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Function:
    """A layer without weights as a function of codes, hashable so that equal ones run once.

    Attributes:
        numbers: Everything that decides its codes and its kernels.
        layer: The layer.
        format: Format of its file.
        shapes: Shapes of its inputs.
    """

    numbers: Hashable
    layer: StoredLayer = dataclasses.field(compare=False)
    format: Format = dataclasses.field(compare=False)
    shapes: tuple[Shape, ...] = dataclasses.field(compare=False)

    @classmethod
    def of(cls, layer: StoredLayer, file: Format, shapes: Sequence[Shape]) -> "_Function":
        left_out = {"name", "reads", "output", "weights", "table", "faults"}
        options = tuple(
            getattr(layer, field.name)
            for field in dataclasses.fields(layer)
            if field.name not in left_out
        )
        codes = None if layer.table is None else layer.table.tobytes()
        shapes = tuple(shapes)
        return cls(
            numbers=(
                file,
                options,
                _grids(layer),
                codes,
                shapes,
                layer.output.shape,
                layer.output.dtype,
            ),
            layer=layer,
            format=file,
            shapes=shapes,
        )


@functools.lru_cache(maxsize=1024)
def _compare_all_cases(a: _Function, b: _Function, *, crossed: bool) -> Verdict:
    """Compare two layers on all possible cases, with every kernel that may run them."""
    try:
        one, two = _cases_of(a), _cases_of(b)
    except ConversionError:
        return UNKNOWN
    if one is None or two is None or len(one) != len(two):
        return UNKNOWN
    if not all(np.array_equal(x, y) for x, y in zip(one, two, strict=True)):
        return UNKNOWN
    first, second = _by_each_kernel(a, one), _by_each_kernel(b, one[::-1] if crossed else one)
    if not first or not second:
        return UNKNOWN
    # In two files of one format, the same kernel runs a layer and its counterpart.
    alike = a.format == b.format and len(first) == len(second)
    pairs = zip(first, second, strict=True) if alike else itertools.product(first, second)
    worst = np.stack([np.abs(mine - other) for mine, other in pairs]).max(axis=0)
    operators: list[object] = [table.of_kind(function.layer.kind) for function in (a, b)]
    named = [operator.CASES for operator in operators if isinstance(operator, Certified)]
    return Verdict(
        equal=not worst.any(),
        lsb=int(worst.max()),
        channels=(),
        method=f"all {one[0].size:,} {named[0] if named else 'codes'}",
        cases=int((worst > 0).sum()),
    )


def _cases_of(function: _Function) -> Cases | None:
    """Return all possible inputs of a layer; None where they are not known.

    Raises:
        ConversionError: There are too many.
    """
    if function.layer.table is not None:
        table = function.layer.table
        if len(function.layer.reads) > 1:
            return all_pairs()
        return (all_codes(),) if table.ndim == 1 else cases_of_channels(len(table))
    known = node_of(function.layer, function.format, function.shapes)
    if known is None:
        return None
    operator, node, inputs = known
    return operator.all_cases(node, inputs) if isinstance(operator, Certified) else None


def _by_each_kernel(function: _Function, cases: Cases) -> list[Codes]:
    """Return the output of each kernel that may run a layer; empty if none is known."""
    layer = function.layer
    if layer.table is not None:
        return [layer.table.astype(np.int64).ravel()]
    known = node_of(layer, function.format, function.shapes)
    if known is None:
        return []
    operator, node, inputs = known
    if not isinstance(operator, Certified):
        return []
    if limits(operator, function.format, node, inputs, layer.op):
        others = by_own_kernel(operator, function.format, node, inputs, cases)
        return [np.clip(codes, *layer.clamp) for codes in others]
    kernels = by_each_kernel(operator, function.format, node, inputs, cases, layer.op)
    return [np.clip(codes, *layer.clamp) for codes in kernels]


def _same_numbers(a: StoredLayer, b: StoredLayer) -> bool:
    """Whether two layers without weights hold the same numbers."""
    return _same_windows(a, b) and a.clamp == b.clamp and _grids(a) == _grids(b)


def _grids_agree(a: StoredLayer, b: StoredLayer) -> bool:
    """Whether two layers that keep their grid have the same one, as far as both state it."""
    if not (needs_no_grid(a) or needs_no_grid(b)):
        return _grids(a) == _grids(b)
    pairs = zip(_grids(a)[-1], _grids(b)[-1], strict=True)
    return all(x is None or y is None or x == y for x, y in pairs)


def _grids(layer: StoredLayer) -> tuple[tuple[np.float32 | None, int | None], ...]:
    """Return scale and zero point of each input of a layer, then of its output."""
    tensors: tuple[LayerInput | StoredTensor, ...] = (*layer.reads, layer.output)
    return tuple((tensor.scale, tensor.zero_point) for tensor in tensors)


def _same_windows(a: StoredLayer, b: StoredLayer) -> bool:
    """Whether two layers have the same window, strides, dilations, groups, padding, parameters."""
    return (*_places(a), a.groups, a.parameters) == (*_places(b), b.groups, b.parameters)


def _places(layer: StoredLayer) -> tuple[Hashable, ...]:
    """Return where a layer's window meets its input."""
    return layer.window, layer.strides, layer.dilations, layer.pads


def _same_integers(a: StoredLayer, b: StoredLayer) -> bool:
    """Whether all numbers that decide a layer's codes are equal."""
    mine, other = a.weights, b.weights
    factors = multipliers(a), multipliers(b)
    return (
        mine is not None
        and other is not None
        and factors[0] is not None
        and factors[1] is not None
        and np.array_equal(mine.kernel, other.kernel)
        and np.array_equal(mine.bias, other.bias)
        and np.array_equal(
            np.broadcast_to(mine.kernel_zero, mine.bias.shape),
            np.broadcast_to(other.kernel_zero, other.bias.shape),
        )
        and np.array_equal(factors[0], factors[1])
        and (a.clamp, a.output.zero_point) == (b.clamp, b.output.zero_point)
        and a.reads[0].zero_point == b.reads[0].zero_point
    )
