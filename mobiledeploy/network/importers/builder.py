"""`GraphBuilder`: makes the nodes of a `FloatGraph` from operators on the axes of a source.

The importers of `.onnx` and `.tflite` files share it. Each method takes views of tensors (see
`views`) and the source's own axes, brings the values into the order that the node needs, and
returns a view of the result.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.network.float_graph import INPUT, UNSUPPORTED, FloatNode
from mobiledeploy.network.importers.views import Factor, Factors, View, axis_of, flat, product
from mobiledeploy.ops import padding
from mobiledeploy.ops.padding import Pads
from mobiledeploy.ops.tensors import Shape
from mobiledeploy.spec.config import IMAGE_SIZES


class UnsupportedError(Exception):
    """An operator cannot be expressed; the message is the node's `reason`."""


def require(fits: bool, reason: str) -> None:  # noqa: FBT001 - reads like `assert`
    """Refuse an operator unless something fits.

    Raises:
        UnsupportedError: It does not.
    """
    if not fits:
        raise UnsupportedError(reason)


def require_finite(array: npt.NDArray[Any], name: str) -> None:
    """Refuse weights that are no numbers.

    Raises:
        UnsupportedError: One is not.
    """
    require(
        bool(np.isfinite(array).all()),
        f"its `{name}` holds NaN or infinite values: train again with a lower learning rate, or "
        "save the weights of an earlier epoch",
    )


Array: TypeAlias = npt.NDArray[Any]
Pair: TypeAlias = tuple[int, int]

MOST_SIZE: Final = 1 << 14
"""Largest height or width of an image, and largest pads."""
MOST_VALUES: Final = 1 << 26
"""Most values of a tensor, and of a matrix that chooses channels."""
SMALLER: Final = (
    "export the model for a smaller input: images have sides of "
    f"{IMAGE_SIZES[0]} to {IMAGE_SIZES[1]} pixels"
)
"""What to do about an input that is too large."""


def float32(values: Array) -> npt.NDArray[np.float32]:
    """Return constants as float32."""
    with np.errstate(over="ignore"):  # an infinite value is refused with its layer's name
        return np.asarray(values, np.float32)


