"""What a foreign model holds, before anybody knows which of our layers it belongs to."""

import dataclasses
from typing import Final, Literal, TypeAlias

from mobiledeploy.network.fold import BatchNorm
from mobiledeploy.network.network import Float
from mobiledeploy.ops.architecture import Activation
from mobiledeploy.spec.input_scaling import InputRange

Kind: TypeAlias = Literal["conv", "depthwise", "dense"]

KINDS: Final[dict[str, Kind]] = {
    "Conv2D": "conv",
    "DepthwiseConv2D": "depthwise",
    "Dense": "dense",
}
"""By Keras class name."""

NORMS: Final = frozenset({"BatchNormalization", "SyncBatchNormalization"})
"""Keras class names of batch normalisation."""

EPSILON: Final = 1e-3
"""Keras's default, for files that hold weights but not the model's configuration."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredKernel:
    """The weights of one convolution or dense layer.

    Attributes:
        name: The layer's name in the foreign model, or its path in the file.
        kind: What it computes.
        kernel: float32 in Keras's order: HWIO, HWC1 for depthwise, IO for dense.
        bias: float32, or None.
    """

    name: str
    kind: Kind
    kernel: Float
    bias: Float | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredNorm:
    """One batch normalisation.

    Attributes:
        name: The layer's name in the foreign model, or its path in the file.
        batch_norm: Its parameters.
    """

    name: str
    batch_norm: BatchNorm


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stored:
    """All weights of a foreign model.

    Attributes:
        origin: The file's name or the model's, for messages.
        kernels: Those of one kind stand in the order in which they run.
        norms: In the order in which they run.
        image_size: Height and width of the input, if the file says so.
        activations: Between the layers, as far as the file says; empty if it does not.
        others: Class names of layers that compute something else, such as `Lambda`.
        input_range: What it takes for pixels, if the file says so.
    """

    origin: str
    kernels: tuple[StoredKernel, ...]
    norms: tuple[StoredNorm, ...]
    image_size: tuple[int, int] | None = None
    activations: frozenset[Activation] = frozenset()
    others: tuple[str, ...] = ()
    input_range: InputRange | None = None
