"""Run a classifier file and read its logits and scores as int8 codes, whatever its types are."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mobiledeploy.config import Io
from mobiledeploy.errors import ParityError
from mobiledeploy.integer.graph import Int8, IntegerGraph, QTensor
from mobiledeploy.progress import Event, Progress, silent
from mobiledeploy.runtimes import Session
from mobiledeploy.verify.parity import Answers, Codes

BATCH: Final = 32
"""Images between two events; it bounds memory, not results."""


def ask(
    session: Session,
    codes: Int8,
    graph: IntegerGraph,
    io: Io,
    *,
    message: str,
    progress: Progress = silent,
) -> Answers:
    """Return what a file answers to int8 images.

    Args:
        session: The file, tapped if it ends in a softmax: outputs are scores, then logits.
        codes: int8, shape (images, height, width, channels), on the grid of the graph's input.
        graph: Says on which grids the file's numbers lie.
        io: Type of the file's input and output.
        message: What is being run, for the events.
        progress: Told after every batch.

    Raises:
        ParityError: The file gives other outputs than the graph says.
    """
    rows: list[tuple[npt.NDArray[Any], ...]] = []
    for start in range(0, len(codes), BATCH):
        batch = codes[start : start + BATCH]
        rows.append(session.run(_feed(batch, graph.input, io)))
        progress(Event("verify", message, start + len(batch), len(codes)))
    outputs = [np.concatenate(column) for column in zip(*rows, strict=True)]
    scores, logits = outputs[0], outputs[-1]
    for tensor, array in ((graph.output, scores), (graph.logits, logits)):
        if array.shape[1:] != tensor.shape:
            raise ParityError(
                f"{session.runtime}: expected `{tensor.name}` of shape {tensor.shape}, "
                f"received {array.shape[1:]}"
            )
    return Answers(logits=_codes(logits, graph.logits), scores=_codes(scores, graph.output))


def _feed(codes: Int8, tensor: QTensor, io: Io) -> npt.NDArray[Any]:
    match io:
        case "int8":
            return codes
        case "uint8":
            return (codes.view(np.uint8) ^ np.uint8(128)).view(np.uint8)
        case "float32":
            return (codes.astype(np.float32) - np.float32(tensor.zero_point)) * tensor.scale


def _codes(array: npt.NDArray[Any], tensor: QTensor) -> Codes:
    if array.dtype == np.int8:
        return array.astype(np.int16)
    if array.dtype == np.uint8:
        return array.astype(np.int16) - np.int16(128)
    # A float output is a code times a float32 scale: dividing gives the code back exactly.
    steps = np.rint(array.astype(np.float64) / np.float64(tensor.scale))
    return (steps + tensor.zero_point).astype(np.int16)
