"""`Numbering`: a number for each tensor of a file, equal for tensors that always hold equal codes.

The layers of two files are numbered by one `Numbering`. Whatever operators a file computes
something with, its tensors are brought to one form:

* What computes each element alone is a table of 256 codes, of one or of each channel: a function
  of an element, a clip, a change of grid, a depthwise convolution of one pixel. Tables in a row
  are one table.
* What computes each element from two is a table of all pairs of codes, and one of 256 codes if
  both come from one tensor, as in `x * sigmoid(x)`.
* A mean, a pool, or a depthwise convolution whose weights are all one number, is a table of the
  sums of its window's codes. A border of real 0 before it belongs to it.
* Other layers with weights are compared with those of the other file that read the same codes:
  by `same_function`. Channels that are read several times count once, with the sum of their
  weights.
* What moves codes, or is sampled, is the same if it does the same with the same codes.

A layer that has no such form gets a number of its own, so that no other tensor is equal to it.
"""

import dataclasses
import hashlib
import math
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import ConversionError
from mobiledeploy.compare.layer_fields import ROUNDED
from mobiledeploy.compare.reachable_codes import (
    Ints,
    Span,
    centred,
    multipliers,
    source_span,
    spans,
    stepped,
)
from mobiledeploy.compare.same_function import (
    LARGEST,
    codes_of_all_cases,
    keeps_its_grid,
    needs_no_grid,
    verdict_on,
)
from mobiledeploy.formats.model import Format
from mobiledeploy.integer.in_floats import of_floats
from mobiledeploy.integer.mean_as_convolution import codes_of_windows
from mobiledeploy.ops import table
from mobiledeploy.ops.capabilities import Cases, Certified, MovesCodes
from mobiledeploy.ops.certificate import all_codes
from mobiledeploy.ops.operator import has_weights
from mobiledeploy.ops.requantise import by_floats, joined_by_tflite, requantised
from mobiledeploy.ops.stored import FULL
from mobiledeploy.ops.tensors import QMAX, QMIN, Codes, QTensor, Shape
from mobiledeploy.ops.weights import MOST_STEPS, WIDEST_MULTIPLIER
from mobiledeploy.reading import INPUT, LayerInput, Reading, StoredLayer, StoredTensor

CODES: Final = 256
MOST_SUMS: Final = 2**22
"""Most sums of a window that are compared."""
_IDENTITY: Final = np.arange(QMIN, QMAX + 1, dtype=np.int64)
_PAIR: Final = 2
_NO_BORDER: Final = (0, 0, 0, 0)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NumberedCodes:
    """What codes a tensor holds, as a function of those of one or two numbered tensors.

    A tensor in another shape holds the same codes.

    Attributes:
        roots: Numbers of the tensors.
        shapes: Their shapes; empty for a single one.
        codes: The code of each code, -128 first, shape (256,); (channels, 256) where each channel
            has its own; (256, 256) for each code of the first of two and of the second. None: the
            codes of its only root.
        method: How it was found that equal ones are equal, in words.
    """

    roots: tuple[int, ...]
    shapes: tuple[Shape, ...] = ()
    codes: Codes | None = None
    method: str = ""

    @property
    def table(self) -> Codes:
        """The code of each code."""
        return _IDENTITY if self.codes is None else self.codes


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Weighted:
    """A layer with weights in the form in which it is compared.

    Attributes:
        file: 0 or 1, the file.
        layer: Its layer, each channel that it reads once, without a clamp.
        clamp: Its clamp.
        span: The codes that it reads.
        format: Format of its file.
        shape: Shape of what it reads.
        result: What it gives.
    """

    file: int
    layer: StoredLayer
    clamp: tuple[int, int]
    span: Span
    format: Format
    shape: Shape
    result: NumberedCodes


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Border:
    """An image with a border of one code around another image.

    Attributes:
        inner: Number of the image inside.
        shape: Its shape.
        pads: Above, below, left, right.
        code: The border's code.
    """

    inner: int
    shape: Shape
    pads: tuple[int, int, int, int]
    code: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Copies:
    """Channels that are several times those of another tensor.

    Attributes:
        inner: Number of that tensor.
        shape: Its shape.
        count: How many times.
        in_row: Whether each channel comes several times in a row; else all of them, then again.
    """

    inner: int
    shape: Shape
    count: int
    in_row: bool


