"""All weights of a Keras model, by the model's own layer names.

`weight_matching` decides to which layers of our architecture they belong. `to_bytes` and
`from_bytes` transfer them from the child process that reads a file.
"""

import dataclasses
import io
import json
import zipfile
from typing import Final

import numpy as np

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.network.fold import BatchNorm
from mobiledeploy.network.keras_config import KernelKind
from mobiledeploy.network.network import Float
from mobiledeploy.spec.config import InputRange


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KerasKernel:
    """The weights of one convolution or dense layer.

    Attributes:
        name: The layer's name in the Keras model, or its path in the file.
        kind: The kind of layer.
        kernel: float32 in Keras's order: HWIO, HWC1 for depthwise, IO for dense.
        bias: float32, or None.
    """

    name: str
    kind: KernelKind
    kernel: Float
    bias: Float | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KerasBatchNorm:
    """The weights of one batch normalisation.

    Attributes:
        name: The layer's name in the Keras model, or its path in the file.
        batch_norm: Its parameters.
    """

    name: str
    batch_norm: BatchNorm


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KerasWeights:
    """All weights of a Keras model.

    Attributes:
        origin: The file's name or the model's, for messages.
        kernels: In running order among those of one kind.
        norms: In running order.
        input_range: The range of the network's input where it is known from another source, as
            for ImageNet weights.
    """

    origin: str
    kernels: tuple[KerasKernel, ...]
    norms: tuple[KerasBatchNorm, ...]
    input_range: InputRange | None = None


_PARTS: Final = ("gamma", "beta", "mean", "variance")


def to_bytes(weights: KerasWeights) -> bytes:
    """Return an `.npz` archive: `header` (JSON), `kernel/0`, `bias/0`, `gamma/0`, ..."""
    header = {
        "origin": weights.origin,
        "kernels": [(kernel.name, kernel.kind) for kernel in weights.kernels],
        "norms": [(norm.name, norm.batch_norm.epsilon) for norm in weights.norms],
        "input_range": weights.input_range,
    }
    arrays: dict[str, Float] = {}
    for index, kernel in enumerate(weights.kernels):
        arrays[f"kernel/{index}"] = kernel.kernel
        if kernel.bias is not None:
            arrays[f"bias/{index}"] = kernel.bias
    for index, norm in enumerate(weights.norms):
        arrays.update({f"{part}/{index}": getattr(norm.batch_norm, part) for part in _PARTS})
    buffer = io.BytesIO()
    text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez(buffer, allow_pickle=False, header=text, **arrays)
    return buffer.getvalue()


def from_bytes(data: bytes) -> KerasWeights:
    """Return the weights that `to_bytes` wrote.

    Raises:
        CorruptFileError: The bytes are something else: a hostile file misled the child process.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(arrays["header"].tobytes())
        return KerasWeights(
            origin=header["origin"],
            kernels=tuple(
                KerasKernel(
                    name=name,
                    kind=kind,
                    kernel=arrays[f"kernel/{index}"],
                    bias=arrays.get(f"bias/{index}"),
                )
                for index, (name, kind) in enumerate(header["kernels"])
            ),
            norms=tuple(
                KerasBatchNorm(
                    name=name,
                    batch_norm=BatchNorm(
                        **{part: arrays[f"{part}/{index}"] for part in _PARTS}, epsilon=epsilon
                    ),
                )
                for index, (name, epsilon) in enumerate(header["norms"])
            ),
            input_range=header["input_range"],
        )
    except (ValueError, KeyError, TypeError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise CorruptFileError(
            f"the weights read by the child process are damaged: {error}"
        ) from error
