"""`Network`: an architecture with its folded float weights."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import RequestError
from mobiledeploy.ops.architecture import Architecture
from mobiledeploy.ops.weights import Weights

Float = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Network:
    """A float network, ready to be calibrated and quantised.

    Attributes:
        architecture: The layers.
        weights: By layer name, for every layer that has weights.
    """

    architecture: Architecture
    weights: Mapping[str, Weights]

    def __post_init__(self) -> None:
        """Check that every layer has its weights, in the right shapes and finite.

        Raises:
            RequestError: Names the layer, the expected and the received shape.
        """
        for layer in self.architecture.layers:
            if not layer.has_weights:
                continue
            if layer.name not in self.weights:
                raise RequestError(f"layer `{layer.name}` has no weights")
            found = self.weights[layer.name]
            for what, array, expected in (
                ("kernel", found.kernel, layer.kernel_shape),
                ("bias", found.bias, (layer.out_channels,)),
            ):
                if array.shape != expected:
                    raise RequestError(
                        f"{what} of layer `{layer.name}`: expected shape {expected}, "
                        f"received {array.shape}"
                    )
                if not np.isfinite(array).all():
                    raise RequestError(
                        f"{what} of layer `{layer.name}` holds NaN or infinite values",
                        hint="the training diverged, or the weights file is damaged",
                    )