class GraphBuilder:
    """Nodes of a graph under construction.

    Attributes:
        nodes: The nodes so far.
        batch: The factor of the batch.
        layer: Name of the layer of the source whose nodes are being added.
    """

    def __init__(self, *, channels_last: bool, batch: int = 1) -> None:
        """Begin an empty graph.

        Args:
            channels_last: Whether images have their channels last in the source.
            batch: The size of the batch in the source's shapes.
        """
        self.nodes: list[FloatNode] = []
        self.batch = Factor(batch)
        self._channels_last = channels_last
        self._names = {INPUT}
        self._arranged: dict[tuple[str, tuple[Factors, ...]], str] = {}
        self.layer, self._kind, self._begun = "", "", False

    def begin(self, layer: str, kind: str) -> None:
        """Begin the nodes of a layer of the source.

        Args:
            layer: Its name.
            kind: What the source calls its operator.
        """
        self.layer, self._kind, self._begun = layer, kind, False

    def node(
        self,
        op: str,
        inputs: Sequence[View],
        attributes: Mapping[str, Any] | None = None,
        arrays: Mapping[str, Array] | None = None,
        *,
        move: bool = False,
    ) -> str:
        """Add a node and return its name.

        Args:
            op: The operator.
            inputs: What it reads.
            attributes: Its attributes.
            arrays: Its constants.
            move: Whether it only prepares an input; the first other node has the layer's name.

        Raises:
            UnsupportedError: A constant holds NaN or infinite values.
        """
        constants = {key: float32(array) for key, array in (arrays or {}).items()}
        for key, array in constants.items():
            require_finite(array, key)
        plain = not self._begun and not move
        self._begun |= plain
        base = self.layer if plain else f"{self.layer}/{op}"
        name, number = base, 1
        while not name or name in self._names:
            number += 1
            name = f"{base}_{number}"
        self._names.add(name)
        self.nodes.append(
            FloatNode(
                name=name,
                op=op,
                inputs=tuple(view.node for view in inputs),
                attributes=dict(attributes or {}),
                arrays=constants,
                kind=self._kind,
            )
        )
        return name

    def made(self, node: str, sizes: Sequence[int], order: Sequence[int | None]) -> View:
        """Return the view of a new node's output.

        Args:
            node: Name of the node.
            sizes: The shape in the source, the batch included, which is its first axis.
            order: Which axis of the source each stored axis is; None for one of size 1.
        """
        require(
            math.prod(sizes) <= MOST_VALUES, f"its output of shape {tuple(sizes)} is too large"
        )
        axes = [(self.batch,), *map(axis_of, sizes[1:])]
        stored = tuple(() if place is None else axes[place] for place in order)
        return View(node=node, stored=stored, axes=tuple(axes))

    def unsupported(self, inputs: Sequence[str], reason: str) -> str:
        """Add a node of operator `unsupported` and return its name."""
        name = self.node(UNSUPPORTED, (), {"reason": reason})
        self.nodes[-1] = FloatNode(
            name=name,
            op=UNSUPPORTED,
            inputs=tuple(dict.fromkeys(inputs)),
            attributes={"reason": reason},
            kind=self._kind,
        )
        return name

    def forget(self, count: int) -> None:
        """Remove all nodes but the first `count`: those of a layer that proved not supported."""
        self._names.difference_update(node.name for node in self.nodes[count:])
        del self.nodes[count:]
        self._arranged.clear()

    # --- Orders -------------------------------------------------------------------------------

    def default_order(self, view: View) -> tuple[int, ...]:
        """Return the order in which a view is stored if nothing else asks for one."""
        places = view.content(self.batch)
        if self._channels_last or len(view.axes) < 3 or view.batch_axis(self.batch) != 0:
            return places
        return (*places[1:], places[0])

    def order_of(self, view: View) -> tuple[int, ...]:
        """Return the order in which it is stored, else the default one."""
        return view.order(self.batch) or self.default_order(view)

    def separate(self, view: View, order: Sequence[int]) -> View:
        """Return it stored with one axis for each of its own, in an order."""
        return self.arrange(view, tuple(view.axes[place] for place in order))

    def arrange(self, view: View, target: tuple[Factors, ...]) -> View:
        """Return it with its values stored in another order, by as few nodes as possible."""
        if view.stored == target:
            return view
        key = view.node, target
        if key not in self._arranged:
            self._arranged[key] = self._moved(view, target).node
        return View(node=self._arranged[key], stored=target, axes=view.axes)

    def _moved(self, view: View, target: tuple[Factors, ...]) -> View:
        now, then = flat(view.stored), flat(target)
        if now == then:
            return self._reshape(view, target)
        places = _permutation(view.stored, target)
        if places is not None:
            return self._transpose(view, places)
        # Blocks: factors that stay together, within one axis before and after.
        before = _axes_of(view.stored)
        after = _axes_of(target)
        position = {factor: number for number, factor in enumerate(then)}
        blocks: list[list[Factor]] = []
        for factor in now:
            last = blocks[-1][-1] if blocks else None
            if (
                last is not None
                and position[factor] == position[last] + 1
                and before[factor] == before[last]
                and after[factor] == after[last]
            ):
                blocks[-1].append(factor)
            else:
                blocks.append([factor])
        split = tuple(map(tuple, blocks))
        if split != view.stored:
            view = self._reshape(view, split)
        order = sorted(range(len(blocks)), key=lambda number: position[blocks[number][0]])
        view = self._transpose(view, order)
        return view if view.stored == target else self._reshape(view, target)

    def _reshape(self, view: View, target: tuple[Factors, ...]) -> View:
        shape = tuple(map(product, target))
        name = self.node("reshape", (view,), {"shape": shape}, move=True)
        return View(node=name, stored=target, axes=view.axes)

    def _transpose(self, view: View, places: Sequence[int]) -> View:
        name = self.node("transpose", (view,), {"axes": tuple(places)}, move=True)
        stored = tuple(view.stored[place] for place in places)
        return View(node=name, stored=stored, axes=view.axes)

    def reshape(self, view: View, sizes: Sequence[int]) -> View:
        """Return it with axes of other sizes, which the source states with the batch.

        Raises:
            UnsupportedError: The batch would be mixed with other axes.
        """
        require(min(sizes, default=1) > 0, f"it gives the shape {tuple(sizes)}")
        require(
            math.prod(sizes) == math.prod(view.sizes),
            f"it gives the shape {tuple(sizes)} to an input of shape {view.sizes}",
        )
        reshaped = view.reshaped(sizes, self.batch)
        if reshaped is None:
            # Its axes share no factors with the new ones: only values in the source's order fit.
            content = [view.axes[place] for place in view.content(self.batch)]
            whole = self.arrange(view, (flat(content),))
            one = axis_of(product(flat(content)))
            front = view.batch_axis(self.batch) == 0
            joined = View(
                node=whole.node, stored=(one,), axes=((self.batch,), one) if front else (one,)
            )
            reshaped = joined.reshaped(sizes, self.batch)
        if reshaped is None:
            raise UnsupportedError(
                f"it reshapes {view.sizes} to {tuple(sizes)}, which mixes the images of a batch"
            )
        return reshaped

    def source_order(self, view: View) -> View:
        """Return it stored as the source has it, except that images have their channels last.

        A number for each image, as PyTorch's `squeeze` leaves it, becomes a vector of one.
        """
        if view.axes == ((self.batch,),):
            view = self.reshape(view, (self.batch.size, 1))
        if view.order(self.batch) in {self.default_order(view), view.content(self.batch)}:
            return view
        return self.separate(view, self.default_order(view))

    def _merged(self, view: View, axes: Sequence[int]) -> Factors:
        """Return the factors of several axes in the order in which they are stored."""
        wanted = {factor for place in axes for factor in view.axes[place]}
        return tuple(factor for factor in flat(view.stored) if factor in wanted)

    def _with_last(self, view: View, axes: Sequence[int]) -> tuple[View, Factors]:
        """Return it with the given axes joined as the last stored one, and the factors of that.

        The order of the factors within the last axis is whatever it is.
        """
        self._require_content(view, axes)
        last = self._merged(view, axes)
        if view.stored and view.stored[-1] == last:
            return view, last
        others = [place for place in self.order_of(view) if place not in axes]
        return self.arrange(view, (*(view.axes[place] for place in others), last)), last

    def _require_content(self, view: View, axes: Sequence[int]) -> None:
        require(
            all(self.batch not in view.axes[place] for place in axes),
            "it works across the images of a batch",
        )

    def _require_batch_first(self, view: View) -> None:
        require(view.batch_axis(self.batch) == 0, "the first axis of its input is not the batch")

    def _places(self, view: View, axes: Sequence[int], factors: Factors) -> npt.NDArray[np.intp]:
        """Return for each entry of a joined axis its number in the source's order of the axes."""
        own = flat(view.axes[place] for place in axes)
        numbers = np.arange(product(own)).reshape([factor.size for factor in own])
        return numbers.transpose([own.index(factor) for factor in factors]).reshape(-1)

    # --- Element by element -------------------------------------------------------------------

    def unary(self, op: str, view: View, **attributes: Any) -> View:
        """Return an operator of single values."""
        name = self.node(op, (view,), attributes)
        return View(node=name, stored=view.stored, axes=view.axes)

    def affine(
        self, view: View, scale: Array | float, offset: Array | float, axis: int | None = None
    ) -> View:
        """Return `x * scale + offset`, with numbers or with one entry for each of an axis."""
        if axis is None:
            size = product(view.stored[-1]) if view.stored else 1
            if not view.stored:
                view = self.arrange(view, ((),))
            arrays = {"scale": np.full(size, scale), "offset": np.full(size, offset)}
        else:
            view, last = self._with_last(view, (axis,))
            places = self._places(view, (axis,), last)
            size = product(last)
            arrays = {
                "scale": np.broadcast_to(scale, size)[places],
                "offset": np.broadcast_to(offset, size)[places],
            }
        name = self.node("affine", (view,), {}, arrays)
        return View(node=name, stored=view.stored, axes=view.axes)

    def prelu(self, view: View, slope: Array) -> View:
        """Return PReLU; the slope is broadcast to the view's shape.

        Raises:
            UnsupportedError: The slope differs along several axes.
        """
        axis = self._only_axis(view, slope)
        if axis is None:
            return self.unary("leaky_relu", view, alpha=float(slope.reshape(-1)[0]))
        view, last = self._with_last(view, (axis,))
        values = slope.reshape(-1)[self._places(view, (axis,), last)]
        name = self.node("prelu", (view,), {}, {"slope": values})
        return View(node=name, stored=view.stored, axes=view.axes)

    def _only_axis(self, view: View, constant: Array) -> int | None:
        """Return the only axis along which a constant differs; None for a single number."""
        require(constant.ndim <= len(view.axes), "its constant has more axes than its input")
        first = len(view.axes) - constant.ndim
        axes = [first + place for place, size in enumerate(constant.shape) if size > 1]
        require(
            len(axes) < 2, f"its constant of shape {constant.shape} differs along several axes"
        )
        for axis in axes:
            require(
                constant.size == view.sizes[axis],
                f"its constant of shape {constant.shape} does not fit an input of {view.sizes}",
            )
        return axes[0] if axes else None

    def with_constant(
        self, op: str, view: View, constant: Array, *, swapped: bool = False
    ) -> View:
        """Return a binary operator with a constant, which is broadcast as the source does.

        Args:
            op: `add`, `sub`, `mul`, `div`, `maximum` or `minimum`.
            view: The operand that is computed.
            constant: The other one.
            swapped: Whether the constant is the first operand.

        Raises:
            UnsupportedError: A constant is divided by the view, or shapes do not fit.
        """
        constant = np.asarray(constant, np.float64)
        require(constant.size > 0, "its constant is empty")
        shape = _broadcast(view.sizes, constant.shape)
        if op == "div":
            require(not swapped, "it divides a constant by what is computed")
            require(bool(np.all(constant != 0)), "it divides by zero")
        if shape == view.sizes:
            varying = [size for size in constant.shape if size > 1]
            axis = self._only_axis(view, constant) if len(varying) < 2 else None
            if len(varying) < 2 and (axis is None or self._is_last(view, axis)):
                values = constant.reshape(-1)
                number = float(values[0]) if axis is None else values
                match op, swapped:
                    case "add", _:
                        return self.affine(view, 1, number, axis)
                    case "sub", False:
                        return self.affine(view, 1, -number, axis)
                    case "sub", True:
                        return self.affine(view, -1, number, axis)
                    case "mul", _:
                        return self.affine(view, number, 0, axis)
                    case "div", _:
                        return self.affine(view, 1 / number, 0, axis)
                    case "maximum", _ if axis is None:
                        return self.clip(view, float(values[0]), math.inf)
                    case "minimum", _ if axis is None:
                        return self.clip(view, -math.inf, float(values[0]))
        if op == "div":
            op, constant = "mul", 1 / constant
        order = self.order_of(view)
        if len(shape) != len(view.axes) or sorted(order) != list(range(1, len(shape))):
            order = tuple(range(1, len(shape)))
        other = self.constant(constant, len(shape), order)
        return self.binary(op, *((other, view) if swapped else (view, other)))

    def _is_last(self, view: View, axis: int) -> bool:
        """Whether an axis can be the last stored one without a transposition."""
        if self.batch in view.axes[axis]:
            return False
        last = bool(view.stored) and view.stored[-1] == self._merged(view, (axis,))
        return last or self.order_of(view)[-1] == axis

    def clip(self, view: View, low: float, high: float) -> View:
        """Return the values limited to a range; the view itself if there is no limit."""
        if low == -math.inf and high == math.inf:
            return view
        require(low <= high, f"its range {low:g} to {high:g} is empty")
        return self.unary("clip", view, low=low, high=high)

    def constant(self, values: Array, rank: int, order: Sequence[int]) -> View:
        """Return a constant with the given number of axes, the first of which is the batch.

        Args:
            values: The constant, which may have fewer axes.
            rank: The number of axes.
            order: The axes without the batch, in the order in which it is stored.

        Raises:
            UnsupportedError: It differs between the images of a batch.
        """
        shape = (1,) * (rank - values.ndim) + values.shape
        require(shape[0] == 1, "its constant differs between the images of a batch")
        view = View(node="", stored=(), axes=((self.batch,), *map(axis_of, shape[1:])))
        stored = tuple(view.axes[place] for place in order)
        arranged = values.reshape(shape[1:]).transpose([place - 1 for place in order])
        name = self.node("constant", (), {}, {"value": arranged}, move=True)
        return View(node=name, stored=stored, axes=view.axes)

    def binary(self, op: str, first: View, second: View) -> View:
        """Return `add`, `sub`, `mul`, `maximum` or `minimum` of two computed operands.

        Raises:
            UnsupportedError: The shapes do not fit, or the batches are different axes.
        """
        if first.structure() == second.structure():
            name = self.node(op, (first, second))
            return View(node=name, stored=first.stored, axes=first.axes)
        shape = _broadcast(first.sizes, second.sizes)
        first, second = (self._with_rank(view, len(shape)) for view in (first, second))
        require(
            first.batch_axis(self.batch) == second.batch_axis(self.batch),
            "the batch is another axis in each of its inputs",
        )
        main = first if math.prod(first.sizes) >= math.prod(second.sizes) else second
        order = self.order_of(main)
        first, second = (self.separate(view, order) for view in (first, second))
        name = self.node(op, (first, second))
        axes = tuple(
            a if product(a) >= product(b) else b
            for a, b in zip(first.axes, second.axes, strict=True)
        )
        return View(node=name, stored=tuple(axes[place] for place in order), axes=axes)

    def _with_rank(self, view: View, rank: int) -> View:
        added = rank - len(view.axes)
        if not added:
            return view
        # Broadcasting adds axes in front: the batch must not move away from the first place.
        require(
            view.batch_axis(self.batch) is None or self.batch.size == 1,
            "the batch is another axis in each of its inputs",
        )
        bare = tuple(() if self.batch in axis else axis for axis in view.axes)
        front: tuple[Factors, ...] = ((self.batch,), *[()] * (added - 1))
        return View(node=view.node, stored=view.stored, axes=(*front, *bare))

    def softmax(self, view: View, axes: Sequence[int], op: str = "softmax") -> View:
        """Return the softmax over one or several axes together."""
        view, _ = self._with_last(view, axes)
        name = self.node(op, (view,))
        return View(node=name, stored=view.stored, axes=view.axes)

    # --- Weighted -----------------------------------------------------------------------------

    def image(self, view: View, spatial: Sequence[int], channel: int) -> View:
        """Return it stored as height, width, channels.

        Args:
            view: The tensor.
            spatial: The axes of height and width; a single one is the height of width 1.
            channel: The axis of channels.

        Raises:
            UnsupportedError: It is not an image.
        """
        require(
            len(view.axes) == len(spatial) + 2 and len(spatial) in {1, 2},
            f"its input has the shape {view.sizes}: expected an image or a sequence",
        )
        self._require_batch_first(view)
        high, wide = (view.axes[spatial[0]], view.axes[spatial[1]] if spatial[1:] else ())
        return self.arrange(view, (high, wide, view.axes[channel]))

    def windowed(
        self,
        op: str,
        view: View,
        spatial: Sequence[int],
        channel: int,
        *,
        window: Pair,
        attributes: Mapping[str, Any],
        arrays: Mapping[str, Array] | None = None,
        channels: int | None = None,
    ) -> View:
        """Return a convolution or pool.

        Args:
            op: `conv`, `max_pool` or `average_pool`.
            view: The tensor.
            spatial: See `image`.
            channel: See `image`.
            window: Height and width of the kernel.
            attributes: The node's attributes, with `strides` and `pads`.
            arrays: The node's constants.
            channels: Number of output channels; None for as many as the input has.

        Raises:
            UnsupportedError: The input is no image, or smaller than the window.
        """
        view = self.image(view, spatial, channel)
        size = tuple(map(product, view.stored[:2]))
        high, wide = padding.output_size(
            size,
            window,
            attributes["strides"],
            attributes.get("dilations", (1, 1)),
            attributes["pads"],
        )
        require(high > 0 and wide > 0, f"its window does not fit into an input of {view.sizes}")
        name = self.node(op, (view,), attributes, arrays)
        sizes = list(view.sizes)
        for place, value in zip(spatial, (high, wide), strict=False):
            sizes[place] = value
        sizes[channel] = view.sizes[channel] if channels is None else channels
        order = (spatial[0], spatial[1] if spatial[1:] else None, channel)
        return self.made(name, sizes, order)

    def conv(
        self,
        view: View,
        spatial: Sequence[int],
        channel: int,
        *,
        kernel: Array,
        bias: Array,
        strides: Pair = (1, 1),
        dilations: Pair = (1, 1),
        groups: int = 1,
        pads: Pads = (0, 0, 0, 0),
    ) -> View:
        """Return a convolution; the kernel is HWIO with I channels a group.

        Raises:
            UnsupportedError: Shapes do not fit.
        """
        channels = view.sizes[channel]
        require(
            kernel.ndim == 4
            and kernel.shape[2] * groups == channels
            and kernel.shape[3] % groups == 0
            and bias.shape == kernel.shape[3:],
            f"its kernel of shape {kernel.shape} (HWIO, {groups} groups) and bias of shape "
            f"{bias.shape} do not fit {channels} channels",
        )
        attributes = {"strides": strides, "dilations": dilations, "groups": groups, "pads": pads}
        return self.windowed(
            "conv",
            view,
            spatial,
            channel,
            window=(kernel.shape[0], kernel.shape[1]),
            attributes=attributes,
            arrays={"kernel": kernel, "bias": bias},
            channels=kernel.shape[3],
        )

    def dense(self, view: View, kernel: Array, bias: Array) -> View:
        """Return the product of the last axis with a matrix (IO).

        Raises:
            UnsupportedError: Shapes do not fit.
        """
        last = len(view.axes) - 1
        require(
            kernel.ndim == 2 and kernel.shape[0] == view.sizes[last],
            f"its matrix of shape {kernel.shape} does not fit an input of {view.sizes}",
        )
        require(bias.shape == kernel.shape[1:], f"its bias has the shape {bias.shape}")
        self._require_content(view, (last,))
        factors = self._merged(view, (last,))
        others = [place for place in self.order_of(view) if place != last]
        view = self.arrange(view, (*(view.axes[place] for place in others), factors))
        places = self._places(view, (last,), factors)
        if not np.array_equal(places, np.arange(places.size)):
            kernel = kernel[places]
        name = self.node("dense", (view,), {}, {"kernel": kernel, "bias": bias})
        out = axis_of(kernel.shape[1])
        return View(node=name, stored=(*view.stored[:-1], out), axes=(*view.axes[:-1], out))

    def select(self, view: View, axis: int, entries: Sequence[int | None], fill: float) -> View:
        """Return chosen entries of an axis, in any order, as a product with zeros and ones.

        Args:
            view: The tensor.
            axis: The axis.
            entries: Which entry each new one is; None for a new one with the value `fill`.
            fill: See above.
        """
        size = view.sizes[axis]
        require(size * len(entries) <= MOST_VALUES, f"it moves {len(entries)} entries")
        kernel = np.zeros((size, len(entries)), np.float32)
        bias = np.zeros(len(entries), np.float32)
        for number, entry in enumerate(entries):
            if entry is None:
                bias[number] = fill
            else:
                kernel[entry, number] = 1
        rank = len(view.axes)
        if rank == 4 and view.batch_axis(self.batch) == 0 and axis in {1, 3}:
            spatial = (2, 3) if axis == 1 else (1, 2)
            return self.conv(view, spatial, axis, kernel=kernel[None, None], bias=bias)
        order = [place for place in range(rank) if place != axis] + [axis]
        result = self.dense(view.transposed(order), kernel, bias)
        return result.transposed([order.index(place) for place in range(rank)])

    # --- Reductions and moves -----------------------------------------------------------------

    def reduced(self, op: str, view: View, axes: Sequence[int], *, keep: bool) -> View:
        """Return `mean` or `reduce_max` over axes.

        Args:
            op: The operator.
            view: The tensor.
            axes: The axes.
            keep: Whether the axes stay, with size 1.

        Raises:
            UnsupportedError: The batch is one of the axes.
        """
        self._require_content(view, axes)
        axes = sorted(set(axes))
        left = tuple(() if place in axes else axis for place, axis in enumerate(view.axes))
        kept = left if keep else tuple(a for place, a in enumerate(left) if place not in axes)
        if not self._merged(view, axes):
            return View(node=view.node, stored=view.stored, axes=kept)
        rest = self._merged(view, [p for p in view.content(self.batch) if p not in axes])
        gone = {factor for place in axes for factor in view.axes[place]}
        fits = (
            len(view.stored) == 3 and set(flat(view.stored[:2])) == gone and view.stored[2] == rest
        )
        if not fits:
            first = self._merged(view, axes[:1])
            second = self._merged(view, axes[1:])
            view = self.arrange(view, (first, second, rest))
        name = self.node(op, (view,), {"keep_dims": keep})
        return View(node=name, stored=((), (), rest) if keep else (rest,), axes=kept)

    def sliced(
        self, view: View, begin: Sequence[int], end: Sequence[int], strides: Sequence[int]
    ) -> View:
        """Return a part, with a range for each axis of the source; strides are positive.

        Raises:
            UnsupportedError: It takes a part of the batch, or nothing.
        """
        rows = list(zip(begin, end, strides, view.sizes, strict=True))
        cut = [
            place
            for place, (low, high, step, size) in enumerate(rows)
            if (low, high, step) != (0, size, 1)
        ]
        if not cut:
            return view
        self._require_content(view, cut)
        require(
            all(low < high for low, high, _, _ in rows),
            f"it takes nothing of an input of {view.sizes}",
        )
        if not all(view.axes[place] in view.stored or not view.axes[place] for place in cut):
            view = self.separate(view, self.order_of(view))
        ranges = [(0, product(axis), 1) for axis in view.stored]
        axes, stored = list(view.axes), list(view.stored)
        for place in cut:
            low, high, step, _ = rows[place]
            position = view.stored.index(view.axes[place])
            ranges[position] = (low, high, step)
            axes[place] = stored[position] = axis_of(-(-(high - low) // step))
        lows, highs, steps = zip(*ranges, strict=True)
        name = self.node("slice", (view,), {"begin": lows, "end": highs, "strides": steps})
        return View(node=name, stored=tuple(stored), axes=tuple(axes))

    def concat(self, views: Sequence[View], axis: int) -> View:
        """Return views one behind the other along an axis.

        Raises:
            UnsupportedError: Their shapes differ along other axes, or it joins batches.
        """
        first = views[0]
        for view in views:
            self._require_content(view, (axis,))
            others = [
                [size for place, size in enumerate(of.sizes) if place != axis]
                for of in (first, view)
            ]
            require(
                others[0] == others[1]
                and view.batch_axis(self.batch) == first.batch_axis(self.batch),
                f"it joins shapes {first.sizes} and {view.sizes}",
            )
        order = [place for place in self.order_of(first) if place != axis] + [axis]
        arranged = [self.separate(view, order) for view in views]
        name = self.node("concat", arranged)
        joined = axis_of(sum(view.sizes[axis] for view in views))
        axes = tuple(joined if place == axis else a for place, a in enumerate(arranged[0].axes))
        return View(node=name, stored=tuple(axes[place] for place in order), axes=axes)

    def padded(
        self, view: View, before: Sequence[int], after: Sequence[int], value: float
    ) -> View:
        """Return it with borders of a value around every axis of the source.

        Raises:
            UnsupportedError: It pads the batch, or more than height, width and channels.
        """
        pairs = list(zip(before, after, strict=True))
        places = [place for place, pair in enumerate(pairs) if pair != (0, 0)]
        if not places:
            return view
        self._require_content(view, places)
        require(min(*before, *after) >= 0, "it pads by negative amounts")
        require(max(*before, *after) <= MOST_SIZE, f"it pads by {max(*before, *after)}")
        *spatial, channel = self.order_of(view)
        if places == [channel]:
            entries = [None] * pairs[channel][0], [None] * pairs[channel][1]
            return self.select(
                view, channel, [*entries[0], *range(view.sizes[channel]), *entries[1]], value
            )
        require(
            len(spatial) in {1, 2} and channel not in places,
            f"it pads the axes {', '.join(map(str, places))} of an input of shape {view.sizes}",
        )
        view = self.image(view, spatial, channel)
        vertical, horizontal = (*(pairs[place] for place in spatial), (0, 0))[:2]
        name = self.node("pad", (view,), {"pads": (*vertical, *horizontal), "value": value})
        sizes = [size + sum(pair) for size, pair in zip(view.sizes, pairs, strict=True)]
        return self.made(name, sizes, (spatial[0], spatial[1] if spatial[1:] else None, channel))

    def resized(self, view: View, spatial: Sequence[int], channel: int, size: Pair) -> View:
        """Return an image with its nearest pixels at another size."""
        view = self.image(view, spatial, channel)
        name = self.node("resize_nearest", (view,), {"size": size})
        sizes = list(view.sizes)
        for place, value in zip(spatial, size, strict=False):
            sizes[place] = value
        order = (spatial[0], spatial[1] if spatial[1:] else None, channel)
        return self.made(name, sizes, order)

    def repeated(self, view: View, axis: int, count: int) -> View:
        """Return an image with each row or column repeated.

        Args:
            view: The tensor.
            axis: An axis of size 1 behind that of the rows or columns: the repeats become it.
            count: How often each stands there.

        Raises:
            UnsupportedError: It is no such axis.
        """
        require(
            axis > 1 and not view.axes[axis] and self.batch not in view.axes[axis - 1],
            f"it repeats an input of {view.sizes} along axis {axis}",
        )
        kept = [stored for stored in view.stored if stored]
        rows = view.axes[axis - 1]
        require(
            len(kept) == 3 and rows in kept[:2] and view.sizes[axis - 1] * count <= MOST_SIZE,
            f"it repeats an input of {view.sizes} along axis {axis}",
        )
        view = self.arrange(view, tuple(kept))
        longer = (*rows, Factor(count))
        stored = tuple(longer if each == rows else each for each in view.stored)
        size = tuple(map(product, stored[:2]))
        name = self.node("resize_nearest", (view,), {"size": size})
        axes = tuple(longer[-1:] if place == axis else a for place, a in enumerate(view.axes))
        return View(node=name, stored=stored, axes=axes)

    def tiled(self, view: View, repeats: Sequence[int]) -> View:
        """Return it repeated along at most one axis; see `repeated`."""
        places = [place for place, count in enumerate(repeats) if count != 1]
        require(
            len(repeats) == len(view.axes) and len(places) <= 1 and min(repeats) > 0,
            f"it repeats an input of {view.sizes} {tuple(repeats)} times",
        )
        return self.repeated(view, places[0], repeats[places[0]]) if places else view

    def expanded(self, view: View, shape: Sequence[int]) -> View:
        """Return it broadcast to a shape, along at most one axis; see `repeated`."""
        wanted = _broadcast(view.sizes, tuple(shape))
        require(len(wanted) == len(view.axes), f"it makes {wanted} of {view.sizes}")
        return self.tiled(view, [b // a for a, b in zip(view.sizes, wanted, strict=True)])


def nearest_fits(pixels: Sequence[int], size: int) -> bool:
    """Whether nearest pixels are those of `resize_nearest`.

    Args:
        pixels: The position in the input for each one in the output.
        size: Size of the input.
    """
    return all(pixel == place * size // len(pixels) for place, pixel in enumerate(pixels))


def _broadcast(first: Shape, second: Shape) -> Shape:
    try:
        return tuple(np.broadcast_shapes(first, second))
    except ValueError as error:
        raise UnsupportedError(f"shapes {first} and {second} cannot be broadcast") from error


def _axes_of(axes: Sequence[Factors]) -> dict[Factor, int]:
    return {factor: place for place, axis in enumerate(axes) for factor in axis}


def _permutation(now: Sequence[Factors], then: Sequence[Factors]) -> list[int] | None:
    """Return which of the axes each wanted one is; None if they are not the same axes."""
    left, places = list(range(len(now))), []
    if len(now) != len(then):
        return None
    for axis in then:
        place = next((place for place in left if now[place] == axis), None)
        if place is None:
            return None
        left.remove(place)
        places.append(place)
    return places
