"""`Stored` as bytes and back: how it gets from one process to another."""

import io
import json
import zipfile

import numpy as np

from mobiledeploy import codec
from mobiledeploy.errors import CorruptFileError
from mobiledeploy.network.fold import BatchNorm
from mobiledeploy.network.keras_graph import Graph
from mobiledeploy.network.network import Float
from mobiledeploy.network.stored import Stored, StoredKernel, StoredNorm

_PARTS = ("gamma", "beta", "mean", "variance")


def dump(stored: Stored) -> bytes:
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


def load(data: bytes) -> Stored:
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
