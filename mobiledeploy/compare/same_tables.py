"""Whether two additions or means give the same codes: all pairs of codes, or all sums, are tried.

With the arithmetic of every kernel of what apps use of each file's format.
"""

import dataclasses
import functools
import itertools
import math
from collections.abc import Iterable

import numpy as np

from mobiledeploy.compare.reach import Ints
from mobiledeploy.compare.same_function import UNKNOWN, Verdict
from mobiledeploy.ops import add as add_kernels
from mobiledeploy.ops import mean as mean_kernels
from mobiledeploy.ops.add import NARROWEST
from mobiledeploy.ops.mean import MOST_POSITIONS
from mobiledeploy.ops.tensors import QMAX, QMIN
from mobiledeploy.reading import Format
from mobiledeploy.reading import LayerInput as Read
from mobiledeploy.reading import StoredLayer as Layer
from mobiledeploy.reading import StoredTensor as Tensor

POOL = "pool"
"""Stands for the arithmetic of an AVERAGE_POOL_2D, instead of a format's."""


def compare_additions(a: Layer, b: Layer, formats: tuple[Format, Format]) -> Verdict:
    """Compare two additions whose operands stand in the same order, on all pairs of codes."""
    return _additions(_grids(a), _grids(b), formats)


def compare_means(a: Layer, b: Layer, formats: tuple[Format, Format]) -> Verdict:
    """Compare two means on all sums of codes."""
    positions = math.prod(a.window)
    if positions != math.prod(b.window) or not 1 <= positions <= MOST_POSITIONS:
        return UNKNOWN
    kernels = [
        POOL if layer.op == "AVERAGE_POOL_2D" else kind
        for layer, kind in zip((a, b), formats, strict=True)
    ]
    return _means(_grids(a), _grids(b), (kernels[0], kernels[1]), positions)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Grids:
    """What decides an addition's or mean's codes; hashable, so that nothing is tried twice."""

    scales: tuple[np.float32 | None, ...]
    zeros: tuple[int | None, ...]
    clamp: tuple[int, int]

    @property
    def usable(self) -> bool:
        """Whether these are grids at all."""
        return None not in self.zeros and all(
            scale is not None and np.isfinite(scale) and scale > 0 for scale in self.scales
        )


def _grids(layer: Layer) -> _Grids:
    tensors: tuple[Read | Tensor, ...] = (*layer.reads, layer.output)
    return _Grids(
        scales=tuple(tensor.scale for tensor in tensors),
        zeros=tuple(tensor.zero_point for tensor in tensors),
        clamp=layer.clamp,
    )


@functools.lru_cache(maxsize=1024)
def _additions(a: _Grids, b: _Grids, formats: tuple[Format, Format]) -> Verdict:
    if not (a.usable and b.usable):
        return UNKNOWN
    tables = [_sums_of_pairs(grids, kind) for grids, kind in zip((a, b), formats, strict=True)]
    if not tables[0] or not tables[1]:
        return UNKNOWN
    # Of two files of one format, each layer is run by the kernel that runs its counterpart.
    pairs = zip(*tables, strict=True) if formats[0] == formats[1] else itertools.product(*tables)
    return _tables(pairs, "all 65,536 pairs of codes")


@functools.lru_cache(maxsize=1024)
def _means(a: _Grids, b: _Grids, kernels: tuple[str, str], positions: int) -> Verdict:
    if not (a.usable and b.usable):
        return UNKNOWN
    tables = [
        _means_of_sums(grids, kernel, positions)
        for grids, kernel in zip((a, b), kernels, strict=True)
    ]
    pairs = zip(*tables, strict=True) if kernels[0] == kernels[1] else itertools.product(*tables)
    return _tables(pairs, f"all {255 * positions + 1:,} sums of codes")


def _tables(pairs: Iterable[tuple[Ints, ...]], method: str) -> Verdict:
    """Compare what kernels of one runtime give with what kernels of the other do."""
    apart = [np.abs(mine - other) for mine, other in pairs]
    worst = np.stack(apart).max(axis=0)
    return Verdict(
        equal=not worst.any(),
        lsb=int(worst.max()),
        channels=(),
        method=method,
        cases=int((worst > 0).sum()),
    )


def _sums_of_pairs(grids: _Grids, kind: Format) -> list[Ints]:
    """Return the sums of all pairs of codes by each kernel that may run the layer."""
    a, b, scale = (np.float32(value or 0) for value in grids.scales)
    a_zero, b_zero, zero = (value or 0 for value in grids.zeros)
    if min(a / scale, b / scale) < NARROWEST:
        return []
    codes = np.arange(QMIN, QMAX + 1, dtype=np.int64)
    operands = add_kernels.Operands(
        a=np.repeat(codes, codes.size),
        b=np.tile(codes, codes.size),
        zeros=(a_zero, b_zero, zero),
    )
    kernels = add_kernels.KERNELS[kind]
    a_grid, b_grid = np.full((1, 1), a), np.full((1, 1), b)
    return [
        np.clip(kernel(operands, a_grid, b_grid, scale)[0], *grids.clamp) for kernel in kernels
    ]


def _means_of_sums(grids: _Grids, kernel: str, positions: int) -> list[Ints]:
    """Return the means of all sums by each kernel that may run the layer."""
    source, scale = (np.float32(value or 0) for value in grids.scales)
    source_zero, zero = (value or 0 for value in grids.zeros)
    total = mean_kernels.Sums(
        codes=np.arange(QMIN * positions, QMAX * positions + 1, dtype=np.int64),
        positions=positions,
        zeros=(source_zero, zero),
    )
    own = np.full(1, source)
    if kernel == POOL:
        found = [mean_kernels.tflite_average_pool(total)]
    else:
        found = [mean(total, own, scale) for mean in mean_kernels.KERNELS[kernel]]
    return [np.clip(means, *grids.clamp) for means in found]
