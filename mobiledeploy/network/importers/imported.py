"""`Imported`: a float network as a file gives it, with what the file says about it."""

import dataclasses
from typing import Final, Literal, TypeAlias

import numpy as np

from mobiledeploy.network.float_graph import INPUT, UNSUPPORTED, FloatGraph, FloatNode
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
            `unread_inputs`: the file has further inputs, which nothing reads.
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
        readers = self.graph.users()[INPUT]
        pixels = len(readers) == 1 and readers[0].op == "affine"
        return RANGES["0..255"] if pixels else None

    @property
    def unsupported(self) -> tuple[FloatNode, ...]:
        """All nodes that the network needs and that are not supported."""
        needed = self.graph.needed()
        return tuple(
            node for node in self.graph.nodes if node.op == UNSUPPORTED and node.name in needed
        )


MOST_LABELS: Final = 100_000
"""Most labels that are read from a file."""
