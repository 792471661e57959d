"""What a foreign model holds, before anybody knows which of our layers it belongs to.

`to_bytes` and `from_bytes` carry it from the process that reads a file to this one.
"""

import dataclasses
import io
import json
import zipfile
from typing import Final

import numpy as np

from mobiledeploy.base import codec
from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.network.fold import BatchNorm
from mobiledeploy.network.keras_config import Kind
from mobiledeploy.network.keras_graph import Graph
from mobiledeploy.network.network import Float
from mobiledeploy.spec.config import InputRange


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


_PARTS: Final = ("gamma", "beta", "mean", "variance")


def to_bytes(stored: Stored) -> bytes:
    """Return an `.npz` archive: `header` (JSON), `kernel/0`, `bias/0`, `gamma/0`, ..."""
    header = {
        "origin": stored.origin,
        "kernels": [(kernel.name, kernel.path, kernel.kind) for kernel in stored.kernels],
        "norms": [(norm.name, norm.path, norm.batch_norm.epsilon) for norm in stored.norms],
        "graph": None if stored.graph is None else codec.dump(stored.graph),
        "input_range": stored.input_range,
    }
    arrays: dict[str, Float] = {}
    for index, kernel in enumerate(stored.kernels):
        arrays[f"kernel/{index}"] = kernel.kernel
        if kernel.bias is not None:
            arrays[f"bias/{index}"] = kernel.bias
    for index, norm in enumerate(stored.norms):
        arrays.update({f"{part}/{index}": getattr(norm.batch_norm, part) for part in _PARTS})
    buffer = io.BytesIO()
    text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez(buffer, allow_pickle=False, header=text, **arrays)
    return buffer.getvalue()


def from_bytes(data: bytes) -> Stored:
    """Return what was dumped.

    Raises:
        CorruptFileError: The bytes are something else: their writer was led astray.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(arrays["header"].tobytes())
        graph = header["graph"]
        return Stored(
            origin=header["origin"],
            kernels=tuple(
                StoredKernel(
                    name=name,
                    path=path,
                    kind=kind,
                    kernel=arrays[f"kernel/{index}"],
                    bias=arrays.get(f"bias/{index}"),
                )
                for index, (name, path, kind) in enumerate(header["kernels"])
            ),
            norms=tuple(
                StoredNorm(
                    name=name,
                    path=path,
                    batch_norm=BatchNorm(
                        **{part: arrays[f"{part}/{index}"] for part in _PARTS}, epsilon=epsilon
                    ),
                )
                for index, (name, path, epsilon) in enumerate(header["norms"])
            ),
            graph=None if graph is None else codec.load(Graph, graph, where=header["origin"]),
            input_range=header["input_range"],
        )
    except (ValueError, KeyError, TypeError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise CorruptFileError(f"the weights did not arrive whole: {error}") from error
