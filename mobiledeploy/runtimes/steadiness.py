"""Whether a runtime gives the same bytes whatever the threads, the batch and the day.

Foreign files run in a child process, one for all variants of a file.
"""

import dataclasses
import hashlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal, TypeAlias

import numpy as np

from mobiledeploy.base import child_process
from mobiledeploy.runtimes import Array, Session, litert, ort

Format: TypeAlias = Literal["tflite", "onnx"]

MODULE: Final = "mobiledeploy.runtimes.steadiness"
THREADS: Final = (1, 2, 4)
REPEATS: Final = 3
BATCH: Final = 8
SECONDS: Final = 300.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way of running the same images.

    Attributes:
        name: Such as `4 threads, batch 8`.
        runtime: With version.
        digest: SHA-256 of all outputs' bytes.
    """

    name: str
    runtime: str
    digest: str


def variants(model: bytes, kind: Format, batch: Array) -> tuple[Variant, ...]:
    """Return what each way of running a batch gives: batch 8 with one thread first.

    The ways are 1, 2 and 4 of the runtime's own threads, several times over, and one image at a
    time.

    Args:
        model: A `.tflite`, run with XNNPACK, or an `.onnx`, run optimised.
        kind: Which.
        batch: Images as the file takes them; at most `BATCH` at a time go in.

    Raises:
        CorruptFileError: The runtime refuses the file, dies of it, or takes too long.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model.{kind}"
        path.write_bytes(model)
        np.save(path.with_name("batch.npy"), batch)
        found = json.loads(child_process.call(MODULE, "read", str(path), seconds=SECONDS))
    return tuple(Variant(**variant) for variant in found)


def read(path: str) -> bytes:
    """Return `variants` as JSON; for the child."""
    model = Path(path).read_bytes()
    batch = np.load(Path(path).with_name("batch.npy"))
    return json.dumps(
        [dataclasses.asdict(v) for v in _run(model, Path(path).suffix, batch)]
    ).encode()


def _run(model: bytes, suffix: str, batch: Array) -> Iterator[Variant]:
    for threads in THREADS:
        session: Session
        if suffix == ".tflite":
            session = litert.load(model, inner_threads=threads)
        else:
            session = ort.load(model, inner_threads=threads)
        said = f"{threads} thread{'s' * (threads > 1)}"
        for repeat in range(REPEATS):
            outputs = session.run(batch)
            yield Variant(
                name=f"{said}, batch {BATCH}, run {repeat + 1}",
                runtime=session.runtime,
                digest=_digest(outputs),
            )
        rows = [session.run(batch[i : i + 1]) for i in range(len(batch))]
        single = [np.concatenate(output) for output in zip(*rows, strict=True)]
        yield Variant(name=f"{said}, batch 1", runtime=session.runtime, digest=_digest(single))


def _digest(outputs: Sequence[Array]) -> str:
    digest = hashlib.sha256()
    for output in outputs:
        digest.update(np.ascontiguousarray(output).tobytes())
    return digest.hexdigest()
