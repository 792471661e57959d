"""`Network`: an architecture with its float weights, batch norm folded.

Its file is an `.npz`: `architecture` as JSON, `<layer>/kernel` and `<layer>/bias`, and where a
convolution's kernel gets one scale `weights_per`.
"""

import dataclasses
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.base import codec, files
from mobiledeploy.base.errors import CorruptFileError, RequestError
from mobiledeploy.ops.architecture import Architecture
from mobiledeploy.ops.weights import Weights
from mobiledeploy.spec.config import WEIGHTS_PER, WeightsPer

Float = npt.NDArray[np.float32]
_ARCHITECTURE: Final = "architecture"
_WEIGHTS_PER: Final = "weights_per"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Network:
    """A float network, ready to be calibrated and quantised.

    Attributes:
        architecture: The layers.
        weights: By layer name, for every layer that has weights.
        weights_per: What of a convolution's int8 kernel gets a scale of its own.
    """

    architecture: Architecture
    weights: Mapping[str, Weights]
    weights_per: WeightsPer = "channel"

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
            weights = self.weights[layer.name]
            for what, array, expected in (
                ("kernel", weights.kernel, layer.kernel_shape),
                ("bias", weights.bias, (layer.out_channels,)),
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


def save_network(path: Path, network: Network) -> None:
    """Write a network to a file, whole or not at all.

    Raises:
        StorageError: The file cannot be written.
    """
    arrays: dict[str, npt.NDArray[Any]] = {}
    arrays[_ARCHITECTURE] = np.frombuffer(codec.to_json(network.architecture), np.uint8)
    if network.weights_per != "channel":
        arrays[_WEIGHTS_PER] = np.array(network.weights_per)
    for name, weights in network.weights.items():
        arrays[f"{name}/kernel"] = weights.kernel
        arrays[f"{name}/bias"] = weights.bias
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    files.write_atomic(path, buffer.getvalue())


def load_network(path: Path) -> Network:
    """Read a network from a file.

    Raises:
        CorruptFileError: The file is missing, damaged or holds something else.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (EOFError, OSError, ValueError, zipfile.BadZipFile) as error:
        raise CorruptFileError(f"{path} cannot be read as a network: {error}") from error
    if _ARCHITECTURE not in arrays:
        raise CorruptFileError(f"{path} holds no architecture")
    text = arrays[_ARCHITECTURE].tobytes()
    architecture = codec.from_json(Architecture, text, where=str(path))
    try:
        weights = {
            layer.name: Weights(
                kernel=arrays[f"{layer.name}/kernel"], bias=arrays[f"{layer.name}/bias"]
            )
            for layer in architecture.layers
            if layer.has_weights
        }
    except KeyError as error:
        raise CorruptFileError(f"{path} lacks the array {error}") from error
    stated = str(arrays.get(_WEIGHTS_PER, WEIGHTS_PER[0]))
    for weights_per in WEIGHTS_PER:
        if weights_per == stated:
            return Network(architecture=architecture, weights=weights, weights_per=weights_per)
    raise CorruptFileError(f"{path}: expected weights per {WEIGHTS_PER}, received {stated[:80]}")
