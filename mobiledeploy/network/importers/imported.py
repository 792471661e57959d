"""`Imported`: a float network as a file gives it, with what the file says about it."""

import dataclasses
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import numpy as np

from mobiledeploy.network.float_graph import INPUT, UNSUPPORTED, FloatGraph, FloatNode
from mobiledeploy.network.simplify.channel_order import fold_channel_order
from mobiledeploy.spec.channel_scaling import RANGES, ChannelScaling, named

Source: TypeAlias = Literal["keras", "onnx", "tflite"]
"""The format that a network is imported from."""

Layout: TypeAlias = Literal["NHWC", "NCHW", "vector", "not stated"]
"""Order of the axes that the source's own input has; the graph's input is NHWC in any case."""

NoticeKind: TypeAlias = Literal[
    "float16",
    "bfloat16",
    "float64",
    "mixed_precision",
    "dequantised_weights",
    "fixed_batch",
    "layout_by_size",
    "labels_do_not_fit",
    "unread_inputs",
    "log_scores",
]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something about the file that a user should know, though the import succeeds.

    Attributes:
        kind: `float16`, `bfloat16`, `float64`: the network computes in that type, here in float32.
            `mixed_precision`: likewise, with weights in float32.
            `dequantised_weights`: weights are stored as integers with scales, and activations are
            float. `fixed_batch`: the file is made for a batch of another size than 1.
            `layout_by_size`: the file does not state whether its input is NCHW or NHWC, and the
            sizes decided. `labels_do_not_fit`: the file has another number of labels than classes.
            `unread_inputs`: the file has further inputs, which nothing reads. `log_scores`: the
            file gives logarithms of scores (log_softmax), the network here the scores.
        names: Names of the tensors or the numbers that it is about.
    """

    kind: NoticeKind
    names: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Imported:
    """An imported network and the facts that the file states.

    Attributes:
        graph: The network. What is not supported is in it as nodes of operator `unsupported`.
        source: Format of the file.
        producer: Program that wrote the file, in its own words; empty if it does not say.
        input_layout: Axes of the source's own input.
        input_range: Lowest and highest value of the input for pixels 0 and 255, one pair or one
            for each channel; empty if the file does not state it.
        classes: Number of values in the output's last axis; 0 if it is not known.
        labels: Names of the classes in their order; empty if the file holds none.
        dtypes: Floating-point types of the weights, as stored.
        notices: What a user should know.
        layers: By the name of a node, the layer of the file that it belongs to, with the models
            around it. Of Keras only.
        license: Under which the file may be used, as its metadata say; empty if they do not.
    """

    graph: FloatGraph
    source: Source
    producer: str = ""
    input_layout: Layout = "not stated"
    input_range: tuple[tuple[float, float], ...] = ()
    classes: int = 0
    labels: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ("float32",)
    notices: tuple[Notice, ...] = ()
    layers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    license: str = ""

    @property
    def scaling(self) -> ChannelScaling | None:
        """How pixels become the input, as the file states it; None if it does not.

        It states a range in so many words, or begins with a layer that scales pixels.

        Raises:
            RequestError: The range is not one that pixels can have.
        """
        if self.input_range:
            low, high = np.array(self.input_range, np.float64).T
            with np.errstate(all="ignore"):
                std = 255 / (high - low)
            return named(tuple((-low * std).tolist()), tuple(std.tolist()))
        return RANGES["0..255"] if self.scales_pixels else None

    @property
    def scales_pixels(self) -> bool:
        """Whether the network begins with a layer that scales pixels of 0 to 255.

        A batch normalisation follows the data, whatever they were. A layer that gives pixels
        values far from 0 was made for another range: `2 x - 1` of 0..1, `(x - mean) / std` of
        fractions. What subtracts only, as Caffe's networks do, has pixels of both signs.
        """
        readers = fold_channel_order(self.graph).users()[INPUT]
        if len(readers) != 1 or readers[0].op != "affine" or readers[0].kind in _NORMS:
            return False
        scale, low = (readers[0].arrays[key].astype(np.float64) for key in ("scale", "offset"))
        width, high = np.abs(scale) * 255, low + scale * 255
        sides = np.minimum(-np.minimum(low, high), np.maximum(low, high))
        centred = (width <= _PIXELS) & (sides >= width / 10)
        return bool(np.all((width <= _SCALED) | centred))

    @property
    def unsupported(self) -> tuple[FloatNode, ...]:
        """All nodes that the network needs and that are not supported."""
        needed = self.graph.needed()
        return tuple(
            node for node in self.graph.nodes if node.op == UNSUPPORTED and node.name in needed
        )


_SCALED: Final = 64.0
"""Widest range of scaled pixels: more than any standard deviation of photos gives."""
_PIXELS: Final = 256.0
"""Widest range of pixels from which only a mean is subtracted."""
_NORMS: Final = frozenset({"BatchNormalization", "SyncBatchNormalization"})
"""Kinds of layers that follow the data they were trained with, in Keras and ONNX."""
MOST_LABELS: Final = 100_000
"""Most labels that are read from a file."""
