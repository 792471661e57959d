"""`FileForm`: facts about an operator in a file, for reading and inspecting files.

Versions are those of TFLite's `op_version.cc`; for int16 convolutions those of its text, the types
in its code being those of an earlier plan.
"""

import dataclasses
from collections.abc import Mapping, Sequence

from mobiledeploy.formats.model import Operator
from mobiledeploy.ops.onnx_reader import ReadOnnx


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MisreadScales:
    """Runtimes that take int8 weights with several scales, and compute them wrongly.

    Attributes:
        refused_from: Version of the operator that these runtimes refuse.
        right_from: The first release that computes it rightly.
    """

    refused_from: int
    right_from: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FileForm:
    """Where an operator of a file has what it computes with, and which types it takes.

    Attributes:
        inputs: Places of the activations among its inputs; None if all inputs are activations.
        kernel: Place of its kernel; None if it has no weights.
        bias: Place of its bias; None if it can have none.
        channel_axis: Of the output channels in the kernel; below 0 it counts from the end.
        transpose: Attribute that makes axis 0 that of the output channels; empty if there is none.
        per_channel: Whether its weights lose accuracy unless each channel has its own scale.
        dynamic: Whether the scales of its activations are chosen for each image as it runs.
        pairs_only: Whether it is a layer between quantise/dequantise pairs only, because it also
            does other things on real numbers, such as to apply a scale.
        scalar_scales: Whether ONNX Runtime fuses it only where scales have rank 0.
        versions: TFLite: by type of its first input, the first version that takes it.
        weight_versions: TFLite: by types of activations and weights, the first version that takes
            them: with one scale, and with several.
        misread_scales: TFLite: what old runtimes do to several scales; None if they take them.
        litert_own: TFLite: whether XNNPACK leaves it to LiteRT's own kernels.
        read: ONNX: reads a layer from a node, between quantise/dequantise pairs or with grids of
            its own; None for a form that is not understood.
        ort_kernel: ONNX: the integer kernel that ONNX Runtime runs it in, which it may fuse it
            into; empty for a form that is run as the file has it.
        parts: Whether each of its outputs is a layer of its own; see `table.by_output`.
        computed: Whether the cases of a `Certified` operator are what runtimes compute of it.
    """

    inputs: tuple[int, ...] | None = (0,)
    kernel: int | None = None
    bias: int | None = None
    channel_axis: int = 0
    transpose: str = ""
    per_channel: bool = False
    dynamic: bool = False
    pairs_only: bool = False
    scalar_scales: bool = False
    versions: Mapping[str, int] = dataclasses.field(default_factory=dict)
    weight_versions: Mapping[tuple[str, str], tuple[int, int]] = dataclasses.field(
        default_factory=dict
    )
    misread_scales: MisreadScales | None = None
    litert_own: bool = False
    read: ReadOnnx | None = None
    ort_kernel: str = ""
    parts: bool = False
    computed: bool = False

    def places(self, operator: Operator) -> tuple[int, ...]:
        """Return the places of the activations among the inputs of an operator."""
        return tuple(range(len(operator.inputs))) if self.inputs is None else self.inputs

    def kernel_axis(self, operator: Operator, sizes: Sequence[int] | None) -> int:
        """Return the axis of the output channels in the kernel of an operator.

        Args:
            operator: In the file.
            sizes: Of the kernel; None if not known.
        """
        if self.transpose and operator.number(self.transpose, 0):
            return 0
        return (
            self.channel_axis
            if self.channel_axis >= 0
            else max(len(sizes or ()) + self.channel_axis, 0)
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ScaleRatio:
    """A ratio of scales that LiteRT's kernel takes between two bounds only.

    Attributes:
        inputs: Numbers of the inputs whose scales are multiplied.
        value: The product of these, over the output's scale; NaN where one is not known.
        lowest: The least that the kernel takes.
        limit: What it takes is below this.
    """

    inputs: tuple[int, ...]
    value: float
    lowest: float
    limit: float
