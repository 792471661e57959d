"""What a foreign model holds, before anybody knows which of our layers it belongs to."""

import dataclasses

from mobiledeploy.layers import InputRange
from mobiledeploy.network.fold import BatchNorm
from mobiledeploy.network.keras_config import Kind
from mobiledeploy.network.keras_graph import Graph
from mobiledeploy.network.network import Float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredKernel:
    """The weights of one convolution or dense layer.

    Attributes:
        name: The layer's name in the foreign model, or its path in the file.
        path: Where it lies in a file that groups weights by class, otherwise the name.
        kind: What it computes.
        kernel: float32 in Keras's order: HWIO, HWC1 for depthwise, IO for dense.
        bias: float32, or None.
    """

    name: str
    path: str
    kind: Kind
    kernel: Float
    bias: Float | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredNorm:
    """One batch normalisation.

    Attributes:
        name: The layer's name in the foreign model, or its path in the file.
        path: Where it lies in a file that groups weights by class, otherwise the name.
        batch_norm: Its parameters.
    """

    name: str
    path: str
    batch_norm: BatchNorm


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stored:
    """All weights of a foreign model.

    Attributes:
        origin: The file's name or the model's, for messages.
        kernels: Those of one kind stand in the order in which they run.
        norms: In the order in which they run.
        graph: What the file says that it computes; None for weights alone.
        input_range: What is known of weights alone from elsewhere: what they take for pixels.
    """

    origin: str
    kernels: tuple[StoredKernel, ...]
    norms: tuple[StoredNorm, ...]
    graph: Graph | None = None
    input_range: InputRange | None = None