class Numbering:
    """Numbers for the tensors of two files.

    Attributes:
        images: Numbers of both inputs; one number if they have one shape.
        by_cpu: On how many cases the own runtime of layers of the first file computes other codes
            on other CPUs, in words, by their indices.
        in_floats: Layers that their own runtime computes in floats, as file and index.
    """

    def __init__(
        self,
        readings: tuple[Reading, Reading],
        in_floats: tuple[Collection[str], Collection[str]] = ((), ()),
    ) -> None:
        """Begin without any numbers.

        Args:
            readings: The two files.
            in_floats: Names of the layers of either file that its runtime computes in floats.
        """
        self.by_cpu: dict[int, str] = {}
        self.in_floats = {
            (file, index)
            for file, reading in enumerate(readings)
            for index, layer in enumerate(reading.layers)
            if layer.name in in_floats[file]
        }
        self._readings = readings
        self._one_format = readings[0].format == readings[1].format
        self._spans = spans(readings[0]), spans(readings[1])
        self._numbers: dict[Hashable, int] = {}
        self._borders: dict[int, _Border] = {}
        self._copies: dict[int, _Copies] = {}
        self._weighted: dict[Hashable, list[_Weighted]] = {}
        self._results: dict[Hashable, NumberedCodes] = {}
        self._functions: dict[tuple[int, int], Codes | None] = {}
        image = self._number(("input", _flat(readings[0].input.shape)))
        other = self._number(("input", _flat(readings[1].input.shape)))
        self.images = image, other

    def numbered(
        self,
        file: int,
        given: Mapping[int, NumberedCodes],
        like: Callable[[int, Sequence[int]], NumberedCodes | None],
    ) -> list[NumberedCodes]:
        """Return what codes each layer of a file gives.

        Args:
            file: 0 or 1.
            given: What some layers give, by their indices: it is not computed.
            like: Returns what a layer gives that has no form of its own, from its index and the
                numbers of what it reads; None if that is not known.
        """
        results: list[NumberedCodes] = []
        image = NumberedCodes(roots=(self.images[file],), method="the same input")
        for index, layer in enumerate(self._readings[file].layers):
            if index in given:
                results.append(given[index])
                continue
            reads = [image if r.source == INPUT else results[r.source] for r in layer.reads]
            numbers = [self.number(read) for read in reads]
            key = file, index, *numbers
            if key not in self._results:
                with np.errstate(all="ignore"):
                    result = self._of(file, index, layer, reads)
                if result is not None:
                    self._results[key] = result
            known = self._results.get(key) or like(index, numbers)
            own = ("layer", file, index, *numbers)
            result = known or NumberedCodes(roots=(self._number(own),))
            results.append(result)
        return results

    def unlike(self, first: int, second: int) -> bool:
        """Whether a layer of each file computes each element otherwise, from all codes there are.

        Args:
            first: Index of a layer of the first file that was numbered.
            second: Likewise of the second file.
        """
        one, other = self._functions.get((0, first)), self._functions.get((1, second))
        return one is not None and other is not None and not np.array_equal(one, other)

    def number(self, codes: NumberedCodes) -> int:
        """Return the number of what a tensor holds."""
        if codes.codes is None:
            return codes.roots[0]
        table_of = codes.codes
        if len(codes.roots) == 1 and table_of.ndim > 1 and (table_of == table_of[0]).all():
            table_of = table_of[0]
        if len(codes.roots) == 1 and (codes.codes == _IDENTITY).all():
            return codes.roots[0]
        return self._number(("table", codes.roots, codes.shapes, _bytes_of(table_of)))

    def _number(self, key: Hashable) -> int:
        return self._numbers.setdefault(key, len(self._numbers))

    def _of(
        self, file: int, index: int, layer: StoredLayer, reads: Sequence[NumberedCodes]
    ) -> NumberedCodes | None:
        """Return what a layer gives; None if it has no form of its own."""
        if layer.faults or not reads:
            return None
        shapes = [_tensor(self._readings[file], read.source).shape for read in layer.reads]
        function = self._function(file, index, layer, shapes)
        if function is not None and len(reads) == 1:
            return self._applied(function, reads[0])
        if function is not None:
            return self._joined(function, (reads[0], reads[1]), (shapes[0], shapes[1]))
        operator = table.of_kind(layer.kind)
        window = self._window(file, index, layer, reads[0], shapes[0])
        if window is not None:
            return window
        if operator is not None and has_weights(operator):
            return self._with_weights(file, index, layer, reads[0], shapes[0])
        if layer.kind == "concatenation":
            return self._concatenated(file, layer, reads, shapes)
        module: object = operator
        if isinstance(module, MovesCodes):
            return self._moved(file, index, layer, reads, shapes)
        if isinstance(module, Certified) or layer.kind == "unknown":
            return None
        key = "layer", layer.op if operator is None else "", _grids(layer), *_options(layer)
        return self._plain(key, layer, reads, shapes)

    # What computes each element alone, or from two.

    def _function(
        self, file: int, index: int, layer: StoredLayer, shapes: Sequence[Shape]
    ) -> Codes | None:
        """Return the codes of a layer for each code, or pair of codes; None of other layers."""
        key = file, index
        if key not in self._functions:
            computed = self._computed(file, index, layer, shapes)
            if computed is not None and computed.ndim > 1 and len(layer.reads) == 1:
                same = (computed == computed[0]).all()
                computed = computed[0] if same else computed
            self._functions[key] = computed
        return self._functions[key]

    def _computed(
        self, file: int, index: int, layer: StoredLayer, shapes: Sequence[Shape]
    ) -> Codes | None:
        reading = self._readings[file]
        if layer.table is not None:
            codes = layer.table.astype(np.int64)
            return codes.reshape(CODES, CODES) if len(layer.reads) > 1 else codes
        if layer.kind == "quantize":
            try:
                codes = requantised(layer, _tensor(reading, layer.reads[0].source), reading.format)
            except ConversionError:
                return None
            return np.clip(codes, *layer.clamp)
        if layer.weights is not None:
            return _of_one_pixel(layer, shapes[0])
        if layer.kind == "max_pool" and _stays(layer, shapes[0]) and keeps_its_grid(layer):
            return np.clip(_IDENTITY, *layer.clamp)
        operator: object = table.of_kind(layer.kind)
        if not isinstance(operator, Certified):
            return None
        if not operator.ONE_CODE and len(layer.reads) != _PAIR:
            return None
        tried = self._tried(file, index, layer, shapes)
        if tried is None:
            return None
        cases, codes = tried
        if len(layer.reads) == _PAIR:
            return codes.reshape(CODES, CODES) if codes.size == CODES**2 else None
        if len(cases) == 1:
            return codes if np.array_equal(cases[0], all_codes()) else None
        rows = codes.reshape(-1, CODES)
        return rows if (cases[0].reshape(rows.shape) == all_codes()).all() else None

    def _tried(
        self, file: int, index: int, layer: StoredLayer, shapes: Sequence[Shape]
    ) -> tuple[Cases, Codes] | None:
        """Return all cases of a layer, and the codes that its runtime gives on this machine.

        None if they are not known, or if its kernels disagree: what the first file gives is then
        that of this machine if the second has one function for all machines, and of no other.
        """
        tried = codes_of_all_cases(layer, self._readings[file].format, shapes)
        if tried is None:
            return None
        cases, (codes, *others) = tried
        if (file, index) in self.in_floats:
            inputs = [
                _on_grid(shape, read) for shape, read in zip(shapes, layer.reads, strict=True)
            ]
            given = of_floats(layer, inputs, _on_grid(layer.output.shape, layer.output))
            codes, others = (codes, others) if given is None else (given, [])
        differing = int((np.stack([codes, *others]) != codes).any(axis=0).sum())
        if differing and (file == 1 or self._one_format):
            return None
        if differing:
            module: object = table.of_kind(layer.kind)
            named = module.CASES if isinstance(module, Certified) else "cases"
            self.by_cpu[index] = f"{differing:,} of {codes.size:,} {named}"
        return cases, codes

    def _applied(self, function: Codes, read: NumberedCodes) -> NumberedCodes:
        """Return a function of each code of a tensor."""
        given, channels = read.table, len(function) if function.ndim > 1 else 0
        if len(read.roots) == 1 and not channels:
            codes = function[given - QMIN]
        elif len(read.roots) == 1 and given.ndim > 1 and len(given) == channels:
            codes = np.take_along_axis(function, given - QMIN, axis=1)
        elif len(read.roots) == 1 and given.ndim == 1:
            codes = function[:, given - QMIN]
        elif not channels:
            codes = function[given - QMIN]
        else:
            return NumberedCodes(
                roots=(self.number(read),), codes=function, method=_method(function, 1)
            )
        roots, shapes = read.roots, read.shapes
        method = _method(codes, len(roots))
        return NumberedCodes(roots=roots, shapes=shapes, codes=codes, method=method)

    def _joined(
        self,
        function: Codes,
        reads: tuple[NumberedCodes, NumberedCodes],
        shapes: tuple[Shape, Shape],
    ) -> NumberedCodes:
        """Return a function of each pair of codes of two tensors."""
        a, b = reads
        same = _flat(shapes[0]) == _flat(shapes[1])
        channels = {len(each.table) for each in reads if each.table.ndim > 1 and not each.shapes}
        one_root = len(a.roots) == 1 and a.roots == b.roots and same and len(channels) < _PAIR
        if one_root:
            codes = function[a.table - QMIN, b.table - QMIN]
            return NumberedCodes(roots=a.roots, codes=codes, method=_method(codes, 1))
        of_both = dict.fromkeys((*a.roots, *b.roots))
        if (
            len(of_both) == _PAIR
            and not channels
            and (same or not (a.shapes or b.shapes))
            and all(_flat(shape) == _flat(shapes[0]) for each in reads for shape in each.shapes)
        ):
            order = tuple(sorted(of_both))
            grids = [_along(each, order) for each in reads]
            sizes = dict.fromkeys(a.roots, _flat(shapes[0])) | dict.fromkeys(
                b.roots, _flat(shapes[1])
            )
            codes = function[grids[0] - QMIN, grids[1] - QMIN]
            return NumberedCodes(
                roots=order,
                shapes=tuple(sizes[root] for root in order),
                codes=codes,
                method=_method(codes, _PAIR),
            )
        numbers, order_of = (self.number(a), self.number(b)), [0, 1]
        if numbers[0] > numbers[1]:
            order_of, function = [1, 0], function.T
        return NumberedCodes(
            roots=tuple(numbers[place] for place in order_of),
            shapes=tuple(_flat(shapes[place]) for place in order_of),
            codes=function,
            method=_method(function, _PAIR),
        )

    # Windows, and layers with weights.

    def _window(
        self, file: int, index: int, layer: StoredLayer, read: NumberedCodes, shape: Shape
    ) -> NumberedCodes | None:
        """Return what a layer gives that depends on the sum of a window's codes only."""
        if len(shape) != len(("height", "width", "channels")) or len(layer.reads) != 1:
            return None
        window, strides, pads = layer.window, layer.strides, layer.pads
        plain = dataclasses.replace(layer, clamp=FULL)
        code = layer.reads[0].zero_point
        if layer.kind == "mean":
            window, strides, pads = (shape[0], shape[1]), (1, 1), _NO_BORDER
            by_sum = self._means(file, index, plain, shape)
        elif layer.kind == "average_pool" and pads == _NO_BORDER:
            by_sum = self._means(file, index, plain, shape)
        elif layer.weights is not None and layer.dilations == (1, 1):
            kernel = layer.weights.kernel
            window = kernel.shape[1:3] if kernel.ndim > _PAIR else window
            by_sum = _of_equal_weights(plain, shape)
        else:
            return None
        if by_sum is None or code is None:
            return None
        if window == (shape[0], shape[1]) and pads == _NO_BORDER:
            strides = (1, 1)
        number, border = self.number(read), None
        if pads == _NO_BORDER:
            border = self._border(number, shape)
        if border is not None:
            number, shape, pads, code = border.inner, border.shape, border.pads, border.code
        key = ("window", number, shape, window, strides, pads, code if any(pads) else None)
        root = self._number((*key, _bytes_of(by_sum)))
        method = f"all {by_sum.size:,} sums of a window's codes, compared one by one"
        return self._clipped(root, layer.clamp, method)

    def _means(self, file: int, index: int, layer: StoredLayer, shape: Shape) -> Codes | None:
        """Return a mean's code of each sum of codes, from the lowest on; None if not known."""
        reading = self._readings[file]
        positions = math.prod(shape[:2] if layer.kind == "mean" else layer.window)
        tried = self._tried(file, index, layer, [shape])
        if tried is not None:
            cases, codes = tried
            sums = np.arange(QMIN * positions, QMAX * positions + 1)
            return codes if np.array_equal(cases[0], sums) else None
        if layer.kind != "average_pool" or reading.format != "onnx":
            return None
        try:
            source = _on_grid(shape, layer.reads[0])
            out = _on_grid(shape, layer.output)
        except ConversionError:
            return None
        codes, unsure = codes_of_windows(source, out, layer.window)
        return None if unsure else codes

    def _with_weights(
        self, file: int, index: int, layer: StoredLayer, read: NumberedCodes, shape: Shape
    ) -> NumberedCodes | None:
        """Return what a layer with weights gives."""
        zero = layer.reads[0].zero_point
        if layer.weights is None or zero is None:
            return None
        number = self.number(read)
        inside = dataclasses.replace(layer, pads=_NO_BORDER)
        function = _of_one_pixel(inside, layer.output.shape) if any(layer.pads) else None
        if function is not None and _around(shape, layer.pads) == layer.output.shape:
            return self._applied(function, self._bordered(number, shape, layer.pads, zero))
        count = _repeats(layer, shape)
        if count:
            root = self._number(("repeated", number, _flat(shape), count))
            self._copies[root] = _Copies(inner=number, shape=shape, count=count, in_row=True)
            return NumberedCodes(roots=(root,), method="the same codes, several times")
        span = source_span(self._readings[file], self._spans[file], layer.reads[0].source)
        copies = self._copies.get(number)
        once = None if copies is None else _folded(layer, copies, shape)
        rows = None if copies is None else _folded_rows(layer, copies, shape)
        folded = layer
        if copies is not None and once is not None:
            folded, number, shape = once, copies.inner, copies.shape
            span = _of_one_copy(span, copies)
        elif copies is not None and rows is not None:
            folded, number = rows, copies.inner
            shape = (shape[0] // copies.count, *shape[1:])
        again = self._window(file, index, folded, NumberedCodes(roots=(number,)), shape)
        if again is not None:
            return again
        border = self._border(number, shape)
        if border is not None and border.code == layer.reads[0].zero_point:
            number, shape = border.inner, border.shape
            (a, b, c, d), (e, f, g, h) = folded.pads, border.pads
            folded = dataclasses.replace(folded, pads=(a + e, b + f, c + g, d + h))
        key = (
            "weighted",
            folded.kind,
            number,
            _flat(shape),
            _flat(folded.output.shape),
            folded.strides,
            folded.dilations,
            folded.pads,
            folded.groups,
            folded.parameters,
            None if folded.weights is None else folded.weights.kernel.shape,
        )
        mine = _Weighted(
            file=file,
            layer=dataclasses.replace(folded, clamp=FULL),
            clamp=folded.clamp,
            span=span,
            format=self._readings[file].format,
            shape=shape,
            result=NumberedCodes(roots=(-1,)),
        )
        known = self._weighted.setdefault(key, [])
        for other in known:
            if other.file == file:
                continue
            method = _same_sums(other, mine)
            if method:
                return self._clipped(other.result.roots[0], mine.clamp, method)
            if other.clamp == mine.clamp:
                method = _same_sums(_cut(other), _cut(mine))
                if method:
                    return dataclasses.replace(other.result, method=method)
        root = self._number((*key, file, len(known)))
        result = self._clipped(root, mine.clamp, "")
        known.append(dataclasses.replace(mine, result=result))
        return result

    def _clipped(self, root: int, clamp: tuple[int, int], method: str) -> NumberedCodes:
        codes = None if clamp == FULL else np.clip(_IDENTITY, *clamp)
        return NumberedCodes(roots=(root,), codes=codes, method=method)

    # What moves codes.

    def _concatenated(
        self,
        file: int,
        layer: StoredLayer,
        reads: Sequence[NumberedCodes],
        shapes: Sequence[Shape],
    ) -> NumberedCodes | None:
        """Return what a concatenation gives, whose parts may be on grids of their own."""
        parts = []
        for read, source, shape in zip(layer.reads, reads, shapes, strict=True):
            grid = read.scale, read.zero_point
            if grid == (layer.output.scale, layer.output.zero_point):
                parts.append(source)
                continue
            function = self._put(file, layer, read, shape)
            if function is None:
                return None
            parts.append(self._applied(function, source))
        numbers = [self.number(part) for part in parts]
        flat = [_flat(shape) for shape in shapes]
        key = ("concatenation", *_options(layer))
        result = self._plain(key, layer, parts, shapes)
        last = flat[0][-1] if flat[0] else 0
        if len(set(numbers)) == 1 and len(numbers) > 1 and layer.output.shape and last:
            joined = layer.output.shape[-1] == last * len(numbers)
            if joined and result.codes is None:
                self._copies[result.roots[0]] = _Copies(
                    inner=numbers[0], shape=shapes[0], count=len(numbers), in_row=False
                )
        return result

    def _put(self, file: int, layer: StoredLayer, read: LayerInput, shape: Shape) -> Codes | None:
        """Return the codes of all codes that a layer moves, on the grid that it writes."""
        try:
            source, out = _on_grid(shape, read), _on_grid(shape, layer.output)
        except ConversionError:
            return None
        if self._readings[file].format == "onnx":
            return by_floats(source, out)
        unsigned = layer.kind == "concatenation" and layer.output.dtype == "uint8"
        return joined_by_tflite(source, out) if unsigned else None

    def _moved(
        self,
        file: int,
        index: int,
        layer: StoredLayer,
        reads: Sequence[NumberedCodes],
        shapes: Sequence[Shape],
    ) -> NumberedCodes | None:
        """Return what a layer gives that moves codes."""
        del index
        after: Codes | None = None
        if not (keeps_its_grid(layer) or needs_no_grid(layer)):
            if len(layer.reads) != 1:
                return None
            after = self._put(file, layer, layer.reads[0], shapes[0])
            if after is None:
                return None
            layer = dataclasses.replace(
                layer,
                output=dataclasses.replace(
                    layer.output, scale=layer.reads[0].scale, zero_point=layer.reads[0].zero_point
                ),
            )
            after = np.clip(after, *layer.clamp)
            layer = dataclasses.replace(layer, clamp=FULL)
        if layer.kind == "reshape":
            shape = dict(layer.parameters).get("shape")
            if not isinstance(shape, tuple) or _flat(shape) != _flat(layer.output.shape):
                return None
            result = self._applied(np.clip(_IDENTITY, *layer.clamp), reads[0])
        else:
            result = self._plain(("moved", *_options(layer)), layer, reads, shapes)
        code = dict(layer.parameters).get("code")
        padded = layer.kind == "pad" and _around(shapes[0], layer.pads) == layer.output.shape
        if padded and layer.clamp == FULL and isinstance(code, int):
            result = self._bordered(self.number(reads[0]), shapes[0], layer.pads, code)
        return result if after is None else self._applied(after, result)

    def _border(self, number: int, shape: Shape) -> _Border | None:
        """Return the border of an image; None if it has none, or is read in another shape."""
        border = self._borders.get(number)
        kept = border is not None and _around(border.shape, border.pads) == shape
        return border if kept else None

    def _bordered(
        self, inner: int, shape: Shape, pads: tuple[int, int, int, int], code: int
    ) -> NumberedCodes:
        """Return an image with a border."""
        border = _Border(inner=inner, shape=shape, pads=pads, code=code)
        root = self._number(border)
        self._borders[root] = border
        return NumberedCodes(roots=(root,), method="the same numbers")

    def _plain(
        self,
        key: Hashable,
        layer: StoredLayer,
        reads: Sequence[NumberedCodes],
        shapes: Sequence[Shape],
    ) -> NumberedCodes:
        """Return what a layer gives that is the same if its numbers are."""
        numbers = [self.number(read) for read in reads]
        operator = table.of_kind(layer.kind)
        if operator is not None and operator.SYMMETRIC:
            numbers.sort()
        whole = (key, *numbers, tuple(map(_flat, shapes)), _flat(layer.output.shape))
        return self._clipped(self._number(whole), layer.clamp, "the same numbers")


def _bytes_of(codes: Codes) -> Hashable:
    """Return codes in a form that is equal only for equal ones."""
    return codes.shape, hashlib.sha256(codes.astype(np.int8).tobytes()).digest()


def _tensor(reading: Reading, source: int) -> StoredTensor:
    return reading.input if source == INPUT else reading.layers[source].output


def _flat(shape: Shape) -> Shape:
    """Return a shape without leading axes of one: a vector is an image of one pixel."""
    while len(shape) > 1 and shape[0] == 1:
        shape = shape[1:]
    return shape


def _grids(layer: StoredLayer) -> Hashable:
    tensors: tuple[LayerInput | StoredTensor, ...] = (*layer.reads, layer.output)
    return tuple((tensor.scale, tensor.zero_point) for tensor in tensors)


def _options(layer: StoredLayer) -> tuple[Hashable, ...]:
    """Return what decides which codes a layer moves where."""
    return (
        layer.kind,
        layer.window,
        layer.strides,
        layer.dilations,
        layer.pads,
        layer.groups,
        layer.beta,
        layer.parameters,
    )


def _method(codes: Codes, roots: int) -> str:
    if roots == _PAIR:
        return f"a table of all {codes.size:,} pairs of codes, compared pair by pair"
    of = " of each channel" if codes.ndim > 1 else ""
    return f"a table of all {CODES} codes{of}, compared code by code"


def _along(read: NumberedCodes, order: tuple[int, ...]) -> Codes:
    """Return a tensor's codes for each code of two, in a form that broadcasts to (256, 256)."""
    if len(read.roots) == _PAIR:
        return read.table
    return read.table[:, None] if read.roots[0] == order[0] else read.table[None]


def _stays(layer: StoredLayer, shape: Shape) -> bool:
    """Whether a window is one pixel that moves by one."""
    return (
        layer.window == (1, 1)
        and layer.strides == (1, 1)
        and layer.pads == _NO_BORDER
        and _flat(shape) == _flat(layer.output.shape)
    )


def _around(shape: Shape, pads: tuple[int, int, int, int]) -> Shape:
    """Return the shape of an image with a border around it; empty of no image."""
    if len(shape) != len("HWC"):
        return ()
    (height, width, channels), (top, bottom, left, right) = shape, pads
    return height + top + bottom, width + left + right, channels


def _on_grid(shape: Shape, grid: LayerInput | StoredTensor) -> QTensor:
    if grid.scale is None or grid.zero_point is None:
        raise ConversionError("it has no codes")
    return QTensor(name="codes", shape=shape, scale=grid.scale, zero_point=grid.zero_point)


def _usable(layer: StoredLayer, largest: Ints) -> npt.NDArray[np.float32] | None:
    """Return a layer's multipliers, if its kernels round sums of certain sizes by `stepped`."""
    factors = multipliers(layer)
    if factors is None or not _sound(layer):
        return None
    if not ((factors > 0) & (factors < WIDEST_MULTIPLIER)).all():
        return None
    if largest.max() > LARGEST or (largest * factors.astype(np.float64)).max() >= MOST_STEPS:
        return None
    return factors


def _sound(layer: StoredLayer) -> bool:
    """Whether the scale of each bias that is not 0 is input scale x kernel scale."""
    weights, read = layer.weights, layer.reads[0]
    if weights is None or read.scale is None:
        return False
    product = np.broadcast_to(read.scale * weights.kernel_scale, weights.bias.shape)
    stated = np.broadcast_to(weights.bias_scale, weights.bias.shape)
    close = np.isclose(stated, product, rtol=ROUNDED, atol=0)
    return bool((close | (weights.bias == 0)).all())


def _of_one_pixel(layer: StoredLayer, shape: Shape) -> Codes | None:
    """Return the codes of all codes of each channel, of a depthwise convolution of one pixel."""
    weights, zero = layer.weights, layer.reads[0].zero_point
    if weights is None or zero is None or weights.kernel.ndim != len("OHWI"):
        return None
    single = layer.kind == "conv" and weights.kernel.shape == (1, 1, 1, 1)
    depthwise = layer.kind == "depthwise" and weights.kernel.shape[:3] == (1, 1, 1)
    if not (single or depthwise) or not _stays(layer, shape) or layer.output.zero_point is None:
        return None
    kernel = centred(weights, layer).reshape(-1, 1)
    sums = kernel * (_IDENTITY - zero) + weights.bias.astype(np.int64)[:, None]
    factors = _usable(layer, np.abs(sums).max(axis=1))
    return None if factors is None else stepped(layer, factors, sums)


def _repeats(layer: StoredLayer, shape: Shape) -> int:
    """Return how many times in a row a layer copies each channel; 0 if it does something else."""
    weights, zero = layer.weights, layer.reads[0].zero_point
    if weights is None or zero is None or weights.kernel.ndim != len("OHWI") or not shape:
        return 0
    outputs = weights.bias.size
    copies = weights.kernel.shape in {(1, 1, 1, outputs), (outputs, 1, 1, 1)}
    one_pixel = layer.strides == (1, 1) and layer.pads == _NO_BORDER and layer.groups == 1
    count = outputs // shape[-1]
    if not copies or not one_pixel or count < _PAIR or count * shape[-1] != outputs:
        return 0
    if layer.kind != "depthwise" and shape[-1] != 1:
        return 0
    sums = centred(weights, layer).reshape(-1, 1) * (_IDENTITY - zero)
    sums = sums + weights.bias.astype(np.int64)[:, None]
    factors = _usable(layer, np.abs(sums).max(axis=1))
    if factors is None or layer.output.zero_point is None:
        return 0
    return count if (stepped(layer, factors, sums) == _IDENTITY).all() else 0


def _of_equal_weights(layer: StoredLayer, shape: Shape) -> Codes | None:
    """Return the code of each sum of a window's codes, of a layer of equal weights.

    None of other layers. A border has the code of real 0.
    """
    weights, zero = layer.weights, layer.reads[0].zero_point
    if weights is None or zero is None or weights.kernel.ndim != len("OHWI"):
        return None
    single = layer.kind == "conv" and weights.kernel.shape[::3] == (1, 1)
    if not single and (layer.kind != "depthwise" or weights.kernel.shape[-1] != shape[-1]):
        return None
    kernel = centred(weights, layer).reshape(-1, weights.kernel.shape[-1])
    if layer.output.zero_point is None or not (kernel == kernel[:1]).all():
        return None
    positions = len(kernel)
    if positions * CODES > MOST_SUMS or positions == 1:
        return None
    numbers = np.stack(
        [
            kernel[0].astype(np.float64),
            weights.bias.astype(np.float64),
            np.asarray(multipliers(layer) if multipliers(layer) is not None else np.nan, float)
            * np.ones(weights.bias.size),
        ]
    )
    if not (numbers == numbers[:, :1]).all():
        return None
    sums = np.arange(QMIN * positions, QMAX * positions + 1, dtype=np.int64) - positions * zero
    sums = kernel[0, :1] * sums + int(weights.bias[0])
    factors = _usable(layer, np.abs(sums).max(keepdims=True))
    return None if factors is None else stepped(layer, factors[:1], sums[None])[0]


def _cut(form: _Weighted) -> _Weighted:
    return dataclasses.replace(form, layer=dataclasses.replace(form.layer, clamp=form.clamp))


def _same_sums(a: _Weighted, b: _Weighted) -> str:
    """Return how it was found that two layers give the same codes; empty if they do not."""
    sound = _sound(a.layer) and _sound(b.layer)
    if not sound and not _same_bias_scales(a.layer, b.layer):
        return ""
    verdict = verdict_on(
        a.layer,
        b.layer,
        (a.format, b.format),
        a.span.hull_if_alike(b.span),
        ((a.shape,), (b.shape,)),
    )
    return verdict.method if verdict.equal else ""


def _same_bias_scales(a: StoredLayer, b: StoredLayer) -> bool:
    one, other = a.weights, b.weights
    if one is None or other is None:
        return False
    scales = np.broadcast_arrays(one.bias_scale, other.bias_scale)
    return np.array_equal(scales[0], scales[1])


def _of_one_copy(span: Span, copies: _Copies) -> Span:
    channels = copies.shape[-1]
    if span.low.size != channels * copies.count:
        return span
    if copies.in_row:
        return Span(low=span.low[:: copies.count], high=span.high[:: copies.count])
    return Span(low=span.low[:channels], high=span.high[:channels])


def _folded(layer: StoredLayer, copies: _Copies, shape: Shape) -> StoredLayer | None:
    """Return a layer that reads each channel once, with the sum of the weights of its copies.

    None if it has no such form.

    Args:
        layer: The layer.
        copies: What the channels that it reads are copies of.
        shape: Shape of what it reads.
    """
    weights = layer.weights
    if weights is None or _flat(shape[:-1]) != _flat(copies.shape[:-1]):
        return None
    channels, kernel = copies.shape[-1], centred(weights, layer)
    if layer.kind == "depthwise":
        return None
    if not copies.in_row:
        if layer.groups != 1 or kernel.shape[-1] != channels * copies.count:
            return None
        summed = kernel.reshape(*kernel.shape[:-1], copies.count, channels).sum(axis=-2)
        kind, groups = layer.kind, 1
    else:
        inputs = kernel.shape[-1]
        if inputs % copies.count or inputs * layer.groups != channels * copies.count:
            return None
        summed = kernel.reshape(*kernel.shape[:-1], inputs // copies.count, copies.count).sum(-1)
        kind, groups = layer.kind, layer.groups
        if groups == channels and len(summed) == channels and summed.shape[-1] == 1:
            kind, groups, summed = "depthwise", 1, np.moveaxis(summed[..., 0], 0, -1)[None]
    made: Any = dataclasses.replace(
        weights, kernel=summed, kernel_zero=np.zeros_like(weights.kernel_zero)
    )
    return dataclasses.replace(layer, weights=made, kind=kind, groups=groups)


def _folded_rows(layer: StoredLayer, copies: _Copies, shape: Shape) -> StoredLayer | None:
    """Return a depthwise layer that reads each row once, with the sum of its copies' weights.

    None if it has no such form. An image's rows are copied where the rows of an image of one
    column, whose channels are those of all columns, are.

    Args:
        layer: The layer.
        copies: What the rows that it reads are copies of.
        shape: Shape of what it reads, with the copies.
    """
    weights, count = layer.weights, copies.count
    if weights is None or layer.kind != "depthwise" or copies.in_row or len(shape) != len("HWC"):
        return None
    lines = shape[0] // count, 1, math.prod(shape[1:])
    if shape[0] % count or _flat(copies.shape) != _flat(lines) or layer.dilations[0] != 1:
        return None
    kernel = centred(weights, layer)
    top, bottom, *sides = layer.pads
    if any(each % count for each in (kernel.shape[1], layer.strides[0], top, bottom)):
        return None
    one, height, *others = kernel.shape
    made = dataclasses.replace(
        weights,
        kernel=kernel.reshape(one, height // count, count, *others).sum(axis=2),
        kernel_zero=np.zeros_like(weights.kernel_zero),
    )
    return dataclasses.replace(
        layer,
        weights=made,
        strides=(layer.strides[0] // count, layer.strides[1]),
        pads=(top // count, bottom // count, sides[0], sides[1]),
    )
